/// Names of mailboxes in RFC 3501: modified UTF-7 (§5.1.3), where `&…-` stands for text that is not ASCII, and `&-` for `&`.
package enum ModifiedUTF7 {
    /// Whether it stands for a text in the one way that it may be written. What does not is no name that a client can
    /// understand; and what spells ASCII in base 64 would be a second name for a mailbox, or hide a path.
    package static func isValid(_ name: some Collection<UInt8>) -> Bool {
        var cursor = Cursor(Array(name))
        while let byte = cursor.next() {
            guard byte.isPrintable else { return false }
            guard byte == .ascii("&") else { continue }
            let text = cursor.take { $0 != .ascii("-") }
            guard cursor.skip(.ascii("-")) else { return false }
            if text.isEmpty { continue }
            // Two shifts side by side are one, written in another way; `&-` is a character of its own.
            guard isShifted(text), !(cursor.peek == .ascii("&") && cursor.peek(ahead: 1) != .ascii("-"))
            else {
                return false
            }
        }
        return true
    }

    /// UTF-16 in base 64 with `,` for `/`, without padding, no unit of it printable ASCII, surrogates in pairs.
    private static func isShifted(_ text: ArraySlice<UInt8>) -> Bool {
        guard !text.contains(.ascii("/")), !text.contains(.ascii("=")) else { return false }
        let padding = [UInt8](repeating: .ascii("="), count: (4 - text.count % 4) % 4)
        let plain = text.map { $0 == .ascii(",") ? UInt8.ascii("/") : $0 } + padding
        guard padding.count < 3, let bytes = Base64.decode(plain), bytes.count % 2 == 0 else { return false }
        var isInPair = false
        for index in stride(from: 0, to: bytes.count, by: 2) {
            let unit = UInt16(bytes[index]) << 8 | UInt16(bytes[index + 1])
            let isLow = 0xDC00...0xDFFF ~= unit
            guard isLow == isInPair, !(0x20...0x7E ~= unit), unit != 0 else { return false }
            isInPair = 0xD800...0xDBFF ~= unit
        }
        return !isInPair
    }
}
