import IMAP
import Mail
import Testing

/// What is selected, and how, from one command to the next: RFC 3501 §6.3.1, §6.4.2.
@Suite struct SelectionTests {
    private func store() -> FakeStore {
        let store = FakeStore()
        store.add("Subject: s\n\nx\n", flags: .deleted)
        return store
    }

    @Test("a SELECT that fails leaves nothing selected, and so do CLOSE and UNSELECT")
    func nothing() {
        for command in ["SELECT None", "EXAMINE None", "CLOSE", "UNSELECT"] {
            let client = Client(store())
            client.say("s SELECT INBOX\r\n")
            client.say("a \(command)\r\n")
            for next in ["FETCH 1 UID", "EXPUNGE", "STORE 1 FLAGS ()", "SEARCH ALL", "CLOSE", "COPY 1 INBOX"]
            {
                #expect(
                    client.say("b \(next)\r\n") == "b BAD No mailbox is selected\r\n", "\(command), \(next)")
            }
        }
    }

    @Test("CLOSE expunges what SELECT has opened, and nothing of what EXAMINE has; UNSELECT nothing at all")
    func closing() {
        for (first, last, left) in [
            ("SELECT", "CLOSE", 0), ("EXAMINE", "CLOSE", 1), ("SELECT", "UNSELECT", 1),
            ("EXAMINE", "UNSELECT", 1),
        ] {
            let store = store()
            let said = Client(store).say("a \(first) INBOX\r\nb \(last)\r\n")
            #expect(!said.contains("EXPUNGE"))
            #expect(store.boxes[Array("INBOX".utf8)]?.messages.count == left, "\(first), \(last)")
        }
    }

    @Test("what one SELECT was read-only the next is not, and STATUS changes nothing")
    func readOnly() {
        let store = store()
        let client = Client(store)
        client.say("a EXAMINE INBOX\r\n")
        #expect(client.say("b STORE 1 +FLAGS (\\Seen)\r\n").hasPrefix("b NO [READ-ONLY] "))
        client.say("c SELECT INBOX\r\n")
        #expect(client.say("d STORE 1 +FLAGS (\\Seen)\r\n").hasSuffix("d OK Store completed\r\n"))
        client.say("e STATUS INBOX (MESSAGES RECENT)\r\n")
        #expect(store.openedReadOnly == [true, false, true])
    }

    @Test("DONE ends IDLE once, and what follows is a command again")
    func idling() {
        let client = Client(store())
        client.say("s SELECT INBOX\r\n")
        #expect(client.say("a IDLE\r\n") == "+ idling\r\n")
        #expect(client.say("DONE\r\n") == "a OK Idle completed\r\n")
        #expect(client.say("b NOOP\r\n") == "b OK Completed\r\n")
        #expect(client.say("c IDLE\r\n") == "+ idling\r\n")
        #expect(client.say("b NOOP\r\n") == "c BAD Expected DONE\r\n")
        #expect(client.say("d NOOP\r\n") == "d OK Completed\r\n")
    }
}
