import IMAP
import Mail
import Testing

/// RFC 3501 §6.4.4: where each key of SEARCH begins and ends.
@Suite struct SearchKeyTests {
    private func found(_ store: FakeStore, _ key: String) -> String {
        let client = Client(store)
        client.say("s SELECT INBOX\r\n")
        let said = client.say("a SEARCH \(key)\r\n")
        return said.hasPrefix("* SEARCH") ? String(said.dropFirst(8).prefix { $0 != "\r\n" }) : said
    }

    /// The last second of a day, the first of the next, its last, and the first of the one behind it; each was sent on that day
    /// where its sender was, which for the first two is another day at Greenwich.
    private static let days: [(came: Int64, sent: String)] = [
        (1_577_836_799, "Tue, 31 Dec 2019 23:30:00 -0500"), (1_577_836_800, "Wed, 1 Jan 2020 00:30:00 +0500"),
        (1_577_923_199, "Wed, 1 Jan 2020 23:59:59 +0000"), (1_577_923_200, "Thu, 2 Jan 2020 00:00:00 +0000"),
    ]

    @Test(
        "a day begins at its first second and ends at its last; the sender's day is that of his zone",
        arguments: [
            ("BEFORE", " 1"), ("ON", " 2 3"), ("SINCE", " 2 3 4"), ("SENTBEFORE", " 1"), ("SENTON", " 2 3"),
            ("SENTSINCE", " 2 3 4"), ("NOT SENTON", " 1 4"), ("NOT SINCE", " 1"),
        ])
    func days(key: String, numbers: String) {
        let store = FakeStore()
        for day in Self.days { store.add("Date: \(day.sent)\n\nx\n", date: day.came) }
        #expect(found(store, "\(key) 1-Jan-2020") == numbers)
    }

    @Test("a message without a date was sent on no day")
    func undated() {
        let store = FakeStore()
        store.add("Subject: s\n\nx\n")
        for key in ["SENTBEFORE", "SENTON", "SENTSINCE"] { #expect(found(store, "\(key) 1-Jan-2020") == "") }
        #expect(found(store, "NOT SENTBEFORE 1-Jan-2020") == " 1")
    }

    @Test(
        "larger and smaller are not equal",
        arguments: [
            ("LARGER 5", " 2 3"), ("LARGER 6", " 3"), ("LARGER 7", ""), ("SMALLER 5", ""),
            ("SMALLER 6", " 1"),
            ("SMALLER 8", " 1 2 3"), ("NOT LARGER 5", " 1"),
        ])
    func sizes(key: String, numbers: String) {
        let store = FakeStore()
        for size in 5...7 { store.add("\n" + String(repeating: "x", count: size - 2)) }
        #expect(found(store, key) == numbers)
    }

    @Test(
        "new is recent and unseen, old is not recent",
        arguments: [
            ("RECENT", " 2 3"), ("NEW", " 2"), ("OLD", " 1 4"), ("UNSEEN", " 1 2"), ("SEEN", " 3 4"),
            ("NOT NEW", " 1 3 4"), ("NOT OLD", " 2 3"), ("OR NEW SEEN", " 2 3 4"), ("UNSEEN OLD", " 1"),
        ])
    func recent(key: String, numbers: String) {
        let store = FakeStore()
        for flags in [[], [], .seen, .seen] as [MessageFlags] { store.add("Subject: s\n\nx\n", flags: flags) }
        store.boxes[Array("INBOX".utf8)]?.recent = [2, 3]
        #expect(found(store, key) == numbers)
    }

    @Test(
        "a range of UIDs has both its ends, and what stands for the largest is there",
        arguments: [
            ("3:5", "3 5"), ("4", ""), ("1:2", "1"), ("5:7", "5 7"), ("*", "7"), ("9:*", "7"), ("2:4", "3"),
        ])
    func uids(set: String, uids: String) {
        let store = FakeStore()
        for _ in 0..<7 { store.add("Subject: s\n\nx\n") }
        let client = Client(store)
        client.say("s SELECT INBOX\r\ns UID STORE 2,4,6 +FLAGS.SILENT (\\Deleted)\r\ns EXPUNGE\r\n")
        let list = uids.split(separator: " ")
        let fetched = client.say("a UID FETCH \(set) UID\r\n").split(separator: "\r\n").dropLast()
        #expect(fetched.map { $0.drop { $0 != "(" } } == list.map { "(UID \($0))" })
        let said = client.say("a UID SEARCH UID \(set)\r\n")
        #expect(said.hasPrefix("* SEARCH" + list.map { " \($0)" }.joined() + "\r\n"))
    }
}
