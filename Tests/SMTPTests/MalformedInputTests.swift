import Bytes
import SMTP
import Testing

/// What strangers send: a row a category, each input whole, byte by byte and in threes.
@Suite struct MalformedInputTests {
    struct Row: CustomTestStringConvertible {
        let category: String
        let inputs: [String]
        /// The codes of all replies to one input.
        let codes: [Int]
        var stored = 0
        var testDescription: String { category }
    }

    static let open = "EHLO x\r\n"
    static let mail = open + "MAIL FROM:<>\r\n"
    static let data = mail + "RCPT TO:<local@here>\r\nDATA\r\n"

    static let badPaths = [
        "", "<", ">", "<a", "a@b", "<a@b", "<a@b>>", "<a b@c>", "<@b>", "<a@>", "<a@@b>", "<a@b@c>",
        "<a@.b>", "<a@-b>", "<a@b..>", "<\"a@b>", "<a\"@b>", "<\"\"@b>", "< >", "<root>", "root",
        "<a@[>", "<a@[]>", "<a@[x]>", "<a@[1.2.3.4>", "<a@[300.1.1.1]>", "<a@[1.2.3]>", "<a@[01.2.3.4]>",
        "<a@[1.2.3.4.5]>", "<a@[::1]>", "<a@[IPv6:1::2::3]>", "<a@[IPv6:::256.1.1.1]>", "<a@[x:y]>",
        "<@x:>", "<@x>", "<@:a@b>", "<(c)a@b>", "<a@b(c)>",
        "<a\\@b>", "<a,b@c>", "<a;b@c>", "<a:b@c>", "<<a@b>", "<a@b\\>", "<|cmd@b>x",
        "<" + String(repeating: "a", count: 497) + "@b>",
    ]

    static let badNumbers = [
        "SIZE=-1", "SIZE=+5", "SIZE=0x10", "SIZE=1e3", "SIZE=", "SIZE= 5", "SIZE=5,5",
        "SIZE=18446744073709551616",
        "SIZE=18446744073709551626", "SIZE=999999999999999999999999999999", "SIZE=1 SIZE=2", "SIZE=٣",
    ]

    static let badLineEnds = ["\n", "\r", "\r\r\n", "\n\r\n"]

