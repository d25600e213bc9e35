import Bytes
import Mail
import Testing
import Unix

@testable import MailStore

@Suite struct StoreCheckTests {
    private let place: TemporaryMaildir

    init() throws {
        place = try TemporaryMaildir()
        for name in ["1.a.h", "2.b.h", "3.c.h"] { try place.write("cur/\(name):2,S", "Subject: \(name)\n\n") }
        _ = try place.folder()
    }

    /// Lines as `imapd --verify` says them, with names from the Maildir on.
    private func check(dry: Bool = false, now: Time = .now()) -> [String] {
        var lines: [String] = []
        let check = StoreCheck(isDry: dry, now: now) { finding, verdict in
            let path = finding.path.replacing(place.path, with: "")
            let end =
                switch verdict {
                case .mended(let remedy): ": \(remedy)"
                case .wouldBe(let remedy): " (\(remedy))"
                case .notMended: ": not mended"
                case .left: " left"
                case .harmless: " harmless"
                }
            lines.append("\(path): \(finding.what)\(end)")
        }
        #expect(check.checkMaildir(place.path) >= 1)
        return lines
    }

    private func names() throws -> [String] {
        try ["", "new", "cur", "tmp"].flatMap { try Directory(place.path + $0).names().map { $0 } }.sorted()
    }

    private func list() throws -> UIDList {
        try #require(UIDList(Array(place.read("dovecot-uidlist")!.utf8)))
    }

    private func replace(_ name: String, _ text: String) throws {
        _ = try Directory(place.path).removeIfPresent(name)
        try place.write(name, text)
    }

