import Bytes
import Mail
import Testing
import Unix

@testable import MailStore

@Suite struct NumberedMboxTests {
    private let place: TemporaryMaildir
    private var path: String { place.path + "mbox" }
    private static let plain = (1...4).map { number in
        "From s@example Thu Jan  1 00:00:0\(number) 1970\nSubject: \(number)\n\nbody \(number)\n\n"
    }

    init() throws { place = try TemporaryMaildir() }

    private func put(_ text: String) throws {
        _ = try Directory(place.path).removeIfPresent("mbox")
        try place.write("mbox", text)
    }

    private func mbox() throws -> NumberedMbox {
        try NumberedMbox(path, named: Array("INBOX".utf8), UIDTable(in: place.path))
    }

    /// UID, flags and what a reader is shown, of each message.
    private func shown(_ mbox: NumberedMbox, by count: Int = 4096) throws -> [String] {
        try mbox.messages.map { message in
            let uid = message.marks.uid
            var text: [UInt8] = []
            while let part = try mbox.mbox.read(at: text.count, count: count, of: { _ in mbox.message(uid) }),
                !part.isEmpty
            {
                text += part
            }
            let keywords = mbox.keywords.names(of: message.marks.flags).map {
                String(decoding: $0, as: UTF8.self)
            }
            let system: [(MessageFlags, Int)] = [
                (.seen, 1), (.answered, 2), (.flagged, 4), (.deleted, 8), (.draft, 16),
            ]
            let bits = system.reduce(0) { $0 + (message.marks.flags.contains($1.0) ? $1.1 : 0) }
            return "\(uid) \(bits) \(keywords.joined(separator: " ")): "
                + String(decoding: text, as: UTF8.self)
        }
    }

    private func fresh() throws -> [String] {
        let mbox = try mbox()
        _ = try mbox.refresh(claiming: false)
        return try shown(mbox)
    }

