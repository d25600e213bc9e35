import SASL
import Bytes
import IMAP
import MIME
import Testing

/// What strangers and users send: a row a category, each input whole, byte by byte and in threes. A tagged BAD or NO, or
/// BYE; never a trap, and nothing stored.
@Suite struct MalformedInputTests {
    struct Row: CustomTestStringConvertible {
        let category: String
        let inputs: [String]
        /// What the answer must hold.
        let answer: String
        var testDescription: String { category }
    }

    static let numbers = [
        "0", "-1", "+1", "0x10", "4294967296", "18446744073709551616", "1e3", "", "a", "1:", ":1", "1,,2",
        "1:2:3", "**",
    ]

    static let login: [Row] = [
        Row(
            category: "syntax: no command",
            inputs: [
                "a", "a ", " a NOOP", "", "* NOOP", "+ NOOP", "(a) NOOP", "\"a\" NOOP", "a\tNOOP", "{1}x",
            ], answer: "BAD"),
        Row(
            category: "syntax: unknown commands",
            inputs: [
                "a FOO", "a 1", "a NOOPX", "a LOGINX b c", "a ＮＯＯＰ", "a \u{212A}", "a .", "a GET / HTTP/1.1",
            ], answer: "a BAD"),
        Row(
            category: "syntax: arguments",
            inputs: [
                "a NOOP x", "a LOGIN", "a LOGIN x", "a LOGIN x ", "a LOGIN  x y", "a LOGIN x y z",
                "a LOGIN (x) y", "a LOGIN \"x y", "a LOGIN \"x\\y\" z", "a LOGIN \"x\u{0}\" y",
                "a AUTHENTICATE", "a ID", "a ID (", "a ID (\"a\")", "a ID (\"a\" NIL", "a STARTTLS x",
                "a CAPABILITY x", "a LOGOUT x",
            ], answer: "a BAD"),
        Row(
            category: "order: before the login",
            inputs: [
                "a SELECT INBOX", "a FETCH 1 FLAGS", "a LIST \"\" *", "a CREATE x", "a EXPUNGE", "a IDLE",
                "a SEARCH ALL", "a STATUS INBOX (MESSAGES)", "a CLOSE", "a NAMESPACE",
                "a COPY 1 x", "a STORE 1 FLAGS (x)", "a UID FETCH 1 FLAGS", "a ENABLE X", "a SUBSCRIBE x",
                "a RENAME a b", "a DELETE x",
            ], answer: "a NO"),
        Row(
            category: "order: mechanisms that are not there",
            inputs: ["a AUTHENTICATE NTLM", "a AUTHENTICATE GSSAPI x", "a AUTHENTICATE EXTERNAL ="],
            answer: "a NO"),
        Row(
            category: "length: literals",
            inputs: [
                "a LOGIN {40001}", "a LOGIN {2147483648}", "a LOGIN {18446744073709551626}",
                "a LOGIN {99999999999999999999999}",
            ], answer: "a BAD"),
        Row(
            category: "length: literals that come unasked",
            inputs: ["a LOGIN {100000000+}", "a LOGIN {2147483648+}", "a LOGIN {99999999999999999999999+}"],
            answer: "* BYE"),
        Row(
            category: "length: literal sizes that are none",
            inputs: [
                "a LOGIN {-1}", "a LOGIN {0x10}", "a LOGIN {+5}", "a LOGIN {}", "a LOGIN {1 }", "a LOGIN {a}",
            ], answer: "a BAD"),
        Row(
            category: "length: a command without end",
            inputs: [
                "a LOGIN " + String(repeating: "x", count: 41_000),
                "a NOOP " + String(repeating: "(", count: 100_000), String(repeating: ")", count: 50_000),
                "a NOOP " + String(repeating: "()", count: 21_000),
            ], answer: "* BYE"),
        Row(
            category: "floods: errors",
            inputs: [
                Array(repeating: "a FOO", count: 20).joined(separator: "\r\n"),
                Array(repeating: "x", count: 20).joined(separator: "\r\n"),
            ], answer: "* BYE Too many errors"),
    ]

