import Testing

@testable import POP3

@Suite struct MaildropSessionTests {
    static let messages = ["Subject: a\r\n\r\none\r\n.two\r\n..\r\nthree\r\n", "B: b\r\n\r\n", "no body\r\n"]

    private func run(_ input: String, _ maildrop: FakeMaildrop = FakeMaildrop(messages)) -> String {
        var answers: Set<String> = []
        for cut in Cut.allCases {
            maildrop.output = []
            answers.insert(Conversation.transaction(maildrop, Array(input.utf8), cut).0)
        }
        #expect(answers.count == 1, "the answer depends on how the input was cut")
        return answers.first ?? ""
    }

    @Test(
        "RFC 1939 §5, §7: each command has its answer",
        arguments: [
            ("STAT\r\n", "+OK 3 53\r\n"), ("stat\r\n", "+OK 3 53\r\n"), ("STAT\n", "+OK 3 53\r\n"),
            ("LIST\r\n", "+OK\r\n1 36\r\n2 8\r\n3 9\r\n.\r\n"), ("LIST 2\r\n", "+OK 2 8\r\n"),
            ("UIDL\r\n", "+OK\r\n1 id1\r\n2 id2\r\n3 id3\r\n.\r\n"), ("UIDL 3\r\n", "+OK 3 id3\r\n"),
            ("NOOP\r\n", "+OK\r\n"), ("QUIT\r\n", "+OK Bye\r\n"),
            ("RETR 1\r\n", "+OK 36 octets\r\nSubject: a\r\n\r\none\r\n..two\r\n...\r\nthree\r\n.\r\n"),
            ("RETR 3\r\n", "+OK 9 octets\r\nno body\r\n.\r\n"),
            ("TOP 1 0\r\n", "+OK\r\nSubject: a\r\n\r\n.\r\n"),
            ("TOP 1 2\r\n", "+OK\r\nSubject: a\r\n\r\none\r\n..two\r\n.\r\n"),
            ("TOP 1 4\r\n", "+OK\r\nSubject: a\r\n\r\none\r\n..two\r\n...\r\nthree\r\n.\r\n"),
            (
                "TOP 1 9223372036854775807\r\n",
                "+OK\r\nSubject: a\r\n\r\none\r\n..two\r\n...\r\nthree\r\n.\r\n"
            ),
            ("TOP 2 1\r\n", "+OK\r\nB: b\r\n\r\n.\r\n"), ("TOP 3 0\r\n", "+OK\r\nno body\r\n.\r\n"),
            ("DELE 2\r\nSTAT\r\nLIST\r\n", "+OK Marked\r\n+OK 2 45\r\n+OK\r\n1 36\r\n3 9\r\n.\r\n"),
            ("DELE 2\r\nDELE 2\r\n", "+OK Marked\r\n-ERR No such message\r\n"),
            (
                "DELE 2\r\nRETR 2\r\nLIST 2\r\nUIDL 2\r\nTOP 2 0\r\n",
                "+OK Marked\r\n" + String(repeating: "-ERR No such message\r\n", count: 4)
            ),
            ("DELE 2\r\nRSET\r\nLIST 2\r\n", "+OK Marked\r\n+OK 3 messages (53 octets)\r\n+OK 2 8\r\n"),
        ])
    func answers(input: String, expected: String) { #expect(run(input) == expected) }

    @Test("RFC 1939 §6: messages are removed at QUIT and nowhere else (T51)")
    func removal() {
        for (input, expected) in [
            ("DELE 1\r\nDELE 3\r\nQUIT\r\n", [1, 3]), ("DELE 1\r\nDELE 3\r\n", []),
            ("DELE 1\r\nRSET\r\nQUIT\r\n", []),
            ("DELE 1\r\nQUIT", []), ("DELE 1\r\nQUIT x\r\n", []), ("QUIT\r\n", []),
            ("DELE 1\r\n" + String(repeating: "FOO\r\n", count: MaildropSession.mostErrors) + "QUIT\r\n", []),
        ] {
            for cut in Cut.allCases {
                let maildrop = FakeMaildrop(Self.messages)
                _ = Conversation.transaction(maildrop, Array(input.utf8), cut)
                #expect(maildrop.removed == expected, "\(input)")
            }
        }
    }

    @Test("what could not be removed is said, once, at QUIT")
    func failedRemoval() {
        let maildrop = FakeMaildrop(Self.messages)
        maildrop.fixed = [2]
        #expect(
            run("DELE 1\r\nDELE 2\r\nQUIT\r\n", maildrop)
                == "+OK Marked\r\n+OK Marked\r\n-ERR [SYS/TEMP] 1 messages could not be removed\r\n")
    }

