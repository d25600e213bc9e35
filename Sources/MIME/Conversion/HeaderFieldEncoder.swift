import Bytes

/// Writes one header field that is not ASCII so that it is, and means the same to whoever reads MIME: in encoded words
/// (RFC 2047 §5), in a parameter as RFC 2231 §4 has it.
enum HeaderFieldEncoder {
    /// `field` with its line end; nil where there is no way: in an address, in a boundary.
    static func encode(_ field: ArraySlice<UInt8>) -> [UInt8]? {
        guard let colon = field.firstIndex(of: .ascii(":")) else { return nil }
        let name = field[..<colon].trimmed()
        guard name.allSatisfy({ $0.isASCII }) else { return nil }
        let value = field[(colon + 1)...]
        let encoded: [UInt8]? =
            if addressFields.contains(where: { name.equalsFolded($0) }) {
                addresses(value)
            } else if name.equalsFolded("Content-Type") || name.equalsFolded("Content-Disposition") {
                parameters(value)
            } else {
                EncodedWordWriter.encode(value)
            }
        return encoded.map { Array(field[...colon]) + $0 }
    }

    /// Text for people with a word that no line has room for; nil for anything else.
    static func encodeLongWords(_ field: ArraySlice<UInt8>) -> [UInt8]? {
        guard let colon = field.firstIndex(of: .ascii(":")),
            ["Subject", "Comments", "Content-Description"].contains(where: { (name: StaticString) in
                field[..<colon].trimmed().equalsFolded(name)
            }), EncodedWordWriter.hasLongWord(field[(colon + 1)...])
        else { return nil }
        return Array(field[...colon]) + EncodedWordWriter.encode(field[(colon + 1)...])
    }

    /// Fields that hold addresses, with names in front of them or comments beside them.
    private static let addressFields: [StaticString] = [
        "From", "Sender", "Reply-To", "To", "Cc", "Bcc", "Resent-From", "Resent-Sender", "Resent-To",
        "Resent-Cc",
        "Resent-Bcc", "Resent-Reply-To", "Return-Path", "Errors-To", "Disposition-Notification-To",
        "Return-Receipt-To",
        "Mail-Followup-To", "Mail-Reply-To", "Delivered-To", "X-Original-To", "Apparently-To",
    ]

    // MARK: - Addresses

    private static func addresses(_ value: ArraySlice<UInt8>) -> [UInt8]? {
        var output: [UInt8] = []
        var cursor = Cursor(value)
        while let byte = cursor.peek {
            switch byte {
            case .quote:
                guard let quoted = quotedString(&cursor) else { return nil }
                if quoted.content.allSatisfy({ $0.isASCII }) {
                    output += quoted.raw
                } else if cursor.peek == .ascii("@") {
                    return nil
                } else {
                    if let last = output.last, !last.isWhitespace { output.append(.space) }
                    output += EncodedWordWriter.words(quoted.content)
                    if cursor.peek == .ascii("<") { output.append(.space) }
                }
            case .ascii("("): output += comment(&cursor)
            case .ascii("<"):
                let angle = cursor.take { $0 != .ascii(">") }
                guard angle.allSatisfy({ $0.isASCII }) else { return nil }
                output += angle
            default:
                let special: (UInt8) -> Bool = { byte in
                    byte == .quote || byte == .ascii("(") || byte == .ascii("<") || byte == .ascii(",")
                        || byte == .ascii(";") || byte == .ascii(":") || byte == .ascii(">")
                }
                let text = cursor.take { !special($0) }
                if text.isEmpty, let byte = cursor.next() { output.append(byte) }
                guard let encoded = phrase(text) else { return nil }
                output += encoded
                if !text.allSatisfy({ $0.isASCII }), cursor.peek == .ascii("<"),
                    text.last?.isWhitespace == false
                {
                    output.append(.space)
                }
            }
        }
        return output
    }

    /// Words outside quotes: a name, or an address by itself.
    private static func phrase(_ text: ArraySlice<UInt8>) -> [UInt8]? {
        let isAddress = text.split { $0.isWhitespace || $0 == .lf }
            .contains { $0.contains(.ascii("@")) && !$0.allSatisfy({ $0.isASCII }) }
        if isAddress { return nil }
        return text.allSatisfy { $0.isASCII } ? Array(text) : EncodedWordWriter.encode(text)
    }

    /// RFC 2047 §5: words inside a comment, apart from its parentheses.
    private static func comment(_ cursor: inout Cursor) -> [UInt8] {
        var output: [UInt8] = []
        var depth = 0
        repeat {
            let text = cursor.take { $0 != .ascii("(") && $0 != .ascii(")") && $0 != .backslash }
            output += text.allSatisfy({ $0.isASCII }) ? Array(text) : EncodedWordWriter.encode(text)
            guard let byte = cursor.next() else { break }
            output.append(byte)
            switch byte {
            case .ascii("("): depth += 1
            case .ascii(")"): depth -= 1
            default:
                // A quoted pair; of what is not ASCII the backslash says nothing.
                if let next = cursor.peek, next.isASCII {
                    output.append(next)
                    _ = cursor.next()
                } else {
                    output.removeLast()
                }
            }
        } while depth > 0
        return output
    }

    private static func quotedString(_ cursor: inout Cursor) -> (raw: ArraySlice<UInt8>, content: [UInt8])? {
        let start = cursor.position
        guard cursor.skip(.quote) else { return nil }
        var content: [UInt8] = []
        while let byte = cursor.next() {
            if byte == .quote { return (cursor.unit[start..<cursor.position], content) }
            if byte == .backslash, let next = cursor.next() {
                content.append(next)
            } else if byte != .lf, byte != .cr {
                content.append(byte)
            }
        }
        return nil
    }

    // MARK: - Parameters

    /// RFC 2231 §4: `name="Größe"` becomes `name*=utf-8''Gr%C3%B6%C3%9Fe`.
    private static func parameters(_ value: ArraySlice<UInt8>) -> [UInt8]? {
        var output: [UInt8] = []
        var cursor = Cursor(value)
        while let byte = cursor.peek {
            guard byte == .ascii("=") else {
                guard byte.isASCII else { return nil }
                if byte == .ascii("(") { output += comment(&cursor) } else { output += cursor.take(1) ?? [] }
                continue
            }
            _ = cursor.next()
            let raw: ArraySlice<UInt8>
            let content: [UInt8]
            if cursor.peek == .quote {
                guard let quoted = quotedString(&cursor) else { return nil }
                (raw, content) = quoted
            } else {
                raw = cursor.take { $0 != .ascii(";") && !$0.isWhitespace && $0 != .lf && $0 != .cr }
                content = Array(raw)
            }
            if content.allSatisfy({ $0.isASCII }) {
                output.append(.ascii("="))
                output += raw
            } else {
                guard output.last != .ascii("*"), !Array(output.suffix(8)).equalsFolded("boundary") else {
                    return nil
                }
                output += "*=" as StaticString
                output += EncodedWordWriter.isUTF8(content) ? "utf-8''" as StaticString : "unknown-8bit''"
                output += content.flatMap {
                    $0.isAlphanumeric || $0 == .dot || $0 == .ascii("-") ? [$0] : percent($0)
                }
            }
        }
        return output
    }

    private static func percent(_ byte: UInt8) -> [UInt8] {
        [.ascii("%"), hexDigit(byte >> 4).uppercased, hexDigit(byte & 15).uppercased]
    }
}