    @Test("where all is well nothing is said, and nothing is changed; nor of mail that is only new")
    func well() throws {
        try place.write("new/4.d.h", "d")
        let before = (try names(), try place.read("dovecot-uidlist"))
        #expect(check(dry: true) == [])
        #expect(check() == [])
        #expect(try names() == before.0 && place.read("dovecot-uidlist") == before.1)
        // Where nobody has looked yet.
        try place.write("new/5.e.h", "e")
        let fresh = try TemporaryMaildir()
        try fresh.write("new/1.a.h", "a")
        var count = 0
        let check = StoreCheck(isDry: true) { _, _ in count += 1 }
        #expect(
            check.checkMaildir(fresh.path) == 1 && check.checkMaildir(fresh.path + "none/") == 0 && count == 0
        )
        #expect(try fresh.read("dovecot-uidlist") == nil)
    }

    private static let lists: [(text: String, found: [String], uids: [UInt32])] = [
        (
            "3 V%% N9\n1 :1.a.h\nx :2.b.h\n2 2.b.h\n3 :3.c.h\n",
            ["lines that cannot be read: 3, 4", "messages without a line: 2.b.h:2,S"], [1, 3, 9]
        ),
        ("3 V%% N4\n2 :2.b.h\n1 :1.a.h\n3 :3.c.h\n", ["lines out of order: 3"], [1, 2, 3]),
        (
            "3 V%% N4\n1 :1.a.h\n2 :2.b.h\n2 :3.c.h\n",
            ["UIDs twice: 1", "messages without a line: 3.c.h:2,S"], [1, 2, 4]
        ),
        ("3 V%% N5\n1 :1.a.h\n2 :2.b.h\n3 :3.c.h\n4 :1.a.h\n", ["messages twice: 1.a.h"], [2, 3, 4]),
        ("3 V%% N7\n1 :1.a.h\n3 :3.c.h\n", ["messages without a line: 2.b.h:2,S"], [1, 3, 7]),
        (
            "3 V%% N7\n1 :1.a.h\n2 :2.b.h\n3 :3.c.h\n4 :4.d.h\n6 :6.f.h\n",
            ["lines without a message: 4.d.h, 6.f.h"], [1, 2, 3]
        ),
        ("1 %% 4\n1 1.a.h\n2 2.b.h\n3 3.c.h\n", ["is of version 1"], [1, 2, 3]),
    ]

    @Test(
        "what is wrong with a list of UIDs is said, and mended with its UIDVALIDITY", arguments: lists.indices
    )
    func uidLists(_ row: Int) throws {
        let (text, found, uids) = Self.lists[row]
        let validity = try list().validity
        let bad = text.replacing("%%", with: "\(validity)")
        try replace("dovecot-uidlist", bad)
        let lines = check(dry: true)
        #expect(lines.count == found.count)
        for words in found { #expect(lines.contains { $0.hasPrefix("dovecot-uidlist: \(words) (") }) }
        #expect(try place.read("dovecot-uidlist") == bad)
        let mended = check()
        #expect(mended.count == found.count)
        for words in found {
            #expect(
                mended.contains { $0.hasPrefix("dovecot-uidlist: \(words): ") && !$0.hasSuffix(" mended") })
        }
        #expect(check() == [])
        let list = try list()
        #expect(list.validity == validity && list.entries.map(\.uid) == uids && list.isSound)
    }

    @Test(
        "a list that says nothing is made anew, with another UIDVALIDITY",
        arguments: [nil, "", "3 V0 N1\n", "nonsense\n1 :1.a.h\n"])
    func lostList(_ text: String?) throws {
        let validity = try list().validity
        _ = try Directory(place.path).removeIfPresent("dovecot-uidlist")
        if let text { try place.write("dovecot-uidlist", text) }
        let what = text == nil ? "is missing" : "has a first line that cannot be read"
        let remedy = text == nil ? "made, with a new UIDVALIDITY" : "made anew, with a new UIDVALIDITY"
        #expect(check(dry: true) == ["dovecot-uidlist: \(what) (\(remedy))"])
        #expect(try place.read("dovecot-uidlist") == text)
        #expect(check() == ["dovecot-uidlist: \(what): \(remedy)"])
        #expect(try check() == [] && list().validity > validity && list().entries.map(\.uid) == [1, 2, 3])
    }

    @Test(
        "directories that are missing are made again, of which INBOX may lack all",
        arguments: [["tmp"], ["new", "tmp"], ["cur", "new", "tmp"]])
    func directories(_ missing: [String]) throws {
        let validity = try list().validity
        for half in missing { place.run("rm", "-r", place.path + half) }
        let dry = check(dry: true)
        for half in missing { #expect(dry.contains("\(half): is missing (made again)")) }
        #expect(try Directory(place.path).names().filter { missing.contains($0) } == [])
        let lines = check()
        for half in missing { #expect(lines.contains("\(half): is missing: made again")) }
        #expect(try check() == [] && list().validity == validity)
    }

    @Test("two files with one base become two; two names of one file are one")
    func twins() throws {
        let validity = try list().validity
        try place.write("cur/1.a.h:2,F", "another")
        place.run("ln", place.path + "cur/2.b.h:2,S", place.path + "cur/2.b.h:2,")
        #expect(check(dry: true) == [": files that have another's name: 1.a.h:2,S (renamed)"])
        #expect(check() == [": files that have another's name: 1.a.h:2,S: renamed"])
        #expect(
            try check() == [] && list().validity == validity && list().entries.map(\.uid) == [1, 2, 3, 4])
    }

    @Test("what is no plain file is left to the owner; a size that is not the file's is said, and no more")
    func strange() throws {
        place.run("ln", "-s", "/etc/passwd", place.path + "cur/5.e.h:2,")
        place.run("mkfifo", place.path + "new/6.f.h")
        place.run("mkdir", place.path + "cur/.hidden")
        try place.write("new/7.g.h,S=5", "123")
        try place.write("new/8.h.h,S=3", "123")
        let lines = [
            "new: things that are no plain files: 6.f.h left",
            "cur: things that are no plain files: 5.e.h:2, left",
            ": names that do not say the file's size: 7.g.h,S=5 harmless",
        ]
        #expect(check(dry: true) == lines && check() == lines)
        place.run("rm", "-r", place.path + "tmp")
        try place.write("tmp", "")
        #expect(check() == ["tmp: is no directory left"])
    }

    @Test(
        "keywords: bad lines and numbers twice go, a name twice as far as no message needs it; letters without a name stay"
    )
    func keywords() throws {
        try place.write("dovecot-keywords", "0 $Old\n0 $Junk\nx y\n1 one\n36 far\n2 ONE\n3 one\n")
        place.run("mv", place.path + "cur/1.a.h:2,S", place.path + "cur/1.a.h:2,Sacz")
        let dry = check(dry: true)
        let file = "dovecot-keywords: "
        #expect(
            dry == [
                file + "lines that cannot be read: 3, 5 (removed)",
                file + "lines with a number that a later one has: 1 (removed)",
                file + "names twice, under numbers that no message has: 3 (removed)",
                file + "names twice, under numbers that messages have: 2 left",
                ": keywords of messages, by number, that have no name: 25 harmless",
            ])
        #expect(check().count == 5)
        #expect(try place.read("dovecot-keywords") == "0 $Junk\n1 one\n2 ONE\n")
        #expect(check() == Array(dry.suffix(2)))
        #expect(try place.read("cur/1.a.h:2,Sacz") != nil)
    }

    @Test(
        "subscriptions: bad lines and names twice go, names of no mailbox stay; bad lines of the table of UIDVALIDITYs go"
    )
    func beside() throws {
        let tree = try FolderTree(place.path)
        try tree.create(Array("A".utf8))
        let validity = try tree.folder(Array("A".utf8), readOnly: false).uidValidity
        try place.write("subscriptions", "A\nbad\u{1}\nGone\nA\nINBOX\n")
        let table = try #require(try place.read(".relais-uids"))
        try replace(".relais-uids", table + "7 x\n1 2\n")
        let (path, first) = ("subscriptions: ", table.split(separator: "\n").count + 1)
        #expect(
            check(dry: true) == [
                ".relais-uids: lines that cannot be read: \(first), \(first + 1) (removed)",
                path + "lines that are no names: bad\\x01 (removed)", path + "names twice: A (removed once)",
                path + "names of no mailbox: Gone harmless",
            ])
        #expect(try place.read("subscriptions")?.count == 20)
        #expect(check().count == 4)
        #expect(try place.read("subscriptions") == "A\nGone\nINBOX\n" && place.read(".relais-uids") == table)
        #expect(check() == [path + "names of no mailbox: Gone harmless"])
        #expect(try tree.folder(Array("A".utf8), readOnly: true).uidValidity == validity)
    }

    @Test("what crashes leave goes: rests of a mailbox that was removed, old files in tmp, locks of nobody")
    func leftovers() throws {
        let validity = try list().validity
        place.run("mkdir", "-p", place.path + "..relais-gone.17.4/cur")
        try place.write("..relais-gone.17.4/cur/1.a.h", "x")
        try place.write("tmp/9.x.h", "x")
        for name in ["dovecot-uidlist.lock", "subscriptions.lock"] {
            try place.write(name, "1:\(Host.bareName)\n")
            place.run("touch", "-d", "2020-01-01", place.path + name)
        }
        let later = Time.now() + .seconds(36 * 3600 + 60)
        #expect(!check(dry: true).contains { $0.hasPrefix("tmp:") })
        #expect(
            check(dry: true, now: later) == [
                ": rests of mailboxes that were removed: ..relais-gone.17.4 (removed)",
                "dovecot-uidlist.lock: a lock that nobody holds (removed)",
                "tmp: files older than 36 hours: 9.x.h (removed)",
                "subscriptions.lock: a lock that nobody holds (removed)",
            ])
        #expect(try place.read("tmp/9.x.h") == "x" && place.read("dovecot-uidlist.lock") != nil)
        #expect(check(now: later).allSatisfy { $0.hasSuffix(": removed") })
        #expect(check(now: later) == [])
        #expect(try list().validity == validity && place.read("tmp/9.x.h") == nil)
    }

    @Test("each folder is checked; what could not be mended is said to be so")
    func folders() throws {
        let tree = try FolderTree(place.path)
        try tree.create(Array("Sent".utf8))
        _ = try tree.folder(Array("Sent".utf8), readOnly: false)
        try place.write(".Sent/cur/1.x.h:2,", "x")
        place.run("rm", "-r", place.path + ".Sent/tmp")
        let lines = [
            ".Sent/tmp: is missing: made again",
            ".Sent/dovecot-uidlist: messages without a line: 1.x.h:2,: given UIDs",
        ]
        #expect(check() == lines && check() == [])
        try place.write(".Sent/dovecot-keywords", "no line\n")
        place.run("mkdir", place.path + ".Sent/dovecot-keywords.tmp")
        #expect(check() == [".Sent/dovecot-keywords: lines that cannot be read: 1: not mended"])
    }

    // MARK: Mboxes

    private func checkMboxes(dry: Bool = false) -> [String] {
        var lines: [String] = []
        let check = StoreCheck(isDry: dry) { finding, verdict in
            lines.append("\(finding.path.replacing(place.path, with: "")): \(finding.what) \(verdict)")
        }
        #expect(check.checkMboxes(inbox: place.path + "inbox", folders: place.path + "mail/") == 3)
        return lines
    }

    @Test(
        "mboxes: what is none is left; UIDs that are missing or out of order are given, those of new mail later"
    )
    func mboxes() throws {
        func message(_ number: Int, _ fields: String) -> String {
            "From s@example Thu Jan  1 00:00:0\(number) 1970\nSubject: \(number)\n\(fields)\nbody\n\n"
        }
        let base = "X-IMAPbase: 77 0000000009\n"
        try place.write(
            "inbox",
            message(1, base + "X-UID: 3\nStatus: O\n") + message(2, "X-UID: 2\nStatus: O\n")
                + message(3, "Status: O\n") + message(4, "X-UID: 5\n") + message(5, ""))
        #expect(checkMboxesWithFolders(dry: true).count == 0)
        place.run("mkdir", "-p", place.path + "mail/.imap")
        try place.write("mail/notes", "no mbox\n")
        try place.write("mail/sent", message(1, base + "X-UID: 9\nStatus: O\n") + message(2, ""))
        try place.write("mail/.imap/.relais-uids", "77 10 sent\nwhat\n")
        try place.write("inbox.lock", "x")
        place.run("touch", "-d", "2020-01-01", place.path + "inbox.lock")
        let dry = checkMboxes(dry: true)
        #expect(dry.count == 5)
        for words in [
            "mail/.imap/.relais-uids: lines that cannot be read: 2 wouldBe",
            "inbox.lock: a lock that nobody holds wouldBe",
            "inbox: messages without a UID: 3 wouldBe",
            "inbox: messages with a UID that cannot be theirs: 2 wouldBe",
            "mail/notes: is no mbox left",
        ] { #expect(dry.contains { $0.hasPrefix(words) }) }
        #expect(try place.read("inbox")?.contains("X-UID: 2\n") == true)
        let lines = checkMboxes()
        #expect(lines.count == 5 && lines.filter { $0.contains(" mended") }.count == 4)
        #expect(checkMboxes() == ["mail/notes: is no mbox left"])
        let text = try #require(try place.read("inbox"))
        #expect(
            text.contains("X-IMAPbase: 77 ") && text.contains("X-UID: 3\n") && !text.contains("X-UID: 2\n"))
        #expect(try place.read("mail/notes") == "no mbox\n")
    }

    private func checkMboxesWithFolders(dry: Bool) -> [String] {
        var lines: [String] = []
        let check = StoreCheck(isDry: dry) { finding, _ in lines.append(finding.what) }
        #expect(check.checkMboxes(inbox: place.path + "none", folders: place.path + "mail/") == 0)
        #expect((try? Path.status(place.path + "mail")) == .some(nil))
        return lines
    }
}
