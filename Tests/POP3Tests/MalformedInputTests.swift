import Testing

@testable import POP3

/// What strangers send: a row a category. Each input runs whole, byte by byte and in threes, before the login and
/// behind it, followed by a command that still must be understood.
@Suite struct MalformedInputTests {
    struct Row: CustomTestStringConvertible {
        let category: String
        let inputs: [[UInt8]]
        let answer: String
        var testDescription: String { category }

        init(_ category: String, _ answer: String, _ inputs: [String]) {
            self.init(category, answer, bytes: inputs.map { Array($0.utf8) })
        }

        init(_ category: String, _ answer: String, bytes: [[UInt8]]) {
            self.category = category
            self.inputs = bytes
            self.answer = answer
        }
    }

    static let unknown = "-ERR Unknown command\r\n"
    static let syntax = "-ERR Wrong arguments\r\n"
    static let missing = "-ERR No such message\r\n"

    /// No number of RFC 1939: signs, bases, fractions, blanks, digits of other scripts, what wraps (T50).
    static let badNumbers = [
        "-1", "+1", "0x1", "1e0", "1.0", "1,2", "x", "1x", "x1", "٣", "１", "²", "'1'", "\"1\"", "1\t", "\t1",
        "1-2",
        "1:2", "*", "$", "%d", "%n", "--1", "1;", "(1)", "1/1", "#1", "18446744073709551616",
        "18446744073709551617", "9223372036854775808", "99999999999999999999999999999999999999", "-0", "0b1",
        "1_0",
    ]
    /// Numbers, and none of a message: there are three.
    static let absent = [
        "0", "4", "00", "256", "65537", "4294967296", "4294967297", "4294967299", "9223372036854775807",
    ]

    static let verbs: [String] = [
        "", " ", "X", "STA", "STATS", "STAT1", " STAT", "\tSTAT", "STAT\t", "STAT,", "ST AT", "RETR1",
        "RETR\t1", "TOP1 1",
        "LISTE", "QUI", "QUIT\0", "\0QUIT", "XTND", "LAST", "RPOP", "AUTHX", "HELO", "EHLO x",
        "a001 LOGIN a b", "\u{212A}EEP", "ＳＴＡＴ", "ſTAT", "é", "..", ".", "-ERR", "+OK", "%s%s%s%n", "123",
        "*", "NOOP\u{7F}",
        "QUIT;", "\u{1B}[A", "\u{16}\u{3}\u{1}", "USERNAME x", "PASSWD", "CAPABILITY", "STLSX", "STARTTLS",
        "EUIDL", "XYZZY",
    ]

    static let transaction: [Row] = [
        Row("syntax: verbs", unknown, verbs),
        Row(
            "encodings: no bytes of a command", unknown,
            bytes: [
                [0xFF], [0x80, 0x80], [0xC3, 0x28], [0xE2, 0x84, 0xAA], [0xFE, 0xFF, 0x00, 0x53], [0x00],
                [0x1F], [0x7F],
            ]),
        Row(
            "syntax: arguments where none belong", syntax,
            ["STAT", "NOOP", "RSET", "QUIT", "CAPA", "STLS"].flatMap {
                ["\($0) x", "\($0) 1", "\($0)  1", "\($0) \t", "\($0) é"]
            }),
        Row(
            "syntax: arguments missing or too many", syntax,
            [
                "RETR", "RETR ", "RETR  ", "RETR 1 2", "DELE", "DELE ", "DELE 1 2", "TOP", "TOP ", "TOP 1",
                "TOP 1 ",
                "TOP 1 2 3", "LIST 1 2", "UIDL 1 2", "USER", "USER ", "PASS", "PASS ",
            ]),
        Row(
            "numbers: none", syntax,
            badNumbers.flatMap {
                ["RETR \($0)", "DELE \($0)", "LIST \($0)", "UIDL \($0)", "TOP \($0) 0", "TOP 1 \($0)"]
            }),
        Row(
            "numbers: no message has them", missing,
            absent.flatMap { ["RETR \($0)", "DELE \($0)", "LIST \($0)", "UIDL \($0)", "TOP \($0) 0"] }),
        Row(
            "order: behind the login", "-ERR Logged in already\r\n",
            [
                "USER u", "PASS p", "STLS", "APOP u 0123456789abcdef0123456789abcdef", "AUTH", "AUTH PLAIN",
                "AUTH PLAIN AHUAcA==",
            ]),
    ]

