import Bytes

/// Charsets turned into UTF-8. UTF-8, US-ASCII, ISO-8859-1 and windows-1252 are known here; another decoder is given by
/// who has one (imapd has charset-decode).
package struct CharsetDecoder {
    /// The text in UTF-8, nil for an unknown charset.
    private let other: ([UInt8], [UInt8]) -> [UInt8]?

    package init(other: @escaping (_ bytes: [UInt8], _ charset: [UInt8]) -> [UInt8]? = { _, _ in nil }) {
        self.other = other
    }

    package func decode(_ bytes: [UInt8], charset: [UInt8]) -> [UInt8]? {
        if charset.isEmpty || charset.equalsFolded("utf-8") || charset.equalsFolded("us-ascii")
            || charset.equalsFolded("utf8")
        {
            return bytes
        }
        if charset.equalsFolded("iso-8859-1") || charset.equalsFolded("latin1") {
            return Array(String(String.UnicodeScalarView(bytes.map { Unicode.Scalar($0) })).utf8)
        }
        if charset.equalsFolded("windows-1252") || charset.equalsFolded("cp1252") {
            return Array(String(String.UnicodeScalarView(bytes.map(Self.windows1252))).utf8)
        }
        return other(bytes, charset)
    }

    private static func windows1252(_ byte: UInt8) -> Unicode.Scalar {
        let high: [UInt16] = [
            0x20AC, 0xFFFD, 0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160, 0x2039,
            0x0152, 0xFFFD,
            0x017D, 0xFFFD, 0xFFFD, 0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2013, 0x2014, 0x02DC, 0x2122,
            0x0161, 0x203A,
            0x0153, 0xFFFD, 0x017E, 0x0178,
        ]
        guard (0x80..<0xA0).contains(byte) else { return Unicode.Scalar(byte) }
        return Unicode.Scalar(high[Int(byte) - 0x80]) ?? "\u{FFFD}"
    }

    /// A header's text with its encoded words decoded (RFC 2047 §2), in UTF-8. White space between two of them goes (§6.2).
    package func decodeWords(_ text: [UInt8]) -> [UInt8] {
        var output: [UInt8] = []
        var index = 0
        var lastWordEnd: Int?
        while index < text.count {
            if text[index] == .ascii("="), let (word, end) = word(in: text, at: index) {
                if let lastWordEnd,
                    text[lastWordEnd..<index].allSatisfy({ $0.isWhitespace || $0 == .cr || $0 == .lf })
                {
                    output.removeLast(index - lastWordEnd)
                }
                output += word
                index = end
                lastWordEnd = end
            } else {
                output.append(text[index])
                index += 1
            }
        }
        return output
    }

    /// `=?charset?encoding?text?=` at `start`: the text, and where it ends.
    private func word(in text: [UInt8], at start: Int) -> (text: [UInt8], end: Int)? {
        // RFC 2047 §2 allows 75; more is common.
        let limit = text[start...].prefix(1000)
        guard limit.count > 7, limit[start + 1] == .ascii("?") else { return nil }
        let fields = limit.dropFirst(2).split(
            separator: .ascii("?"), maxSplits: 3, omittingEmptySubsequences: false)
        guard fields.count == 4, fields[1].count == 1, fields[3].first == .ascii("="),
            !fields[2].contains(where: { $0.isWhitespace })
        else { return nil }
        let charset = Array(fields[0].prefix { $0 != .ascii("*") })
        let bytes: [UInt8]
        switch fields[1].first?.lowercased {
        case .ascii("b"): bytes = TransferDecoding.base64(Array(fields[2]))
        case .ascii("q"):
            bytes = TransferDecoding.quotedPrintable(fields[2].map { $0 == .ascii("_") ? .space : $0 })
        default: return nil
        }
        return decode(bytes, charset: charset).map { ($0, fields[3].startIndex + 1) }
    }
}
