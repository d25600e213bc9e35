import Bytes
import IMAP
import Mail
import Testing

/// A client that takes every EXPUNGE and EXISTS at its word, as all do (RFC 3501 §7.4.1): what it believes of the mailbox
/// must be what the server means by its numbers.
@Suite struct ExpungeTests {
    private final class Believer {
        let client: Client
        private(set) var uids: [String] = []

        init(_ store: FakeStore) {
            client = Client(store)
            hear(client.say("s SELECT INBOX\r\n"))
            learn()
        }

        /// Says a command; what it was told is taken in the order in which it was told.
        @discardableResult
        func say(_ command: String) -> String {
            let said = client.say("a \(command)\r\n")
            hear(said)
            return said
        }

        private func hear(_ said: String) {
            for line in said.split(separator: "\r\n") {
                let words = line.split(separator: " ")
                guard words.count >= 3, words[0] == "*", let number = Int(words[1]) else { continue }
                if words[2] == "EXPUNGE", uids.indices.contains(number - 1) { uids.remove(at: number - 1) }
                if words[2] == "EXISTS" {
                    #expect(number >= uids.count, "\(said)")
                    while uids.count < number { uids.append("?") }
                }
            }
        }

        /// Asks for the UIDs behind the numbers that it does not know, and whether it is right about the others.
        func learn() {
            guard !uids.isEmpty else { return }
            let said = client.say("u FETCH 1:* UID\r\n")
            let now = said.split(separator: "\r\n").filter { $0.hasPrefix("* ") && $0.contains("(UID ") }
                .map { $0.split(separator: " ").last.map { String($0.dropLast()) } ?? "" }
            #expect(now.count == uids.count, "\(said)")
            for (known, uid) in zip(uids, now) { #expect(known == "?" || known == uid, "\(uids): \(said)") }
            uids = now
        }
    }

    private func store(_ count: Int) -> FakeStore {
        let store = FakeStore()
        for number in 0..<count { store.add("Subject: \(number)\n\nx\n") }
        return store
    }

    @Test(
        "whatever set is expunged, the session that does it and the one that hears of it later are told right numbers",
        arguments: ["EXPUNGE", "UID EXPUNGE 1:*", "MOVE", "UID MOVE"])
    func sets(command: String) {
        for bits in 1..<32 {
            let store = store(5)
            let (one, other) = (Believer(store), Believer(store))
            let set = (0..<5).filter { bits >> $0 & 1 == 1 }.map { "\($0 + 1)" }.joined(separator: ",")
            let left = (0..<5).filter { bits >> $0 & 1 == 0 }.map { "\($0 + 1)" }
            if command.hasSuffix("MOVE") {
                one.say("CREATE Box")
                one.say("\(command) \(set) Box")
            } else {
                one.say("STORE \(set) +FLAGS.SILENT (\\Deleted)")
                one.say(command)
            }
            #expect(one.uids == left, "\(command) of \(set)")
            store.add("Subject: late\n\nx\n")
            other.say("NOOP")
            #expect(other.uids.dropLast() == left[...], "\(command) of \(set)")
            one.say("NOOP")
            one.learn()
            other.learn()
            #expect(one.uids == left + ["6"] && other.uids == one.uids)
        }
    }

    @Test("expunges are told before the number of messages that counts without them")
    func beforeExists() {
        let store = store(4)
        let (one, other) = (Believer(store), Believer(store))
        one.say("STORE 2,3 +FLAGS.SILENT (\\Deleted)")
        one.say("EXPUNGE")
        store.add("Subject: late\n\nx\n")
        #expect(
            other.say("NOOP")
                == "* 3 EXPUNGE\r\n* 2 EXPUNGE\r\n* 3 EXISTS\r\n* 0 RECENT\r\na OK Completed\r\n")
    }

    @Test(
        "no number changes under a command with numbers; behind one with UIDs it may",
        arguments: [
            ("FETCH 1 FLAGS", false), ("STORE 1 +FLAGS (\\Seen)", false), ("SEARCH ALL", false),
            ("UID FETCH 1 FLAGS", true), ("UID STORE 1 +FLAGS (\\Seen)", true), ("UID SEARCH ALL", true),
        ])
    func held(command: String, mayTell: Bool) {
        let store = store(3)
        let (one, other) = (Believer(store), Believer(store))
        one.say("STORE 2 +FLAGS.SILENT (\\Deleted)")
        one.say("EXPUNGE")
        #expect(other.say(command).contains("EXPUNGE") == mayTell)
        #expect(other.say("NOOP").contains("* 2 EXPUNGE\r\n") == !mayTell)
        #expect(other.uids == ["1", "3"])
    }
}
