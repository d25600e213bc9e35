import Bytes

/// RFC 3461 §4: text in which bytes outside of `!`…`~`, and `+` and `=`, are written `+XX`.
package enum XText {
    package static func encode(_ bytes: some Collection<UInt8>) -> [UInt8] {
        bytes.flatMap { byte -> [UInt8] in
            if byte.isVisible, byte != .ascii("+"), byte != .ascii("=") { return [byte] }
            return [.ascii("+"), hexDigit(byte >> 4).uppercased, hexDigit(byte & 15).uppercased]
        }
    }

    /// Decoded text that is printable ASCII: what ENVID and ORCPT may hold (RFC 3461 §4.2, §4.4). No line end
    /// gets through (T14).
    static func decodePrintable(_ text: some Collection<UInt8>) -> [UInt8]? {
        guard let bytes = decode(text), bytes.allSatisfy({ $0.isPrintable }) else { return nil }
        return bytes
    }

    /// Nil for a `+` without two upper-case hexadecimal digits behind it, or a byte that must be encoded.
    package static func decode(_ text: some Collection<UInt8>) -> [UInt8]? {
        var cursor = Cursor(Array(text))
        var bytes: [UInt8] = []
        while let byte = cursor.next() {
            if byte == .ascii("+") {
                guard let digits = cursor.take(2), digits.allSatisfy({ $0.hexValue != nil && !$0.isLower })
                else { return nil }
                bytes.append(digits.reduce(0) { $0 << 4 | ($1.hexValue ?? 0) })
            } else {
                guard byte.isVisible, byte != .ascii("=") else { return nil }
                bytes.append(byte)
            }
        }
        return bytes
    }
}