    @Test("a message that cannot be read is an error; one that breaks off ends the session without its dot")
    func unreadable() {
        let maildrop = FakeMaildrop(Self.messages)
        maildrop.unreadable = [1]
        maildrop.breaking = [2]
        #expect(
            run("RETR 1\r\nNOOP\r\n", maildrop) == "-ERR [SYS/TEMP] The message cannot be read\r\n+OK\r\n")
        #expect(run("RETR 2\r\nNOOP\r\n", maildrop) == "+OK 8 octets\r\nB: b\r\n\r\n")
    }

    @Test("an empty maildrop has no message to name")
    func empty() {
        let expected =
            "+OK 0 0\r\n+OK\r\n.\r\n+OK\r\n.\r\n" + String(repeating: "-ERR No such message\r\n", count: 4)
        #expect(
            run("STAT\r\nLIST\r\nUIDL\r\nRETR 1\r\nDELE 1\r\nLIST 1\r\nTOP 1 1\r\n", FakeMaildrop([]))
                == expected)
    }

    @Test("RFC 2449 §5: CAPA tells what is there, in both states")
    func capabilities() {
        let answer = run("CAPA\r\n")
        for name in ["TOP", "UIDL", "USER", "RESP-CODES", "PIPELINING", "EXPIRE NEVER"] {
            #expect(answer.contains("\r\n\(name)\r\n"))
        }
        #expect(!answer.contains("STLS") && answer.hasSuffix("\r\n.\r\n"))
    }

    @Test("a line may have so many octets and no more; after so many errors it is over")
    func limits() {
        let room = MaildropSession.longestLine
        let line = "NOOP" + String(repeating: " ", count: room - 5) + "\n"
        #expect(run(line) == "+OK\r\n")
        #expect(run("NOOP" + String(repeating: " ", count: room - 4)) == "-ERR Line too long\r\n")
        let errors = String(repeating: "FOO\r\n", count: MaildropSession.mostErrors - 1)
        #expect(run(errors + "NOOP\r\n").hasSuffix("+OK\r\n"))
        #expect(run(errors + "FOO\r\nNOOP\r\n").hasSuffix("-ERR Too many errors\r\n"))
    }

    @Test(
        "RFC 1939 §3: every line ends in CRLF, a dot that begins one is doubled, however it is cut (T52)",
        arguments: [
            ("", ""), ("a", "a\r\n"), ("a\n", "a\r\n"), ("a\r\n", "a\r\n"), ("a\r", "a\r\n"), (".", "..\r\n"),
            (".\n", "..\r\n"), ("\n.\n", "\r\n..\r\n"), ("..\n", "...\r\n"), ("a.\n", "a.\r\n"),
            ("\r.\n", "\r.\r\n"),
            ("a\rb\n", "a\rb\r\n"), ("a\r\r\n", "a\r\r\n"), ("\n\n", "\r\n\r\n"), ("\0\n", "\0\r\n"),
            ("\r\n.\r\n", "\r\n..\r\n"), ("x\n.", "x\r\n..\r\n"),
        ])
    func stuffing(stored: String, sent: String) {
        for cut in Cut.allCases {
            var lines = StuffedLines(bodyLines: nil)
            var output = cut.pieces(Array(stored.utf8)).flatMap { lines.take(Array($0)) }
            output += lines.end()
            #expect(String(decoding: output, as: UTF8.self) == sent)
        }
    }
}
