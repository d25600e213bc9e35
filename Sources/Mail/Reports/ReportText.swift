import Bytes

/// How a report writes what strangers said: escaped, folded, and within SMTP's line limit (T64, T81).
enum ReportText {
    /// Columns after which a line is folded or wrapped.
    private static let width = 76
    private static let longest = 800

    /// One line of printable ASCII. What our log has escaped already is not escaped again.
    static func line(_ bytes: [UInt8]) -> [UInt8] {
        let parts = bytes.prefix(longest).split(separator: .backslash, omittingEmptySubsequences: false)
        let text = parts.map { Array($0.escaped(limit: longest).utf8) }.joined(separator: [.backslash])
        return Array(text.prefix(longest))
    }

    /// The same, with UTF-8 left as it is where the report may hold it (RFC 6533 §5).
    static func line(_ bytes: [UInt8], isGlobal: Bool) -> [UInt8] {
        let isClean = bytes.count <= longest && !bytes.contains { $0.isControl }
        return isGlobal && isClean && isUTF8(bytes) ? bytes : line(bytes)
    }

    /// `name: value`, folded at its spaces (RFC 5322 §2.2.3).
    static func field(_ name: String, _ value: [UInt8]) -> [UInt8] {
        wrapped(Array("\(name): ".utf8) + value, next: [.lf, .space]) + [.lf]
    }

    static func field(_ name: String, _ value: String) -> [UInt8] { field(name, Array(value.utf8)) }

    /// Words of ours or of others in lines that begin with `indent`.
    static func paragraph(_ text: [UInt8], indent: Int = 0) -> [UInt8] {
        let blanks = [UInt8](repeating: .space, count: indent)
        return wrapped(blanks + text, next: [.lf] + blanks, dropsSpace: true) + [.lf]
    }

    /// Puts `next` between two words where a line would become too long; its last space is the one that
    /// stood between the words, unless that is dropped.
    private static func wrapped(_ text: [UInt8], next: [UInt8], dropsSpace: Bool = false) -> [UInt8] {
        var result: [UInt8] = []
        var column = 0
        var isFirst = true
        for word in text.split(separator: .space, omittingEmptySubsequences: false) {
            if isFirst {
                isFirst = false
            } else if !word.isEmpty, column + 1 + word.count > width, column > next.count {
                result += next
                column = next.count - 1
            } else {
                result.append(.space)
                column += 1
            }
            result += word
            column += word.count
        }
        return result
    }

    private static func isUTF8(_ bytes: [UInt8]) -> Bool { String(validating: bytes, as: UTF8.self) != nil }

    /// RFC 6533 §3: an address that is not ASCII, in a place that is.
    ///
    ///     utf-8-addr-xtext     = 1*(QCHAR / EmbeddedUnicodeChar)
    ///     EmbeddedUnicodeChar  = %x5C.78 "{" HEXPOINT "}"
    ///
    /// Nil for what is no UTF-8.
    static func addressXText(_ address: [UInt8]) -> [UInt8]? {
        guard let text = String(validating: address, as: UTF8.self) else { return nil }
        return text.unicodeScalars.flatMap { scalar -> [UInt8] in
            let isPlain =
                scalar.isASCII && UInt8(scalar.value).isVisible && !["\\", "+", "="].contains(scalar)
            if isPlain { return [UInt8(scalar.value)] }
            return Array("\\x{\(String(scalar.value, radix: 16, uppercase: true))}".utf8)
        }
    }
}
