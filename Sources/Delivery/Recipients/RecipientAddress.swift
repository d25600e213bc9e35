import Bytes

/// A forward-path taken apart: the local part without its quotes, and the domain, if there is one.
package struct RecipientAddress: Equatable {
    package let localPart: [UInt8]
    package let domain: [UInt8]?

    /// Splits at the last `@`; quotes around the local part are not part of the name (RFC 5321 §4.1.2).
    package init(_ address: some Collection<UInt8>) {
        let bytes = Array(address)
        let at = bytes.lastIndex(of: .ascii("@"))
        domain = at.map { Array(bytes[($0 + 1)...]) }
        localPart = Self.unquoted(bytes[..<(at ?? bytes.endIndex)])
    }

    private static func unquoted(_ text: ArraySlice<UInt8>) -> [UInt8] {
        guard text.count >= 2, text.first == .quote, text.last == .quote else { return Array(text) }
        var name: [UInt8] = []
        var cursor = Cursor(text.dropFirst().dropLast())
        while let byte = cursor.next() {
            name.append(byte == .backslash ? cursor.next() ?? byte : byte)
        }
        return name
    }
}