    static let authorization: [Row] = [
        Row("syntax: verbs", unknown, verbs),
        Row(
            "order: before the login", "-ERR Log in first\r\n",
            [
                "STAT", "LIST", "LIST 1", "UIDL", "UIDL 1", "RETR 1", "DELE 1", "TOP 1 0", "RSET",
                "RETR 9223372036854775807",
            ]),
        Row("order: PASS without USER", "-ERR USER first\r\n", ["PASS p", "PASS  ", "PASS %n", "pass x y"]),
        Row(
            "syntax: names", syntax,
            [
                "USER", "USER ", "USER  ", "USER a b", "USER a\tb", "USER a\0b", "USER a\u{1}", "USER \u{7F}",
                "USER a\rb",
            ]),
        Row(
            "syntax: passwords", syntax,
            ["PASS", "PASS ", "PASS a\0b", "PASS \t", "PASS a\rb", "PASS \u{1B}"]),
        Row(
            "mechanisms that are not there", "-ERR Use USER and PASS\r\n",
            [
                "APOP", "APOP u", "APOP u 0123456789abcdef0123456789abcdef", "AUTH", "AUTH PLAIN", "AUTH =",
                "AUTH CRAM-MD5", "APOP \(String(repeating: "x", count: 900))",
            ]),
    ]

    static let lineEnds = ["\r\n", "\n"]

    @Test("behind the login each has its answer, and the next command is understood", arguments: transaction)
    func behindTheLogin(row: Row) {
        for input in row.inputs {
            for end in Self.lineEnds where !(end == "\n" && input.last == 0x0D) {
                for cut in Cut.allCases {
                    let maildrop = FakeMaildrop(MaildropSessionTests.messages)
                    let line = input + Array((end + "NOOP" + end).utf8)
                    let (output, isOver) = Conversation.transaction(maildrop, line, cut)
                    #expect(
                        output == row.answer + "+OK\r\n",
                        "\(String(decoding: input, as: UTF8.self).debugDescription)")
                    #expect(!isOver && maildrop.removed.isEmpty)
                }
            }
        }
    }

    @Test(
        "before the login each has its answer, and the next command is understood", arguments: authorization)
    func beforeTheLogin(row: Row) {
        for input in row.inputs {
            for end in Self.lineEnds {
                for cut in Cut.allCases {
                    let session = LoginSession(
                        hostname: "h", offersTLS: false, allowsPlaintext: true, isEncrypted: false)
                    var logins: [(user: String, password: String)] = []
                    let line = input + Array((end + "USER u" + end).utf8)
                    let (output, isOver) = Conversation.authorization(session, line, cut, logins: &logins)
                    #expect(
                        output == row.answer + "+OK\r\n",
                        "\(String(decoding: input, as: UTF8.self).debugDescription)")
                    #expect(!isOver && logins.isEmpty)
                }
            }
        }
    }

    @Test("there are two hundred inputs and more")
    func count() {
        #expect((Self.transaction + Self.authorization).reduce(0) { $0 + $1.inputs.count } >= 200)
    }

    @Test("floods end the session: a line without an end, errors without an end", arguments: Cut.allCases)
    func floods(cut: Cut) {
        for flood in [
            [UInt8](repeating: 0x41, count: 80_000), [UInt8](repeating: 0, count: 80_000),
            Array(repeating: 0x0A, count: 5000),
        ] {
            let maildrop = FakeMaildrop(["a\r\n"])
            #expect(Conversation.transaction(maildrop, flood, cut).1)
            #expect(maildrop.output.count < 5000 && maildrop.removed.isEmpty)
            var logins: [(user: String, password: String)] = []
            let session = LoginSession(
                hostname: "h", offersTLS: true, allowsPlaintext: true, isEncrypted: false)
            #expect(Conversation.authorization(session, flood, cut, logins: &logins).1)
        }
    }

    @Test("input that ends anywhere changes nothing", arguments: Cut.allCases)
    func halfClosed(cut: Cut) {
        let dialog = Array("DELE 1\r\nRETR 2\r\nQUIT\r".utf8)
        for length in 0...dialog.count {
            let maildrop = FakeMaildrop(["a\r\n", "b\r\n"])
            #expect(!Conversation.transaction(maildrop, Array(dialog.prefix(length)), cut).1)
            #expect(maildrop.removed.isEmpty)
        }
    }
}