    static let rows: [Row] =
        [
            Row(
                category: "syntax: verbs",
                inputs: [
                    "FOO\r\n", "\r\n", " EHLO x\r\n", "EHLOx\r\n", "EHL\r\n",
                    "MAILFROM:<>\r\n", "123\r\n", "-\r\n",
                    "*\r\n", "\"EHLO\" x\r\n", "RCPT:TO\r\n", "ＥＨＬＯ x\r\n", "\u{212A}ELO\r\n", "QUITT\r\n",
                    "..\r\n", ".\r\n",
                ], codes: [500]),
            Row(
                category: "syntax: greetings",
                inputs: [
                    "EHLO\r\n", "EHLO \r\n", "HELO\r\n", "HELO  \r\n", "EHLO \t\r\n",
                ], codes: [501]),
            Row(
                category: "greetings that are no names",
                inputs: [
                    "EHLO a b\r\n", "HELO my pc\r\n", "HELO é\r\n", "EHLO [300.1.1.1]\r\n", "EHLO\tx\r\n",
                    "EHLO \(String(repeating: "x", count: 256))\r\n", "HELO <x>\r\n", "EHLO .\r\n",
                ], codes: [250]),
            Row(
                category: "addresses that are not ASCII",
                inputs: ["<é@b>", "<a@é.example>", "<\"é\"@b>"].map { mail + "RCPT TO:\($0)\r\n" },
                codes: [250, 250, 553]),
            Row(
                category: "syntax: arguments where none belong",
                inputs: [
                    "RSET x\r\n", "DATA x\r\n", "QUIT now\r\n", "STARTTLS x\r\n", "VRFY\r\n", "VRFY \r\n",
                ], codes: [501]),
            Row(
                category: "syntax: control characters",
                inputs: [
                    "EHLO \u{1b}[2J\r\n", "NOOP \u{0}\r\n", "NOOP \u{7}\r\n", "NOOP a\rb\r\n",
                    "NOOP a\nb\r\n", "\u{0}\r\n",
                    "EHLO x\nMAIL FROM:<>\r\n", "EHLO x\rMAIL FROM:<>\r\n", "NOOP\n\r\n", "NOOP\r\r\n",
                ], codes: [500]),
            Row(
                category: "syntax: reverse-paths", inputs: badPaths.map { open + "MAIL FROM:\($0)\r\n" },
                codes: [250, 501]),
            Row(
                category: "syntax: forward-paths",
                inputs: badPaths.map { mail + "RCPT TO:\($0)\r\n" } + [mail + "RCPT TO:<>\r\n"],
                codes: [250, 250, 501]),
            Row(
                category: "syntax: MAIL without FROM",
                inputs: ["MAIL", "MAIL ", "MAIL <>", "MAIL TO:<a@b>", "MAIL FROM <a@b>"].map {
                    open + $0 + "\r\n"
                },
                codes: [250, 501]),
            Row(
                category: "numbers", inputs: badNumbers.map { open + "MAIL FROM:<> \($0)\r\n" },
                codes: [250, 501]),
            Row(
                category: "numbers: larger than allowed",
                inputs: ["100001", "4294967296", "9223372036854775808", "18446744073709551615"].map {
                    open + "MAIL FROM:<> SIZE=\($0)\r\n"
                }, codes: [250, 552]),
            Row(
                category: "parameters that are not offered",
                inputs: [
                    "BODY=BINARYMIME", "SMTPUTF8", "NOTIFY=NEVER", "ORCPT=rfc822;a", "X=y",
                    "REQUIRETLS", "HOLDFOR=1",
                ].map { open + "MAIL FROM:<> \($0)\r\n" }, codes: [250, 555]),
            Row(
                category: "parameters of RCPT that are not offered",
                inputs: ["RET=HDRS", "ENVID=x", "X"].map { mail + "RCPT TO:<local@here> \($0)\r\n" },
                codes: [250, 250, 555]),
            Row(
                category: "DSN: parameters of MAIL",
                inputs: [
                    "RET", "RET=", "RET=ALL", "RET=FULL,HDRS", "RET=FULL RET=FULL", "RET=FULL ret=HDRS",
                    "ENVID", "ENVID=", "ENVID=+", "ENVID=+2", "ENVID=+2b", "ENVID=+0A", "ENVID=+0D+0AX",
                    "ENVID=+00", "ENVID=+7F", "ENVID=+C3+A9", "ENVID=a=b", "ENVID=é", "ENVID=a ENVID=b",
                    "ENVID=\(String(repeating: "x", count: 101))",
                ].map { open + "MAIL FROM:<a@b> \($0)\r\n" }, codes: [250, 501]),
            Row(
                category: "DSN: parameters of RCPT",
                inputs: [
                    "NOTIFY", "NOTIFY=", "NOTIFY=ALWAYS", "NOTIFY=NEVER,FAILURE", "NOTIFY=FAILURE,NEVER",
                    "NOTIFY=NEVER,NEVER", "NOTIFY=,", "NOTIFY=SUCCESS,", "NOTIFY=,SUCCESS",
                    "NOTIFY=SUCCESS,,DELAY", "NOTIFY=SUCCESS;DELAY", "NOTIFY=SUCCESSFAILURE",
                    "NOTIFY=DELAY NOTIFY=DELAY", "ORCPT", "ORCPT=", "ORCPT=a@b", "ORCPT=rfc822",
                    "ORCPT=rfc822;", "ORCPT=;a@b", "ORCPT=rfc 822;a", "ORCPT=rfc822;a+0Ab",
                    "ORCPT=rfc822;+0D+0ABcc:+20x", "ORCPT=rfc822;a+4g", "ORCPT=rfc822;a=b",
                    "ORCPT=rfc822;a ORCPT=rfc822;a", "ORCPT=rfc822;\(String(repeating: "x", count: 494))",
                ].map { mail + "RCPT TO:<local@here> \($0)\r\n" }, codes: [250, 250, 501]),
            Row(
                category: "DSN: parameters after HELO",
                inputs: ["MAIL FROM:<a@b> RET=FULL\r\n", "MAIL FROM:<a@b> ENVID=x\r\n"].map {
                    "HELO x\r\n" + $0
                }, codes: [250, 555]),
            Row(
                category: "order: before a greeting",
                inputs: ["MAIL FROM:<>\r\n", "RCPT TO:<local@here>\r\n", "DATA\r\n"], codes: [503]),
            Row(
                category: "order: RCPT and DATA without MAIL",
                inputs: ["RCPT TO:<local@here>\r\n", "DATA\r\n"].map { open + $0 },
                codes: [250, 503]),
            Row(
                category: "order: MAIL twice", inputs: [mail + "MAIL FROM:<a@b>\r\n"], codes: [250, 250, 503]),
            Row(
                category: "order: DATA after refused recipients only",
                inputs: [mail + "RCPT TO:<x@far.example>\r\nDATA\r\n"],
                codes: [250, 250, 550, 554]),
            Row(
                category: "order: a greeting resets",
                inputs: ["EHLO y\r\n", "RSET\r\n", "HELO y\r\n"].map {
                    mail + "RCPT TO:<local@here>\r\n" + $0 + "DATA\r\n"
                }, codes: [250, 250, 250, 250, 503]),
            Row(
                category: "commands of other days and other servers",
                inputs: [
                    "AUTH PLAIN AAAA", "BDAT 10", "ETRN x", "TURN", "EXPN x", "XCLIENT A=b", "XFORWARD A=b",
                    "STARTTLS",
                ].map { $0 + "\r\n" },
                codes: [502]),
            Row(
                category: "cross-protocol",
                inputs: [
                    "GET / HTTP/1.1\r\nHost: x\r\n\r\nMAIL FROM:<>\r\n", "POST / HTTP/1.0\r\n\r\nEHLO x\r\n",
                    "CONNECT x:25\r\n",
                    "PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\nEHLO x\r\n", "PUT /x\r\n", "OPTIONS *\r\n",
                ], codes: [421]),
            Row(
                category: "open relay",
                inputs: [
                    "<a@far.example>", "<a%far.example@b.example>", "<\"a@far.example\"@b.example>",
                    "<@here:a@far.example>", "<a!b@far.example>",
                    "<a@[192.0.2.1]>", "<a@[IPv6:::1]>", "<far.example!a@b.example>", "<\"a%b\"@c.example>",
                    "<x@here.example>",
                    "<local@here@far.example>x", "<local%here@far.example>",
                ].filter { !$0.hasSuffix("x") }.map { mail + "RCPT TO:\($0)\r\n" }, codes: [250, 250, 550]),
            Row(
                category: "framing: an end of data that is none",
                inputs: [
                    "\n.\n", "\r\n.\n", "\n.\r\n", "\r.\r", "\r.\r\n", "\r\n.\r", "\r\r\n.\r\r\n",
                    "\r\n\u{0}.\r\n", "\r\n.\u{0}\r\n", "\r\n.\r\r\n",
                    "\n\n.\n\n", "\r\n.\rx\r\n",
                ].map {
                    data
                        + "Subject: x\r\n\r\nbody\($0)MAIL FROM:<evil@x>\r\nRCPT TO:<local@here>\r\nDATA\r\nsmuggled\r\n.\r\n"
                },
                codes: [250, 250, 250, 354, 550]),
            Row(
                category: "framing: bare line ends and NUL in content",
                inputs: ["a\nb", "a\rb", "a\u{0}b", "\n", "\r", "a\r\n\nb", "a\n\r\nb", "\r\r\n"].map {
                    data + $0 + "\r\n.\r\n"
                }, codes: [250, 250, 250, 354, 550]),
            Row(
                category: "framing: dots that are taken out",
                inputs: ["..", "..\r\n..", "...", "x\r\n..\r\n.y"].map { data + $0 + "\r\n.\r\n" },
                codes: [250, 250, 250, 354, 250], stored: 1),
            Row(
                category: "length: a line of the limit and one beyond",
                inputs: [
                    "NOOP \(String(repeating: "x", count: ServerSession.longestLine - 6))\r\n",
                    String(repeating: "x", count: ServerSession.longestLine) + "\r\n",
                    "NOOP " + String(repeating: "x", count: 60_000) + "\r\n",
                    "MAIL FROM:<" + String(repeating: "a", count: 30_000) + "@b>\r\n",
                ], codes: [500]),
            Row(
                category: "length: a line that never ends",
                inputs: [String(repeating: "x", count: 70_000), String(repeating: "MAIL ", count: 20_000)],
                codes: [500, 421]),
            Row(
                category: "half-close in a transaction",
                inputs: [data, data + "Subject: x\r\n", data + "x\r\n.", data + "x\r\n.\r"],
                codes: [250, 250, 250, 354]),
            Row(
                category: "half-close in a command",
                inputs: [open + "MAIL FR", open + "QUIT", open + "QUIT\r", open + "QUIT\n"], codes: [250]),
            Row(
                category: "TLS: injection behind STARTTLS",
                inputs: [
                    "STARTTLS\r\nNOOP\r\n", "STARTTLS\r\nEHLO x\r\nMAIL FROM:<>\r\n", "starttls\r\nQUIT\r\n",
                ],
                codes: [220]),
            Row(
                category: "floods", inputs: [String(repeating: "JUNK\r\n", count: 200)],
                codes: Array(repeating: 500, count: Tolerance.mostSyntaxErrors) + [421]),
            Row(
                category: "floods: refused recipients",
                inputs: [mail + String(repeating: "RCPT TO:<x@far.example>\r\n", count: 1200)],
                codes: [250, 250] + Array(repeating: 550, count: Tolerance.mostRecipients) + [421]),
            Row(
                category: "floods: recipients behind a refused MAIL",
                inputs: [
                    open + "MAIL FROM:<> X\r\n" + String(repeating: "RCPT TO:<local@here>\r\n", count: 1200)
                ],
                codes: [250, 555] + Array(repeating: 503, count: Tolerance.mostRecipients) + [421]),
            Row(
                category: "floods: MAIL twice",
                inputs: [mail + String(repeating: "MAIL FROM:<>\r\n", count: 200)],
                codes: [250, 250] + Array(repeating: 503, count: Tolerance.mostErrors) + [421]),
            Row(
                category: "floods: too many recipients",
                inputs: [mail + (1...12).map { "RCPT TO:<user\($0)@x>\r\n" }.joined()],
                codes: [250, 250] + Array(repeating: 250, count: 10) + [452, 452]),
        ]

