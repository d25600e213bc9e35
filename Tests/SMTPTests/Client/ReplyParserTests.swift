import Bytes
import Mail
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

    /// Longer than anything that is kept of it.
    static let long = String(repeating: "x", count: 5000)
    static let largest = String(repeating: "x", count: ReplyParser.largestReply - 6)

    static let fixtures: [(String, [ReplyParser.Result])] = [
        ("220 mx.example ESMTP\r\n", [reply(220, "mx.example ESMTP")]),
        ("250\r\n", [reply(250, "")]), ("250 \r\n", [reply(250, "")]),
        ("250-\r\n250 \r\n", [reply(250, "", "")]),
        ("250-a\r\n250-b\r\n250 c\r\n354 go\r\n", [reply(250, "a", "b", "c"), reply(354, "go")]),
        ("250 tab\there é \u{1B}[2J\r\n", [reply(250, "tab\there é \u{1B}[2J")]),
        ("250 nul\u{0}\r\n", [reply(250, "nul\u{0}")]), ("559 last\r\n", [reply(559, "last")]),
        ("250 a", []), ("250-a\r\n", []), ("", []),
        // Codes: the first digit decides.
        ("571 x\r\n", [reply(571, "x")]), ("260 x\r\n", [reply(260, "x")]), ("299\r\n", [reply(299, "")]),
        ("599 x\r\n", [reply(599, "x")]), ("399 x\r\n", [reply(399, "x")]), ("490 x\r\n", [reply(490, "x")]),
        ("600 x\r\n", [.malformed(.noCode)]), ("999 x\r\n", [.malformed(.noCode)]),
        ("150 x\r\n", [.malformed(.noCode)]), ("050 x\r\n", [.malformed(.noCode)]),
        ("2500\r\n", [.malformed(.noCode)]), ("25\r\n", [.malformed(.noCode)]),
        ("25 0\r\n", [.malformed(.noCode)]), ("\r\n", [.malformed(.noCode)]),
        (" 250 x\r\n", [.malformed(.noCode)]), ("+50 x\r\n", [.malformed(.noCode)]),
        ("٢٥٠ x\r\n", [.malformed(.noCode)]),
        ("250 ok\r\nnonsense\r\n", [reply(250, "ok"), .malformed(.noCode)]),
        // What stands behind the code.
        ("250x\r\n", [reply(250, "")]), ("250_ x\r\n", [reply(250, " x")]), ("250\tx\r\n", [reply(250, "x")]),
        ("250\u{0}\r\n", [reply(250, "")]),
        // Line ends.
        ("250 a\n", [reply(250, "a")]), ("250 a\r\r\n", [reply(250, "a")]), ("250\n", [reply(250, "")]),
        ("250\r\r\r\n", [reply(250, "")]), ("250 a\rb\r\n", [reply(250, "a\rb")]),
        ("250-a\n250-b\r\r\n250 c\r\n354 go\n", [reply(250, "a", "b", "c"), reply(354, "go")]),
        // Several lines: the last one's code counts, and what has none says nothing.
        ("250-a\r\n251 b\r\n", [reply(251, "a", "b")]), ("250-a\r\n550 b\r\n", [reply(550, "a", "b")]),
        ("220-a\r\nWelcome\r\n220 b\r\n", [reply(220, "a", "b")]), ("250-a\r\nb\r\n", []),
        // Length.
        (long, []), ("250 \(long)\r\n", [reply(250, String(long.prefix(ServerReply.longestText)))]),
        ("250 \(largest)\r\n", [reply(250, String(long.prefix(ServerReply.longestText)))]),
        ("250 \(largest)x\r\n", [.malformed(.tooLong)]),
        (String(repeating: "9", count: ReplyParser.largestReply + 1), [.malformed(.tooLong)]),
        (String(repeating: "250-x\r\n", count: ReplyParser.largestReply / 7 + 1), [.malformed(.tooLong)]),
    ]

    @Test("Replies come out whole, and nonsense as what it is (T64)", arguments: fixtures, [Int.max, 1, 7])
    func wholeOrCut(row: (String, [ReplyParser.Result]), step: Int) {
        #expect(Self.parse(Array(row.0.utf8), step: step) == row.1)
    }

    @Test("Of many lines the first are kept")
    func lines() {
        for count in [ReplyParser.mostLines, ReplyParser.mostLines + 1, 2000] {
            let text = String(repeating: "250-x\r\n", count: count - 1) + "250 y\r\n"
            guard case .reply(let whole) = Self.parse(Array(text.utf8), step: .max).first else {
                Issue.record("refused")
                return
            }
            #expect(whole.code == 250 && whole.lines.count == min(count, ReplyParser.mostLines))
        }
    }

    @Test(
        "A reply that breaks off has a code as soon as one is there",
        arguments: [
            ("250 ok", 250), ("250", 250), ("250-", 250), ("250-a\r\n", 250), ("250-a\r\n25", 250),
            ("250-a\r\n550 b", 550), ("250\u{0}", 250), ("250 a\r", 250), ("25", nil), ("", nil),
            ("2500", nil),
            ("x250", nil), ("250 ok\r\n", nil),
        ] as [(String, Int?)])
    func unfinished(text: String, code: Int?) {
        var parser = ReplyParser()
        parser.append(Array(text.utf8))
        _ = parser.next()
        #expect(parser.unfinished?.code == code)
    }

    @Test("Where only one reply can come, nonsense in front of it is passed over, but not without end")
    func nonsense() {
        var parser = ReplyParser()
        parser.skipsNonsense = true
        parser.append([UInt8]("\r\nnonsense\r\n999 x\r\n\0\r\n250 ok\r\n"))
        #expect(parser.next() == Self.reply(250, "ok"))
        parser.append([UInt8](repeating: .lf, count: ReplyParser.largestReply + 1))
        #expect(parser.next() == .malformed(.tooLong))
        #expect(parser.unfinished == nil)
    }

    @Test(
        "The status code is found on whichever line has it",
        arguments: [
            (550, ["5.1.1 no"], "5.1.1", "550 5.1.1 no"),
            (550, ["no", "5.1.1 such user"], "5.1.1", "550 no 5.1.1 such user"),
            (550, ["no", "", "5.1.1"], "5.1.1", "550 no 5.1.1"),
            (550, ["4.1.1 x", "2.0.0 x", "5.7.1 y"], "5.7.1", "550 4.1.1 x 2.0.0 x 5.7.1 y"),
            (450, ["a", "4.2.1\tb", "4.2.1 c"], "4.2.1", "450 a 4.2.1\tb c"),
            (550, ["5.1.1x", "5.1"], "5.0.0", "550 5.1.1x 5.1"),
            (250, ["ok", " 2.1.5 fine"], "2.1.5", "250 ok 2.1.5 fine"), (571, ["no"], "5.0.0", "571 no"),
            (354, ["2.0.0 go"], "2.0.0", "354 2.0.0 go"),
        ] as [(Int, [String], String, String)])
    func status(code: Int, lines: [String], status: String, text: String) {
        let reply = ServerReply(code: code, lines: lines.map { Array($0.utf8) })
        #expect(reply.status.description == status)
        #expect(String(decoding: reply.text, as: UTF8.self) == text)
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
