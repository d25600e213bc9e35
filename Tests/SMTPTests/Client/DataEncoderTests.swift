import Bytes
import Testing

@testable import SMTP

@Suite struct DataEncoderTests {
    static let fixtures: [(String, String)] = [
        ("", ".\r\n"), ("a\n", "a\r\n.\r\n"), ("a", "a\r\n.\r\n"), ("\n", "\r\n.\r\n"),
        (".\n", "..\r\n.\r\n"), (".", "..\r\n.\r\n"), ("..\n", "...\r\n.\r\n"), ("a.\n", "a.\r\n.\r\n"),
        ("a\n.\nb\n", "a\r\n..\r\nb\r\n.\r\n"), ("a\n.b\n", "a\r\n..b\r\n.\r\n"),
        ("a\r\nb\r\n", "a\r\nb\r\n.\r\n"), ("a\r.\rb\n", "a . b\r\n.\r\n"), ("a\n.\r", "a\r\n.. \r\n.\r\n"),
        ("\r.\r\n", " .\r\n.\r\n"), ("a\r\n.\r\nb", "a\r\n..\r\nb\r\n.\r\n"), ("\r", " \r\n.\r\n"),
        ("\r\r\n", " \r\n.\r\n"), ("a\n\r.\nb\n", "a\r\n .\r\nb\r\n.\r\n"), ("\n.\n", "\r\n..\r\n.\r\n"),
        ("a\n.\r\n.\r\nMAIL\n", "a\r\n..\r\n..\r\nMAIL\r\n.\r\n"), ("é\u{0}\n", "é\u{0}\r\n.\r\n"),
    ]

    @Test("Content becomes lines with CRLF and stuffed dots (T62)", arguments: fixtures, [Int.max, 1, 2])
    func wholeOrCut(row: (String, String), step: Int) {
        let content = Array(row.0.utf8)
        var encoder = DataEncoder()
        var wire: [UInt8] = []
        for start in stride(from: 0, to: content.count, by: min(step, max(1, content.count))) {
            wire += encoder.encode(content[start..<min(content.count, start + min(step, content.count))])
        }
        wire += encoder.end()
        #expect(String(decoding: wire, as: UTF8.self) == row.1)
    }

    @Test(
        "What the encoder saw: octets on the wire without doubled dots, bytes beyond ASCII, the longest line (RFC 1870 §3)",
        arguments: [
            ("", 0, false, 0), ("\n", 2, false, 0), ("a\n", 3, false, 1), ("a", 3, false, 1),
            (".\n", 3, false, 1),
            ("..\n.", 7, false, 2), ("abc\r\n", 5, false, 3), ("a\rb\n", 5, false, 3), ("a\r", 4, false, 2),
            ("ab\n.cdef\ng", 14, false, 5), ("é\n", 4, true, 2), ("a\né\na\n", 10, true, 2),
        ], [Int.max, 1, 2])
    func survey(row: (String, Int, Bool, Int), step: Int) {
        let content = Array(row.0.utf8)
        var encoder = DataEncoder()
        for start in stride(from: 0, to: content.count, by: min(step, max(1, content.count))) {
            _ = encoder.encode(content[start..<min(content.count, start + min(step, content.count))])
        }
        _ = encoder.end()
        #expect(encoder.survey.size == row.1)
        #expect(encoder.survey.hasEightBits == row.2)
        #expect(encoder.survey.longestLine == row.3)
    }

    @Test("Whatever the content, the data ends once, at its end, and no CR or LF stands alone")
    func everything() {
        // All texts of up to six bytes over the alphabet that matters.
        let alphabet: [UInt8] = [.cr, .lf, .dot, 0x61]
        for length in 0...6 {
            for number in 0..<(1 << (2 * length)) {
                let content = (0..<length).map { alphabet[number >> (2 * $0) & 3] }
                var encoder = DataEncoder()
                let wire = [.cr, .lf] + encoder.encode(content) + encoder.end()
                let ends = wire.indices.filter { wire[$0...].starts(with: [UInt8]("\r\n.\r\n")) }
                #expect(ends == [wire.count - 5])
                for index in wire.indices {
                    if wire[index] == .cr { #expect(wire[index + 1] == .lf) }
                    if wire[index] == .lf { #expect(wire[index - 1] == .cr) }
                }
            }
        }
    }
}