    static let mailbox: [Row] = [
        Row(
            category: "syntax",
            inputs: [
                "a SELECT", "a SELECT ", "a SELECT a b", "a SELECT (", "a SELECT \"x", "a SELECT \"\\x\"",
                "a LIST", "a LIST \"\"", "a LIST a b c", "a STATUS INBOX", "a STATUS INBOX ()",
                "a STATUS INBOX (FOO)", "a STATUS INBOX (MESSAGES", "a RENAME a", "a CREATE", "a COPY 1",
                "a FETCH", "a FETCH 1", "a FETCH 1 ()", "a FETCH 1 (FLAGS", "a FETCH 1 FOO",
                "a FETCH 1 FLAGS UID",
                "a FETCH 1 BODY[", "a FETCH 1 BODY[]<", "a FETCH 1 BODY[]<1>", "a FETCH 1 BODY[]<1.>",
                "a FETCH 1 BODY[]<1.0>", "a FETCH 1 BODY[FOO]", "a FETCH 1 BODY[1.]", "a FETCH 1 BODY[MIME]",
                "a FETCH 1 BODY[HEADER.FIELDS]", "a FETCH 1 BODY[HEADER.FIELDS ()]",
                "a FETCH 1 BODY[HEADER.FIELDS (a]", "a FETCH 1 BODY[0]", "a FETCH 1 BODY[01.-1]",
                "a FETCH 1 RFC822[]", "a FETCH 1 BODY[99999999999]",
                "a STORE 1", "a STORE 1 FLAGS", "a STORE 1 FOO (x)", "a STORE 1 +FLAGS (",
                "a STORE 1 FLAGS (\\)", "a STORE 1 FLAGS.LOUD (x)", "a SEARCH", "a SEARCH FOO",
                "a SEARCH NOT", "a SEARCH OR ALL",
                "a SEARCH (ALL", "a SEARCH ALL)", "a SEARCH SUBJECT", "a SEARCH ON 1-Foo-2020",
                "a SEARCH ON 32-Jan-2020", "a SEARCH ON 1-Jan-20", "a SEARCH HEADER a", "a SEARCH LARGER -1",
                "a SEARCH UID",
                "a SEARCH RETURN (FOO) ALL", "a SEARCH CHARSET", "a UID", "a UID FOO 1", "a UID EXPUNGE",
                "a UID FETCH 1", "a APPEND", "a APPEND INBOX", "a APPEND INBOX x", "a IDLE x", "a MOVE 1",
            ], answer: "a BAD"),
        Row(
            category: "numbers: sets",
            inputs: numbers.flatMap {
                [
                    "a FETCH \($0) FLAGS", "a STORE \($0) FLAGS (x)", "a COPY \($0) x",
                    "a UID FETCH \($0) FLAGS",
                ]
            }, answer: "a BAD"),
        Row(
            category: "numbers: partials",
            inputs: ["-1.1", "0.-1", "4294967296.1", "0.4294967296", "1.18446744073709551617"].map {
                "a FETCH 1 BODY[]<\($0)>"
            }, answer: "a BAD"),
        Row(
            category: "numbers: messages that are not there",
            inputs: ["a FETCH 2 FLAGS", "a FETCH 1:4294967295 FLAGS", "a STORE 9 FLAGS (x)", "a COPY 2:* x"],
            answer: "a BAD No such message"),
        Row(
            category: "names",
            inputs: [
                "a CREATE x/y", "a SELECT nowhere", "a DELETE nowhere", "a RENAME nowhere x",
                "a COPY 1 nowhere", "a STATUS nowhere (MESSAGES)", "a CREATE INBOX",
            ], answer: "a NO"),
        Row(
            category: "length: depth and number of keys",
            inputs: [
                "a SEARCH " + String(repeating: "(", count: 3000) + "ALL"
                    + String(repeating: ")", count: 3000),
                "a SEARCH " + String(repeating: "NOT ", count: 3000) + "ALL",
                "a SEARCH " + Array(repeating: "ALL", count: 2500).joined(separator: " "),
                "a FETCH 1 BODY[" + Array(repeating: "1", count: 3000).joined(separator: ".") + "]",
                "a STORE 1 FLAGS (" + Array(repeating: "x", count: 3000).joined(separator: " ") + ")",
                "a FETCH " + Array(repeating: "1", count: 20_000).joined(separator: ",") + " FLAGS",
            ], answer: "a BAD"),
        Row(
            category: "length: literals",
            inputs: ["a SELECT {1048577}", "a SELECT {2147483648}", "a APPEND INBOX {99999999999999999999}"],
            answer: "a BAD"),
        Row(
            category: "length: an APPEND too large",
            inputs: ["a APPEND INBOX {10001}", "a APPEND INBOX {2147483647}"], answer: "a NO [TOOBIG]"),
        Row(
            category: "length: an APPEND too large that comes unasked",
            inputs: ["a APPEND INBOX {10001+}", "a APPEND INBOX {2147483647+}"], answer: "a NO [TOOBIG]"),
        Row(
            category: "encodings: NUL and 8 bit",
            inputs: [
                "a SELECT \u{0}", "a SELECT \"\u{0}\"", "a SELECT é", "a LIST \"\" é", "a STORE 1 FLAGS (é)",
            ], answer: "a BAD"),
        Row(
            category: "order: logged in already",
            inputs: ["a LOGIN x y", "a AUTHENTICATE PLAIN", "a STARTTLS"], answer: "a BAD"),
    ]