    @Test("every malformed input gets its replies, however it is cut, and nothing is kept", arguments: rows)
    func malformed(row: Row) {
        for input in row.inputs {
            for cut in [1, 3, 1 << 20] {
                let isTLS = row.category.hasPrefix("TLS")
                // Byte by byte the client waits for TLS, so nothing is injected.
                if isTLS, cut < 1 << 20 { continue }
                let conversation = Conversation(Array(input.utf8), cut: cut, tls: isTLS)
                var expected = row.codes
                if row.category.hasPrefix("length: a line of the limit"), input.hasPrefix("NOOP"),
                    input.utf8.count <= 4096
                {
                    expected = [250]
                }
                #expect(conversation.codes == expected, "\(Array(input.utf8).escaped(limit: 120)) cut \(cut)")
                #expect(conversation.messages.count == row.stored)
                #expect(!conversation.output.contains { $0 >= 0x7F || ($0 < 0x20 && $0 != .cr && $0 != .lf) })
            }
        }
    }

    @Test("there are at least 200 of them")
    func count() { #expect(Self.rows.map(\.inputs.count).reduce(0, +) >= 200) }

    @Test("a dot at any place of the buffer ends nothing inside a line, at 30 lengths")
    func dotsAtBoundaries() {
        for power in [512, 1024, 4096, 8192, 16384, 65536] {
            for length in (power - 2)...(power + 2) {
                let line = String(repeating: "x", count: length) + "."
                let conversation = Conversation(Array((Self.data + line + "\r\n.\r\n").utf8), cut: power)
                #expect(conversation.messages.map(\.content) == [line + "\n"])
            }
        }
    }

    @Test(
        "content of the size limit is taken, one octet more is refused; line ends are two, stuffed dots none")
    func size() {
        let full = String(repeating: "x", count: 998)
        let lines = String(repeating: "ab\r\n", count: 250)
        let dots = String(repeating: "....\r\n", count: 199)
        for (content, code) in [
            (full + "\r\n", 250), (full + "y\r\n", 552), (lines, 250), (lines + "\r\n", 552),
            // 199 times three dots and a line end, and five more.
            (dots + "123\r\n", 250), (dots + "1234\r\n", 552), (dots + "..12\r\n", 250),
            ("\r\n" + lines, 552),
        ] {
            let conversation = Conversation(
                Array((Self.data + content + ".\r\n").utf8), cut: 7, sizeLimit: 1000)
            #expect(conversation.codes.last == code, "\(content.prefix(20))")
            #expect(conversation.messages.count == (code == 250 ? 1 : 0))
        }
    }
}
