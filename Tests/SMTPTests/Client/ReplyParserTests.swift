import Bytes
import Testing

@testable import SMTP

@Suite struct ReplyParserTests {
    static func parse(_ bytes: [UInt8], step: Int) -> [ReplyParser.Result] {
        var parser = ReplyParser()
        var results: [ReplyParser.Result] = []
        for start in stride(from: 0, to: bytes.count, by: min(step, max(1, bytes.count))) {
            parser.append(bytes[start..<min(bytes.count, start + min(step, bytes.count))])
            reading: while true {
                let result = parser.next()
                switch result {
                case .needsMore: break reading
                case .malformed:
                    results.append(result)
                    return results
                case .reply: results.append(result)
                }
            }
        }
        return results
    }

    static func reply(_ code: Int, _ lines: String...) -> ReplyParser.Result {
        .reply(ServerReply(code: code, lines: lines.map { Array($0.utf8) }))
    }

    static let long = String(repeating: "x", count: ReplyParser.longestLine - 6)

    static let fixtures: [(String, [ReplyParser.Result])] = [
        ("220 mx.example ESMTP\r\n", [reply(220, "mx.example ESMTP")]),
        ("250\r\n", [reply(250, "")]), ("250 \r\n", [reply(250, "")]),
        ("250-\r\n250 \r\n", [reply(250, "", "")]),
        ("250-a\r\n250-b\r\n250 c\r\n354 go\r\n", [reply(250, "a", "b", "c"), reply(354, "go")]),
        ("250 tab\there é \u{1B}[2J\r\n", [reply(250, "tab\there é \u{1B}[2J")]),
        ("250 nul\u{0}\r\n", [reply(250, "nul\u{0}")]), ("559 last\r\n", [reply(559, "last")]),
        ("250 a", []), ("250-a\r\n", []), ("", []),
        ("2500\r\n", [.malformed(.noCode)]), ("25\r\n", [.malformed(.noCode)]),
        ("999 x\r\n", [.malformed(.noCode)]), ("150 x\r\n", [.malformed(.noCode)]),
        ("260 x\r\n", [.malformed(.noCode)]), ("250x\r\n", [.malformed(.noCode)]),
        ("\r\n", [.malformed(.noCode)]), (" 250 x\r\n", [.malformed(.noCode)]),
        ("+50 x\r\n", [.malformed(.noCode)]), ("٢٥٠ x\r\n", [.malformed(.noCode)]),
        ("250_x\r\n", [.malformed(.noCode)]), ("250\u{0}\r\n", [.malformed(.noCode)]),
        ("250-a\r\n251 b\r\n", [.malformed(.codesDiffer)]),
        ("250-a\r\nb\r\n", [.malformed(.noCode)]), ("250 a\n", [.malformed(.bareLineFeed)]),
        ("250 a\rb\r\n", [.malformed(.bareCarriageReturn)]),
        ("250 a\r\r\n", [.malformed(.bareCarriageReturn)]),
        ("250 ok\r\nnonsense\r\n250 ok\r\n", [reply(250, "ok"), .malformed(.noCode)]),
        (long, []), ("250 \(long)\r\n", [reply(250, String(long.prefix(ServerReply.longestText)))]),
        ("250 \(long)x\r\n", [.malformed(.lineTooLong)]),
        (String(repeating: "9", count: 100_000), [.malformed(.lineTooLong)]),
    ]

    @Test("Replies come out whole, and nonsense as what it is (T64)", arguments: fixtures, [Int.max, 1, 7])
    func wholeOrCut(row: (String, [ReplyParser.Result]), step: Int) {
        #expect(Self.parse(Array(row.0.utf8), step: step) == row.1)
    }

    @Test("A reply has as many lines as it may, and no more")
    func lines() {
        func reply(_ lines: Int) -> [UInt8] {
            Array((String(repeating: "250-x\r\n", count: lines - 1) + "250 x\r\n").utf8)
        }
        guard case .reply(let whole) = Self.parse(reply(ReplyParser.mostLines), step: .max).first else {
            Issue.record("refused")
            return
        }
        #expect(whole.lines.count == ReplyParser.mostLines)
        #expect(
            Self.parse(reply(ReplyParser.mostLines + 1), step: .max) == [.malformed(.tooManyLines)])
    }

    @Test("Malformed stays malformed, whatever comes; what is thrown away is gone")
    func states() {
        var parser = ReplyParser()
        parser.append([UInt8]("x\r\n"))
        #expect(parser.next() == .malformed(.noCode))
        parser.append([UInt8]("250 ok\r\n"))
        #expect(parser.next() == .malformed(.noCode))
        parser.discard()
        #expect(parser.next() == .needsMore)
        parser.append([UInt8]("250 half"))
        parser.discard()
        parser.append([UInt8]("220 new\r\n"))
        #expect(parser.next() == Self.reply(220, "new"))
    }
}

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