    @Test("UIDs are given in the order of the file, and stay, whoever marks, moves and removes messages")
    func uids() throws {
        try put(Self.plain.joined())
        let first = try mbox()
        #expect(try first.refresh(claiming: true) == [1, 2, 3, 4] && first.next == 5)
        #expect(try shown(first, by: 7) == (1...4).map { "\($0) 0 : Subject: \($0)\n\nbody \($0)\n" })
        #expect(first.messages.map(\.date) == [1, 2, 3, 4])
        // Sizes are those of the messages, whatever stands in the mbox.
        #expect(first.messages.map(\.wireSize) == [22, 22, 22, 22])
        let text = try #require(try place.read("mbox"))
        #expect(text.contains("X-IMAPbase: \(first.validity) 0000000004\nX-UID: 1\nStatus: O\n"))

        // mutt writes its own Status; the second goes.
        let second = try #require(text.firstRange(of: "From s@example Thu Jan  1 00:00:02"))
        let third = try #require(text.firstRange(of: "From s@example Thu Jan  1 00:00:03"))
        let without = (text[..<second.lowerBound] + text[third.lowerBound...]).replacing(
            "Status: O\n", with: "Status: RO\nX-Status: F\n")
        try put(without + "From s Thu Jan  1 00:00:05 1970\nSubject: 5\n\nbody 5")
        let later = try mbox()
        #expect(try later.refresh(claiming: true) == [5])
        #expect(later.validity == first.validity)
        #expect(
            try shown(later) == [1, 3, 4].map { "\($0) 5 : Subject: \($0)\n\nbody \($0)\n" } + [
                "5 0 : Subject: 5\n\nbody 5\n"
            ])
    }

    @Test("flags and keywords are seen by the next session, and do not move what has room")
    func flags() throws {
        try put(Self.plain.joined())
        let one = try mbox()
        _ = try one.refresh(claiming: true)
        let size = try Directory(place.path).status(of: "mbox")?.size
        let flags = try #require(one.flags(of: [Array("$Junk".utf8), Array("work".utf8)])).union([
            .seen, .answered, .flagged,
        ])
        #expect(try one.change([2, 9], by: FlagChange(adding: flags)) == [9])
        #expect(try one.change([3], by: FlagChange(adding: .deleted)).isEmpty)
        #expect(try Directory(place.path).status(of: "mbox")?.size == size)
        let heads = try fresh().map { $0.prefix { $0 != ":" } }
        #expect(heads == ["1 0 ", "2 7 $Junk work", "3 8 ", "4 0 "])
        let other = try mbox()
        _ = try other.refresh(claiming: false)
        #expect(try other.change([2], by: FlagChange(removing: flags)).isEmpty)
        _ = try one.refresh(claiming: false)
        #expect(
            one.messages.map(\.marks.flags) == [
                [], [], .deleted, [],
            ])
    }

    @Test(
        "UIDs are not given again, though the first message, the last, or all are gone, and whoever removed them"
    )
    func removals() throws {
        try put(Self.plain.joined())
        let one = try mbox()
        _ = try one.refresh(claiming: true)
        _ = try one.expunge([1, 4], marked: false)
        #expect(try fresh().map { $0.prefix(1) } == ["2", "3"])
        #expect(try #require(try place.read("mbox")).contains("X-IMAPbase: \(one.validity) 0000000004\n"))
        // Another program empties it; then mail comes.
        try put("")
        _ = try one.refresh(claiming: true)
        #expect(one.messages.isEmpty && one.next == 5)
        try put(Self.plain[0])
        let later = try mbox()
        _ = try later.refresh(claiming: true)
        #expect(later.messages.map(\.marks.uid) == [5] && later.validity == one.validity)
        _ = try later.expunge([5], marked: false)
        #expect(try place.read("mbox") == "")
    }

    @Test(
        "messages are appended with their flags and dates, all or none, and other mailboxes' fields are left out"
    )
    func appending() throws {
        try put(Self.plain.joined() + "From x Thu Jan  1 00:00:09 1970\n\nno line end")
        let one = try mbox()
        func addition(_ text: String) -> NumberedMbox.Addition {
            NumberedMbox.Addition(message(text, parts: 3), flags: .seen, date: Time(seconds: 86400))
        }
        let uids = try one.append([
            addition("Status: O\nSubject: a\nX-UID: 77\n\nFrom here\n>From there\n"), addition("Subject: b"),
            addition(""),
        ])
        #expect(uids == [6, 7, 8] && one.next == 9)
        #expect(
            try shown(one).suffix(4) == [
                "5 0 : \nno line end\n", "6 1 : Subject: a\n\nFrom here\n>From there\n", "7 1 : Subject: b\n",
                "8 1 : ",
            ])
        #expect(try #require(try place.read("mbox")).contains("\n>From here\n>>From there\n"))
        #expect(one.messages.map(\.wireSize).suffix(3) == [38, 12, 0])
        #expect(one.messages.suffix(3).map(\.date) == [86400, 86400, 86400])
        #expect(try fresh() == shown(one))
    }

    /// The line that says what the mailbox is, from the file.
    private func base() throws -> String? {
        let text = try place.read("mbox") ?? ""
        return text.split(separator: "\n").first { $0.hasPrefix("X-IMAPbase:") }.map(String.init)
    }

    @Test(
        "a keyword that a message gets is among those of the mailbox, where Dovecot looks for it, and none goes from there"
    )
    func keywordsOfTheWhole() throws {
        try put(Self.plain.joined())
        let one = try mbox()
        _ = try one.refresh(claiming: true)
        let validity = one.validity
        let work = try #require(one.flags(of: [Array("work".utf8)]))
        _ = try one.change([3], by: FlagChange(adding: work))
        #expect(try base() == "X-IMAPbase: \(validity) 0000000004 work")
        let other = try mbox()
        _ = try other.refresh(claiming: false)
        let more = try #require(other.flags(of: [Array("more".utf8)]))
        _ = try other.append([
            .init(
                message("Subject: 5\n\nb\n"), flags: more, date: .now())
        ])
        #expect(try base() == "X-IMAPbase: \(validity) 0000000005 work more")
        _ = try other.expunge([1], marked: false)
        #expect(try base() == "X-IMAPbase: \(validity) 0000000005 work more")
        // More of them than we number.
        let names = (1...40).map { "k\($0)" }.joined(separator: " ")
        try put("From a Thu Jan  1 00:00:00 1970\nX-IMAPbase: 77 9 \(names)\nX-UID: 9\n\na\n\n")
        let third = try mbox()
        _ = try third.refresh(claiming: true)
        _ = try third.change([9], by: FlagChange(adding: .seen))
        #expect(try base()?.hasSuffix(" \(names)") == true)
    }

    @Test("what is shown has the size that is told, whatever is hidden in it")
    func sizes() throws {
        try put(
            "From a Thu Jan  1 00:00:00 1970\r\nStatus: RO\r\nSubject: x\r\nX-Keywords: a\r\n b\r\nTo: y\r\n\r\n>From x Thu Jan  1 00:00:00 1970\r\n\r\nFrom b Thu Jan  1 00:00:00 1970\nX-Status: F\n\n>>From\n>>From \n\n"
        )
        let one = try mbox()
        for _ in 0..<2 {
            _ = try one.refresh(claiming: true)
            for message in one.messages {
                var lines = WireLines()
                let uid = message.marks.uid
                let bytes = try #require(
                    try one.mbox.read(at: 0, count: 1 << 16, of: { _ in one.message(uid) }))
                var all = bytes
                while let more = try one.mbox.read(
                    at: all.count, count: 1 << 16, of: { _ in one.message(uid) }), !more.isEmpty
                {
                    all += more
                }
                #expect(lines.count(all[...]) == message.wireSize)
            }
            _ = try one.change([1], by: FlagChange(adding: [.flagged, .answered, .deleted]))
        }
        #expect(
            try fresh()
                == [
                    "1 15 a: Subject: x\r\nTo: y\r\n\r\nFrom x Thu Jan  1 00:00:00 1970\r\n",
                    "2 4 : \n>>From\n>From \n",
                ])
    }

    @Test("what strangers write into a header gives no UIDs that were given, and none that leave no others")
    func forged() throws {
        try put(
            "From a Thu Jan  1 00:00:00 1970\nX-IMAPbase: 5 4294967295\nX-UID: 4294967294\n\na\n\nFrom b Thu Jan  1 00:00:00 1970\nX-UID: 1\nX-UID: x\n\nb\n\n"
        )
        #expect(try fresh().map { $0.prefix(2) } == ["1 ", "2 "])
        try put(
            "From a Thu Jan  1 00:00:00 1970\nX-UID: 3\n\na\n\nFrom b Thu Jan  1 00:00:00 1970\nX-UID: 2\n\nb\n\nFrom b Thu Jan  1 00:00:00 1970\nX-UID: 4\n\nb\n\n"
        )
        #expect(try fresh().map { $0.prefix(2) } == ["3 ", "4 ", "5 "])
    }

    @Test("the message that alpine keeps its numbers in is none, and says them")
    func pseudo() throws {
        let text =
            "From MAILER-DAEMON Thu Jan  1 00:00:00 1970\nSubject: DON'T DELETE THIS MESSAGE\nX-IMAP: 77 0000000009 work\nStatus: RO\n\nText.\n\n"
        try put(
            text
                + "From a Thu Jan  1 00:00:00 1970\nX-UID: 9\nX-Keywords: work\n\na\n\nFrom b Thu Jan  1 00:00:00 1970\n\nb\n\n"
        )
        let one = try mbox()
        _ = try one.refresh(claiming: true)
        #expect(one.validity == 77 && one.keywords.all == [Array("work".utf8)])
        #expect(try shown(one) == ["9 0 work: \na\n", "10 0 : \nb\n"])
        _ = try one.expunge([9, 10], marked: false)
        #expect(one.messages.isEmpty)
        #expect(try #require(try place.read("mbox")).contains("X-IMAP: 77 0000000010 work\n"))
    }

    @Test(
        "where there is room for what is new and for the longest message it moves in parts, and with a byte less not at all"
    )
    func parts() throws {
        let texts = (1...40).map { number in
            "From s@example Thu Jan  1 00:00:01 1970\nSubject: \(number)\n\n\(String(repeating: "x", count: number * 37 % 1000))\n\n"
        }
        try put(texts.joined())
        let one = try mbox()
        _ = try one.refresh(claiming: true)
        let (whole, plain) = (try #require(try place.read("mbox")), try shown(one))
        let longest = whole.split(separator: "From s@").map { $0.utf8.count + 7 }.max() ?? 0
        let least = whole.utf8.count - texts.joined().utf8.count + longest
        for room in [least - 1, least, least + 1, least + 1000, least + 4000, 1 << 20] {
            try put(texts.joined())
            place.run("rm", place.path + ".relais-uids")
            let other = try mbox()
            other.mbox.freeSpace = { _ in room }
            _ = try other.refresh(claiming: true)
            #expect(other.keepsUIDs == (room >= least), "\(room) bytes of \(least)")
            #expect(try shown(other) == plain)
            let now = try #require(try place.read("mbox"))
            #expect(
                now.replacing("\(other.validity)", with: "\(one.validity)")
                    == (room < least ? texts.joined() : whole))
        }
    }

    /// The least of it is as long as a line that must go into it, the longest longer than a part that is read at once.
    private static let uneven = [
        "", "\(String(repeating: "x", count: 70_000))\n", "b\n", "\(String(repeating: "y", count: 5000))\n",
    ]
    .map { "From s@example Thu Jan  1 00:00:01 1970\n\n\($0)\n" }

    @Test(
        "on a full disk whatever goes is gone, and the others move down over it whole; what has no room stays as it is",
        arguments: [true, false])
    func movingDown(hasNumbers: Bool) throws {
        // The first, the last, what is long, and what is between.
        for bits in [1, 2, 4, 9, 14] {
            try put(Self.uneven.joined())
            place.run("rm", "-f", place.path + ".relais-uids")
            let one = try mbox()
            if !hasNumbers { one.mbox.freeSpace = { _ in 0 } }
            _ = try one.refresh(claiming: true)
            one.mbox.freeSpace = { _ in 0 }
            let texts = try shown(one).map { $0.drop { $0 != ":" } }
            let before = try place.read("mbox")
            let uids = one.messages.map(\.marks.uid)
            if !hasNumbers {
                _ = try? one.change([uids[0]], by: FlagChange(adding: .flagged))
                #expect(try place.read("mbox") == before)
            }
            let gone = Set(uids.indices.filter { bits >> $0 & 1 == 1 }.map { uids[$0] })
            #expect(try one.expunge(gone, marked: false) == gone)
            let left = uids.indices.filter { !gone.contains(uids[$0]) }.map { texts[$0] }
            #expect(try fresh().map { $0.drop { $0 != ":" } } == left, "without \(gone.sorted())")
            if hasNumbers { #expect(one.messages.map(\.marks.uid) == uids.filter { !gone.contains($0) }) }
        }
    }

    @Test("what others changed in place is not undone, even if the file has grown since")
    func changedAndGrown() throws {
        try put(
            "From a@b Thu Jan  1 00:00:00 1970\n\n\(String(repeating: "x", count: 600))\n\n"
                + Self.plain.joined())
        let (one, two) = (try mbox(), try mbox())
        _ = try one.refresh(claiming: true)
        _ = try two.refresh(claiming: true)
        _ = try two.change([2, 3], by: FlagChange(adding: .deleted))
        // What is so young may change once more without a trace, and is not trusted.
        pause(.milliseconds(50))
        _ = try one.refresh(claiming: true)
        _ = try two.change([2], by: FlagChange(adding: .seen))
        _ = try two.change([3], by: FlagChange(removing: .deleted))
        try place.write("more", Self.plain[0])
        place.run("sh", "-c", "cat \(place.path)more >>\(path)")
        _ = try one.change([2], by: FlagChange(adding: .flagged))
        #expect(one.message(2)?.marks.flags == [.deleted, .seen, .flagged])
        #expect(try one.expunge([1, 2, 3], marked: true) == [2])
        _ = try two.refresh(claiming: true)
        #expect(two.messages.map(\.marks.uid) == [1, 3, 4, 5, 6])
    }

    @Test("each change in place leaves a second that none left before, ten minutes from the clock at most")
    func seconds() throws {
        try put(Self.plain.joined())
        let one = try mbox()
        _ = try one.refresh(claiming: true)
        var seconds: Set<Int64> = []
        for number in 1...100 {
            _ = try one.change(
                [2], by: number % 2 > 0 ? FlagChange(adding: .seen) : FlagChange(removing: .seen))
            let second = try #require(try Path.status(path, following: false)).modified.seconds
            #expect(seconds.insert(second).inserted)
            #expect(second - Time.now().seconds <= 600)
        }
    }

    @Test("the table is where Dovecot looks for no mailboxes; an older one moves there")
    func table() throws {
        place.run("mkdir", place.path + "mail")
        try place.write("mail/.relais-uids", "7 9 old\n")
        try place.write("mail/.relais-uids.lock", "")
        for _ in 1...2 {
            let tree = try MboxTree(inbox: path, folders: place.path + "mail/")
            #expect(try tree.uids.known(Array("old".utf8)) == UIDTable.Entry(validity: 7, next: 9))
            try tree.uids.retire(Array("other".utf8), validity: 8)
        }
        var names: [String] = []
        try Directory(place.path + "mail").forEachName { name in
            names.append(String(decoding: name, as: UTF8.self))
            return true
        }
        #expect(names == [".imap"])
        #expect(try place.read("mail/.imap/.relais-uids") == "7 9 old\n8 0 other\n")
    }

    @Test(
        "a message alone in its mbox is whole in it at any call, however short it is",
        arguments: [1, 50, 100, 300, 5000])
    func alone(length: Int) throws {
        let body =
            String(repeating: "0123456789\n", count: length / 11) + String(repeating: "x", count: length % 11)
        func perform(_ call: Int) throws -> Bool {
            let one = try mbox()
            SystemCall.arm(.failFromThere(.inputOutput), at: call)
            defer { SystemCall.arm(.none, at: 0) }
            _ = try? one.refresh(claiming: true)
            return SystemCall.callCount < call
        }
        for call in 1... {
            try put("From a@x Thu Jan  1 00:00:00 1970\n\n\(body)\n\n")
            place.run("rm", "-f", place.path + ".relais-uids", path + ".lock")
            let isDone = try perform(call)
            place.run("rm", "-f", path + ".lock")
            // Empty lines behind it are none of its text.
            let texts = try fresh().map { text in String(text.reversed().drop { $0 == "\n" }.reversed()) }
            #expect(texts.contains { $0.hasSuffix(": \n\(body)") }, "call \(call)")
            if isDone { return }
        }
    }

    @Test("a process that dies at any call loses no message", arguments: [0, 1, 2, 3])
    func dying(what: Int) throws {
        let long = String(repeating: "x", count: 66_000)
        let texts = Self.plain + ["From l Thu Jan  1 00:00:09 1970\nSubject: l\n\n\(long)\n\n"] + Self.plain
        func perform(_ call: Int) throws -> Bool {
            try put(texts.joined())
            place.run("rm", place.path + ".relais-uids")
            let one = try mbox()
            if what == 3 { one.mbox.freeSpace = { _ in 67_500 } }
            if what == 1 || what == 2 { _ = try one.refresh(claiming: true) }
            let keyword = try #require(one.flags(of: [Array(long.utf8.prefix(99))]))
            SystemCall.arm(.fail(.inputOutput), at: call)
            defer { SystemCall.arm(.none, at: 0) }
            switch what {
            case 0, 3: _ = try? one.refresh(claiming: true)
            case 1: _ = try? one.expunge([2, 6], marked: false)
            default: _ = try? one.change([2], by: FlagChange(adding: keyword.union(.seen)))
            }
            return SystemCall.callCount < call
        }
        for call in 1... {
            let isDone = try perform(call)
            // A dot lock that could not be removed is in the way until it is stale.
            place.run("rm", "-f", path + ".lock")
            let bodies = Set(try fresh().map { $0.drop { $0 != ":" } })
            for (number, subject) in ["1", "2", "3", "4", "l"].enumerated() where what != 1 || number > 1 {
                let isThere = bodies.contains(
                    ": Subject: \(subject)\n\n\(subject == "l" ? long : "body \(subject)")\n")
                #expect(isThere, "call \(call), message \(subject)")
            }
            if isDone { return }
        }
    }
}
