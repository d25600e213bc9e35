import Bytes
import IMAP
import Mail
import Testing

@Suite struct SessionTests {
    static let message =
        "From: Ann <ann@x.org>\nTo: g: b@y, c@z;\nSubject: hi \"there\"\nDate: Mon, 23 Nov 2026 18:34:05 +0000\n\nline one\nline two\n"

    private func selected(_ count: Int = 2) -> (FakeStore, Client) {
        let store = FakeStore()
        for _ in 0..<count { store.add(Self.message) }
        let client = Client(store)
        client.say("s SELECT INBOX\r\n")
        return (store, client)
    }

    @Test("SELECT tells all that RFC 3501 §6.3.1 asks for")
    func select() {
        let store = FakeStore()
        store.add(Self.message, flags: .seen)
        store.add(Self.message)
        #expect(
            Client(store).say("a SELECT inbox\r\n") == """
                * FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft)\r
                * OK [PERMANENTFLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft \\*)] Flags permitted\r
                * 2 EXISTS\r
                * 0 RECENT\r
                * OK [UNSEEN 2] First unseen\r
                * OK [UIDVALIDITY 7] UIDs valid\r
                * OK [UIDNEXT 3] Predicted next UID\r
                a OK [READ-WRITE] Select completed\r

                """)
    }

    @Test(
        "a mailbox that cannot be written to is selected read-only; UIDs that do not last are said to, and not told of copies"
    )
    func unwritable() throws {
        let (store, client) = selected()
        let box = try #require(store.boxes[Array("INBOX".utf8)])
        box.isWritable = false
        let answer = client.say("a SELECT INBOX\r\n")
        #expect(
            answer.contains("* OK [PERMANENTFLAGS ()] ")
                && answer.hasSuffix("a OK [READ-ONLY] Select completed\r\n"))
        for command in ["STORE 1 +FLAGS (\\Seen)", "EXPUNGE", "MOVE 1 INBOX"] {
            #expect(client.say("a \(command)\r\n").hasPrefix("a NO [READ-ONLY] "))
        }
        #expect(!client.say("a FETCH 1 BODY[TEXT]\r\n").contains("FLAGS"))
        (box.isWritable, box.keepsUIDs) = (true, false)
        let other = client.say("a SELECT INBOX\r\n")
        #expect(
            other.contains("* NO [UIDNOTSTICKY] ")
                && other.hasSuffix("a OK [READ-WRITE] Select completed\r\n"))
        #expect(client.say("a COPY 1 INBOX\r\n").hasSuffix("a OK Copy completed\r\n"))
        #expect(!client.say("a MOVE 1 INBOX\r\n").contains("COPYUID"))
        #expect(client.say("a APPEND INBOX {1+}\r\nx\r\n").hasSuffix("a OK Append completed\r\n"))
    }

    @Test(
        "FETCH answers to the byte",
        arguments: [
            (
                "1 (UID RFC822.SIZE INTERNALDATE)",
                "* 1 FETCH (UID 1 RFC822.SIZE 123 INTERNALDATE \" 1-Jan-2020 10:00:00 +0000\")\r\n"
            ),
            ("2 BODY.PEEK[TEXT]", "* 2 FETCH (BODY[TEXT] {20}\r\nline one\r\nline two\r\n)\r\n"),
            ("2 BODY.PEEK[1]", "* 2 FETCH (BODY[1] {20}\r\nline one\r\nline two\r\n)\r\n"),
            ("1 BODY.PEEK[]<115.100>", "* 1 FETCH (BODY[]<115> {8}\r\nne two\r\n)\r\n"),
            ("1 BODY.PEEK[]<500.10>", "* 1 FETCH (BODY[]<500> {0}\r\n)\r\n"),
            (
                "1 BODY.PEEK[HEADER.FIELDS (from)]",
                "* 1 FETCH (BODY[HEADER.FIELDS (from)] {25}\r\nFrom: Ann <ann@x.org>\r\n\r\n)\r\n"
            ),
            ("1 BODY.PEEK[2]", "* 1 FETCH (BODY[2] NIL)\r\n"),
            ("1 BODY.PEEK[1.MIME]", "* 1 FETCH (BODY[1.MIME] {103}\r\n"),
            (
                "1 ENVELOPE",
                "* 1 FETCH (ENVELOPE (\"Mon, 23 Nov 2026 18:34:05 +0000\" \"hi \\\"there\\\"\" ((\"Ann\" NIL \"ann\" \"x.org\")) "
                    + "((\"Ann\" NIL \"ann\" \"x.org\")) ((\"Ann\" NIL \"ann\" \"x.org\")) "
                    + "((NIL NIL \"g\" NIL)(NIL NIL \"b\" \"y\")"
            ),
            (
                "1 BODY",
                "* 1 FETCH (BODY (\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\" 20 2))\r\n"
            ),
            (
                "1 FAST",
                "* 1 FETCH (FLAGS () INTERNALDATE \" 1-Jan-2020 10:00:00 +0000\" RFC822.SIZE 123)\r\n"
            ),
        ])
    func fetch(items: String, answer: String) {
        let said = selected().1.say("a FETCH \(items)\r\n")
        #expect(said.hasPrefix(answer), "\(said)")
        #expect(said.hasSuffix("a OK Fetch completed\r\n"))
    }

    @Test("reading a body marks it seen, peeking and EXAMINE do not")
    func seen() {
        let (store, client) = selected()
        client.say("a FETCH 1 BODY.PEEK[]\r\n")
        #expect(store.boxes[Array("INBOX".utf8)]?.messages[0].flags == [])
        #expect(client.say("b FETCH 1 BODY[TEXT]\r\n").contains("FLAGS (\\Seen)"))
        #expect(store.boxes[Array("INBOX".utf8)]?.messages[0].flags == .seen)
        client.say("c EXAMINE INBOX\r\nd FETCH 2 BODY[]\r\n")
        #expect(store.boxes[Array("INBOX".utf8)]?.messages[1].flags == [])
        #expect(client.say("e STORE 2 FLAGS (\\Seen)\r\n").contains("e NO [READ-ONLY]"))
    }

    @Test("the other session hears of flags, expunges and new mail, in numbers that are right")
    func others() {
        let (store, one) = selected(3)
        let two = Client(store)
        two.say("s SELECT INBOX\r\n")
        one.say("a STORE 1,2 +FLAGS.SILENT (\\Deleted)\r\nb EXPUNGE\r\n")
        store.add(Self.message)
        // No message number may change while a command with numbers runs.
        #expect(
            two.say("a FETCH 3 UID\r\n")
                == "* 3 FETCH (UID 3)\r\n* 4 EXISTS\r\n* 0 RECENT\r\na OK Fetch completed\r\n")
        #expect(two.say("b NOOP\r\n") == "* 2 EXPUNGE\r\n* 1 EXPUNGE\r\nb OK Completed\r\n")
        one.say("c NOOP\r\nd STORE 1 +FLAGS (\\Flagged)\r\n")
        #expect(two.say("c NOOP\r\n") == "* 1 FETCH (FLAGS (\\Flagged))\r\nc OK Completed\r\n")
    }

    @Test("an idling client is told, and DONE ends it")
    func idle() {
        let (store, client) = selected(1)
        #expect(client.say("a IDLE\r\n") == "+ idling\r\n")
        store.add(Self.message)
        #expect(client.poll() == "* 2 EXISTS\r\n* 0 RECENT\r\n")
        #expect(client.say("done\r\nb NOOP\r\n") == "a OK Idle completed\r\nb OK Completed\r\n")
    }

    @Test("APPEND stores what came, with both kinds of literal, and nothing when it is cut short")
    func append() {
        let (store, client) = selected(0)
        #expect(client.say("a APPEND INBOX (\\Seen) \"01-Jan-2020 10:00:00 +0000\" {4}\r\n") == "+ OK\r\n")
        #expect(client.say("a\r\nb\r\n", cut: 1).contains("* 1 EXISTS\r\n"))
        #expect(
            client.say("b APPEND INBOX {1+}\r\nx\r\n").hasSuffix("b OK [APPENDUID 7 2] Append completed\r\n"))
        #expect(client.say("c APPEND Nowhere {3}\r\n") == "c NO [TRYCREATE] No such mailbox\r\n")
        #expect(client.say("d APPEND INBOX {10001}\r\n").contains("d NO [TOOBIG]"))
        client.say("e APPEND INBOX {10}\r\nabc")
        #expect(
            store.boxes[Array("INBOX".utf8)]?.messages.map(\.bytes) == [Array("a\nb".utf8), Array("x".utf8)])
    }

    @Test("COPY, MOVE, UID EXPUNGE and SEARCH do what they say")
    func messages() {
        let (store, client) = selected(3)
        client.say("a CREATE Kept\r\n")
        #expect(client.say("b COPY 1:2 Kept\r\n") == "b OK [COPYUID 8 1:2 1:2] Copy completed\r\n")
        #expect(
            client.say("c MOVE 3 Kept\r\n")
                == "* OK [COPYUID 8 3 3] Moved\r\n* 3 EXPUNGE\r\nc OK Move completed\r\n")
        client.say("d STORE 1:2 +FLAGS (\\Deleted)\r\n")
        #expect(client.say("e UID EXPUNGE 2\r\n") == "* 2 EXPUNGE\r\ne OK Expunge completed\r\n")
        #expect(
            client.say("f SEARCH DELETED FROM ann BODY \"LINE two\" SINCE 1-Jan-2020\r\n")
                == "* SEARCH 1\r\nf OK Search completed\r\n")
        #expect(
            client.say("g SEARCH RETURN (MIN COUNT) NOT SEEN\r\n")
                == "* ESEARCH (TAG \"g\") MIN 1 COUNT 1\r\ng OK Search completed\r\n")
        #expect(client.say("h SEARCH CHARSET x-none TEXT a\r\n").contains("h NO [BADCHARSET"))
        #expect(store.boxes[Array("Kept".utf8)]?.messages.count == 3)
    }

    @Test(
        "sequence sets resolve to what exists",
        arguments: [
            ("1", [1...1]), ("3:1", [1...3]), ("*", [9...9]), ("8:*", [8...9]), ("*:8", [8...9]),
            ("1,2,4", [1...2, 4...4]), ("5:*,1", [1...1, 5...9]),
        ])
    func sequenceSets(text: String, ranges: [ClosedRange<UInt32>]) throws {
        let tagged = try TaggedCommand(Array("a COPY \(text) x".utf8))
        guard case .copy(let set, _, _, _) = tagged.command else { return }
        #expect(set.resolved(largest: 9) == ranges)
    }

    @Test(
        "a change is a difference: what another session did in between stays, and what it undeleted is not expunged"
    )
    func differences() {
        let (store, one) = selected(2)
        let two = Client(store)
        two.say("s SELECT INBOX\r\n")
        one.say("a STORE 1:2 +FLAGS.SILENT (\\Flagged \\Deleted)\r\n")
        #expect(two.say("a STORE 1 +FLAGS (\\Answered)\r\n").contains("(\\Answered \\Flagged \\Deleted)"))
        two.say("b STORE 1 -FLAGS.SILENT (\\Deleted)\r\n")
        #expect(one.say("b EXPUNGE\r\n").hasPrefix("* 2 EXPUNGE\r\n"))
        #expect(store.boxes[Array("INBOX".utf8)]?.messages.map(\.flags) == [[.flagged, .answered]])
    }

    @Test("a keyword is named before a message has it, and the one for which there is no number is refused")
    func keywords() {
        let (_, client) = selected(1)
        #expect(
            client.say("a STORE 1 +FLAGS (work)\r\n").hasPrefix(
                "* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft work)\r\n* OK [PERMANENTFLAGS "))
        let more = (2...36).map { "k\($0)" }.joined(separator: " ")
        #expect(client.say("b STORE 1 +FLAGS (\(more))\r\n").contains("b OK"))
        #expect(
            client.say("c STORE 1 +FLAGS (onemore)\r\n") == "c NO [LIMIT] No room for another keyword\r\n")
        #expect(!client.say("d SELECT INBOX\r\n").contains("\\*"))
        #expect(client.say("e STORE 1 -FLAGS.SILENT (onemore k2)\r\n").contains("e OK"))
        #expect(client.say("f SEARCH KEYWORD k2\r\ng SEARCH UNKEYWORD none\r\n").contains("SEARCH 1\r\ng OK"))
    }

    @Test("HEADER.FIELDS.NOT leaves out what is named, and nothing else", arguments: ["\n", "\r\n"])
    func otherFields(end: String) {
        let lines = [
            ">From x", "Subject: s", " fold", "no colon here", "To: t", " fold", "SUBJECT : again", "",
            "Subject: body",
        ]
        let store = FakeStore()
        store.add(lines.map { $0 + end }.joined())
        store.add("Subject: s\nTo: t")
        let client = Client(store)
        client.say("s SELECT INBOX\r\n")
        func not(_ number: Int, _ names: String) -> String {
            let answer = client.say("a FETCH \(number) BODY.PEEK[HEADER.FIELDS.NOT (\(names))]\r\n")
            let text = answer[(answer.firstRange(of: "}\r\n")?.upperBound ?? answer.startIndex)...]
            return String(text.prefix { $0 != ")" })
        }
        #expect(not(1, "subject") == ">From x\r\nno colon here\r\nTo: t\r\n fold\r\n\r\n")
        #expect(not(1, "subject to") == ">From x\r\nno colon here\r\n\r\n")
        #expect(not(1, "from") == lines.prefix(8).map { $0 + "\r\n" }.joined())
        #expect(not(2, "subject") == "To: t\r\n\r\n" && not(2, "to subject") == "\r\n")
    }

    @Test(
        "a message that fails in the middle of its literal ends the connection, and nothing else stands in the literal"
    )
    func brokenLiteral() {
        let text = "Subject: s\n\n" + String(repeating: "0123456789\n", count: 24_000)
        var breaks = 0
        for reads in 0... {
            let store = FakeStore()
            store.add(text)
            store.add(text)
            let client = Client(store)
            client.say("s SELECT INBOX\r\n")
            store.boxes[Array("INBOX".utf8)]?.readsLeft = reads
            let answer = client.say("a FETCH 1:2 BODY.PEEK[TEXT]\r\nb NOOP\r\n")
            if answer.contains("a OK") { break }
            // Before the literal there is time to say so.
            let tail = "a NO [SERVERBUG] The server could not do it; its log says why\r\nb OK Completed\r\n"
            let isInLiteral =
                answer.hasSuffix("{288000}\r\n")
                || answer.utf8.suffix(20).allSatisfy { "0123456789\r\n".utf8.contains($0) }
            #expect(client.isClosed ? isInLiteral : answer.hasSuffix(tail), "\(reads) reads")
            if client.isClosed { breaks += 1 }
        }
        #expect(breaks > 3, "\(breaks)")
    }

    @Test("one message that cannot be read does not keep the others back")
    func unreadable() {
        let (store, client) = selected(3)
        store.boxes[Array("INBOX".utf8)]?.unreadable = [2]
        let said = client.say("a FETCH 1:* (ENVELOPE)\r\n")
        #expect(said.contains("* 1 FETCH") && said.contains("* 3 FETCH") && said.contains("a NO [SERVERBUG]"))
        #expect(client.say("b SEARCH SUBJECT there\r\n").hasPrefix("* SEARCH 1 3\r\nb NO "))
    }

    @Test("who copies what is gone is told that it is; who looks at a mailbox that is gone is sent away")
    func gone() {
        let (store, one) = selected(2)
        one.say("a CREATE Box\r\n")
        let two = Client(store)
        two.say("s SELECT INBOX\r\n")
        one.say("b STORE 1 +FLAGS.SILENT (\\Deleted)\r\nc EXPUNGE\r\n")
        #expect(
            two.say("a COPY 1:2 Box\r\n")
                == "* 1 EXPUNGE\r\na NO [EXPUNGEISSUED] Some messages are gone\r\n")
        one.say("d STORE 1 +FLAGS.SILENT (\\Deleted)\r\ne EXPUNGE\r\n")
        for command in ["FETCH 1 (BODY.PEEK[])", "STORE 1 +FLAGS (\\Seen)", "UID FETCH 2 (ENVELOPE)"] {
            let answers = two.say("b \(command)\r\n").split(separator: "\r\n")
            #expect(answers.last == "b OK [EXPUNGEISSUED] Some messages are gone", "\(answers)")
        }
        two.say("c SELECT Box\r\n")
        one.say("d DELETE Box\r\n")
        #expect(two.say("d NOOP\r\n").hasPrefix("* BYE ") && two.isClosed)
    }
}