    private static func hasAnswer(_ output: String, _ row: Row) -> Bool {
        output.split(separator: "\r\n").contains {
            $0.hasPrefix(row.answer) || (row.answer == "BAD" && $0.contains(" BAD "))
        }
    }

    @Test("before the login", arguments: login)
    func beforeLogin(row: Row) {
        for input in row.inputs {
            for cut in [1, 3, 1 << 20] {
                var session = LoginSession(offersTLS: false, allowsPlaintext: true, isEncrypted: false)
                var rest = Array((input + "\r\n").utf8)[...]
                var (buffer, output): ([UInt8], [UInt8]) = ([], [])
                while true {
                    let step = session.step(buffer[...])
                    buffer.removeFirst(step.consumed)
                    output += step.output
                    if step.next != .proceed { break }
                    if buffer.isEmpty {
                        if rest.isEmpty { break }
                        buffer += rest.prefix(cut)
                        rest = rest.dropFirst(cut)
                    } else if step.consumed == 0 {
                        break
                    }
                }
                #expect(
                    Self.hasAnswer(String(decoding: output, as: UTF8.self), row),
                    "\(Array(input.utf8).escaped(limit: 80)) cut \(cut): \(output.escaped(limit: 200))")
            }
        }
    }

    @Test("behind it", arguments: mailbox)
    func behindLogin(row: Row) {
        for input in row.inputs {
            for cut in [1, 3, 1 << 20] {
                if cut < 4, input.utf8.count > 20_000 { continue }
                let store = FakeStore()
                store.add("Subject: x\n\n")
                let client = Client(store)
                client.say("s SELECT INBOX\r\n")
                let output = client.say(input + "\r\n", cut: cut)
                #expect(
                    Self.hasAnswer(output, row),
                    "\(Array(input.utf8).escaped(limit: 80)) cut \(cut): \(Array(output.utf8).escaped(limit: 200))"
                )
                #expect(store.boxes.count == 1 && store.boxes[Array("INBOX".utf8)]?.messages.count == 1)
            }
        }
    }

    @Test("there are at least 200 of them")
    func count() { #expect((Self.login + Self.mailbox).map(\.inputs.count).reduce(0, +) >= 200) }

    @Test("commands of chance words end in an answer or wait for more")
    func chance() {
        var state: UInt64 = 20_261_123
        let words = [
            "a ", "FETCH ", "1", ":", "*", "(", ")", "BODY", "[", "]", "{3}\r\n", "{3+}\r\n", "\"", "\\", " ",
            "\r\n", "SEARCH ", "UID ", "STORE ", "+FLAGS ", "APPEND INBOX ", "x",
        ]
        for _ in 0..<3000 {
            var text = ""
            for _ in 0..<20 {
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                text += words[Int(state >> 33) % words.count]
            }
            let store = FakeStore()
            store.add("Subject: x\n\nbody\n")
            let client = Client(store)
            client.say("s SELECT INBOX\r\n")
            client.say(text, cut: Int(state >> 40) % 7 + 1)
        }
    }
}
