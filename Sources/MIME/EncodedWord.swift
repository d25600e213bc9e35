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

    /// A header's text with its encoded words decoded (RFC 2047 §2), in UTF-8. White space between two of them goes (§6.2);
    /// neighbours of one charset are decoded as one, since some programs cut a character in two.
    package func decodeWords(_ text: [UInt8]) -> [UInt8] {
        guard text.contains(.ascii("=")) else { return text }
        var output: [UInt8] = []
        var run: Run?
        var plainStart = 0
        var index = 0
        while index < text.count {
            guard text[index] == .ascii("="), let word = Self.word(in: text, at: index) else {
                index += 1
                continue
            }
            let gap = text[plainStart..<index]
            let follows =
                run != nil && gap.allSatisfy { $0.isWhitespace || $0 == .cr || $0 == .lf }
            if follows, run?.charset.equalsFolded(word.charset) == true {
                run?.bytes += word.bytes
                run?.end = word.end
            } else {
                let isDecoded = flush(&run, of: text, to: &output)
                if !(follows && isDecoded) { output += gap }
                run = Run(charset: word.charset, bytes: word.bytes, start: index, end: word.end)
            }
            index = word.end
            plainStart = index
        }
        _ = flush(&run, of: text, to: &output)
        return output + text[plainStart...]
    }

    /// Encoded words of one charset with nothing but blanks between, and where they stand.
    private struct Run {
        let charset: [UInt8]
        var bytes: [UInt8]
        let start: Int
        var end: Int
    }

    /// Appends what the run stands for, or the run as it stands where its charset is unknown; whether it was known.
    private func flush(_ run: inout Run?, of text: [UInt8], to output: inout [UInt8]) -> Bool {
        guard let words = run else { return true }
        run = nil
        let decoded = decode(words.bytes, charset: words.charset)
        output += decoded ?? Array(text[words.start..<words.end])
        return decoded != nil
    }

    /// `=?charset?encoding?text?=` at `start`: the bytes that it stands for, and where it ends.
    private static func word(in text: [UInt8], at start: Int) -> (charset: [UInt8], bytes: [UInt8], end: Int)?
    {
        // RFC 2047 §2 allows 75 and no blanks; more, and blanks, are common.
        let limit = text[start...].prefix(1000)
        guard limit.count > 7, limit[start + 1] == .ascii("?") else { return nil }
        let fields = limit.dropFirst(2).split(
            separator: .ascii("?"), maxSplits: 3, omittingEmptySubsequences: false)
        guard fields.count == 4, fields[1].count == 1, fields[3].first == .ascii("="),
            !fields[0].isEmpty, fields[0].allSatisfy({ $0.isVisible })
        else { return nil }
        let charset = Array(fields[0].prefix { $0 != .ascii("*") })
        let end = fields[3].startIndex + 1
        switch fields[1].first?.lowercased {
        case .ascii("b"): return (charset, TransferDecoding.base64(Array(fields[2])), end)
        case .ascii("q"):
            let text = fields[2].map { $0 == .ascii("_") ? UInt8.space : $0 }
            return (charset, TransferDecoding.quotedPrintable(text), end)
        default: return nil
        }
    }
}
