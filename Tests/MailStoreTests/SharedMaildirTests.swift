import Bytes
import Mail
import Testing
import Unix

@testable import MailStore

/// A Maildir to which other programs, and other sessions, do what they do.
@Suite struct SharedMaildirTests {
    private let maildir: TemporaryMaildir

    init() throws { maildir = try TemporaryMaildir() }

    private func names(_ half: String = "cur") throws -> [String] {
        try Directory(maildir.path + half).names().sorted()
    }

    private func uids(_ folder: Folder) -> [UInt32] { folder.list.messages.map(\.uid) }

    @Test("flags are added to and taken from those of now; letters without a meaning stay")
    func differences() throws {
        try maildir.write("cur/1.a.h:2,PS", "a")
        try maildir.write("cur/2.b.h:2,Sxz9", "b")
        let (one, other) = (try maildir.folder(), try maildir.folder())
        #expect(try other.change([0, 1], by: FlagChange(adding: .flagged)).isEmpty)
        maildir.run("mv", maildir.path + "cur/1.a.h:2,FPS", maildir.path + "cur/1.a.h:2,FPRS")
        #expect(try one.change([0, 1], by: FlagChange(adding: .draft, removing: .seen)).isEmpty)
        #expect(try names() == ["1.a.h:2,DFPR", "2.b.h:2,9DFxz"])
        #expect(one.list[0].flags.contains([.answered, .draft, .flagged]))
        // What is so already in our view need not be so on disk.
        #expect(try other.change([0], by: FlagChange(removing: .draft)).isEmpty)
        #expect(try one.change([0], by: FlagChange(adding: .draft)).isEmpty)
        #expect(try names()[0] == "1.a.h:2,DFPR")
    }

    @Test("a message that another session undeleted stays; one that it deleted goes")
    func undeleted() throws {
        for name in ["1.a.h", "2.b.h"] { try maildir.write("cur/\(name):2,T", name) }
        try maildir.write("cur/3.c.h:2,", "c")
        let one = try maildir.folder()
        maildir.run("mv", maildir.path + "cur/1.a.h:2,T", maildir.path + "cur/1.a.h:2,")
        maildir.run("mv", maildir.path + "cur/3.c.h:2,", maildir.path + "cur/3.c.h:2,T")
        #expect(try one.expunge([0, 1, 2], marked: true) == [2, 1])
        #expect(try names() == ["1.a.h:2,"] && uids(one) == [1])
        maildir.run("rm", maildir.path + "cur/1.a.h:2,")
        #expect(try one.expunge([0], marked: true) == [0])
    }

    @Test("what is gone keeps its place in the list until the client may hear of it")
    func phantoms() throws {
        for name in ["1.a.h", "2.b.h"] { try maildir.write("cur/\(name):2,", name) }
        let folder = try maildir.folder()
        maildir.run("rm", maildir.path + "cur/1.a.h:2,")
        try maildir.write("cur/3.c.h:2,", "c")
        #expect(try folder.refresh(.now, expunges: false) == MessageList.Changes(appended: 1))
        #expect(uids(folder) == [1, 2, 3])
        let file = try folder.open(at: 0) == nil
        #expect(file)
        #expect(try folder.change([0], by: FlagChange(adding: .seen)) == [0])
        #expect(try folder.refresh(.ifChanged) == MessageList.Changes(expunged: [0]))
        #expect(uids(folder) == [2, 3])
    }

    @Test("of two files with one base one gets another, durably; each keeps its UID", arguments: [0, 1, 2])
    func twins(kind: Int) throws {
        let (one, two) = [
            ("cur/1.a.h:2,S", "new/1.a.h"), ("cur/1.a.h:2,", "cur/1.a.h:2,S"),
            ("cur/1.a.h:2:2,S", "cur/1.a.h:2,"),
        ][kind]
        try maildir.write(one, "one")
        try maildir.write(two, "two")
        let folder = try maildir.folder()
        #expect(uids(folder) == [1, 2])
        #expect(try folder.refresh(.now).isEmpty)
        let texts = try (0..<2).map { index in
            String(decoding: try folder.open(at: index)?.readAll(limit: 9) ?? [], as: UTF8.self)
        }
        #expect(Set(texts) == ["one", "two"])
        #expect(try folder.expunge([0], marked: false) == [0])
        let later = try maildir.folder()
        #expect(uids(later) == [2])
        #expect(try String(decoding: later.open(at: 0)?.readAll(limit: 9) ?? [], as: UTF8.self) == texts[1])
    }

    @Test("two names of one file are one message, and go together")
    func links() throws {
        try maildir.write("cur/1.a.h:2,", "a")
        maildir.run("ln", maildir.path + "cur/1.a.h:2,", maildir.path + "new/1.a.h")
        let folder = try maildir.folder(readOnly: true)
        #expect(uids(folder) == [1])
        #expect(try folder.expunge([0], marked: false) == [0])
        #expect(try names().isEmpty && names("new").isEmpty)
    }

    @Test("a file that stands twice in the list is one message")
    func listedTwice() throws {
        for name in ["1.a.h", "2.b.h"] { try maildir.write("cur/\(name):2,", name) }
        try maildir.write("dovecot-uidlist", "3 V7 N9\n1 :1.a.h\n2 :2.b.h\n3 :1.a.h\n")
        let folder = try maildir.folder()
        #expect(uids(folder) == [2, 3] && folder.uidValidity == 7 && folder.uidNext == 9)
        #expect(try maildir.read("dovecot-uidlist") == "3 V7 N9\n2 :2.b.h\n3 :1.a.h\n")
    }

    @Test(
        "a directory that is missing is made again; three that are missing are no Maildir",
        arguments: Maildir.halves)
    func missingDirectory(name: String) throws {
        maildir.run("rmdir", maildir.path + name)
        #expect(try maildir.folder().list.count == 0)
        #expect(try Path.status(maildir.path + name)?.kind == .directory)
        for name in Maildir.halves { maildir.run("rmdir", maildir.path + name) }
        #expect(throws: SystemError("open", .noEntry, maildir.path)) { _ = try Maildir(maildir.path) }
    }

    @Test("a folder that is removed while it is open is missing")
    func removed() throws {
        let tree = try FolderTree(maildir.path)
        try tree.create(Array("a".utf8))
        let folder = try tree.folder(Array("a".utf8), readOnly: false)
        try tree.delete(Array("a".utf8))
        #expect(throws: SystemError.self) { _ = try folder.refresh(.ifChanged) }
    }

    @Test("a UIDVALIDITY is given once, whatever is removed, made and renamed")
    func validities() throws {
        let tree = try FolderTree(maildir.path)
        let (a, b) = (Array("a".utf8), Array("b".utf8))
        func validity(_ name: [UInt8]) throws -> UInt32 { try tree.folder(name, readOnly: false).uidValidity }
        var given: [UInt32] = []
        for _ in 0..<3 {
            try tree.create(a)
            given.append(try validity(a))
            try tree.delete(a)
        }
        try tree.create(b)
        try tree.create(a)
        try maildir.write(".b/cur/1.x.h:2,", "x")
        given += [try validity(b), try validity(a)]
        #expect(given == Array(Set(given)).sorted())
        // `a` gets the older messages of `b`: nobody is to take them for what `a` was.
        try tree.delete(a)
        try tree.rename(b, to: a)
        #expect(try validity(a) > given[4])
        #expect(try tree.folder(a, readOnly: false).list.messages.map(\.uid) == [1])
        try tree.create(b)
        #expect(try validity(b) > given[4])
    }

    @Test("a lock of a process that is no more is seen at once", arguments: ["4194304:HOST\n", "4194304\n"])
    func deadLock(text: String) throws {
        try maildir.write("cur/1.a.h:2,", "a")
        try maildir.write("dovecot-uidlist.lock", text.replacing("HOST", with: Host.bareName))
        #expect(uids(try maildir.folder()) == [1])
    }

    @Test("names need not be text")
    func bytes() throws {
        let directory = OpenDirectory(try Directory(maildir.path + "cur"))
        try maildir.write("cur/1.x", "a")
        let strange: [UInt8] = Array("1.h".utf8) + [0xF6] + Array("st:2,S".utf8)
        try directory.directory.rename(Array("1.x".utf8), to: directory.directory, as: strange)
        let folder = try maildir.folder()
        #expect(uids(folder) == [1])
        #expect(try folder.change([0], by: FlagChange(adding: .flagged)).isEmpty)
        #expect(try maildir.folder().list[0].flags == [.seen, .flagged] && folder.size(at: 0) == 1)
        let drop = try POP3Maildir(maildir.path)
        try drop.look()
        #expect(drop.messages.count == 1 && drop.messages[0].uniqueID.first == .ascii("h"))
        #expect(drop.remove([0]) == 0)
        #expect(try names().isEmpty)
    }

    @Test(
        "the file's own size decides, whatever its name says",
        arguments: ["S=1,W=1", "S=4,W=99", "S=4", "W=4", "S=4,W=6", "S=4,W=5"])
    func sizes(said: String) throws {
        try maildir.write("cur/1.a.h,\(said):2,", "a\nb\n")
        #expect(try maildir.folder().size(at: 0) == 6)
        let drop = try POP3Maildir(maildir.path)
        try drop.look()
        #expect(drop.messages.map(\.size) == [6])
    }

    @Test("UIDs are given in the order of arrival: seconds, microseconds, deliveries of a process")
    func order() throws {
        for name in ["1.M10P1Q1R1.h", "1.M9P1Q1R1.h", "1.M10P1Q0R1.h", "1.QbcdR0.relais", "1.M10P1Q10R1.h"] {
            try maildir.write("cur/\(name):2,", name)
        }
        let folder = try maildir.folder()
        let texts = try (0..<5).map {
            String(decoding: try folder.open(at: $0)?.readAll(limit: 99) ?? [], as: UTF8.self)
        }
        #expect(
            texts == ["1.QbcdR0.relais", "1.M9P1Q1R1.h", "1.M10P1Q0R1.h", "1.M10P1Q1R1.h", "1.M10P1Q10R1.h"])
    }

    @Test("a letter that has lost its name is nobody's while a message has it")
    func keywords() throws {
        try maildir.write("cur/1.a.h:2,ab", "a")
        try maildir.write("dovecot-keywords", "0 one\n")
        let folder = try maildir.folder()
        #expect(try folder.flags(of: [Array("new".utf8)]) == MessageFlags(keyword: 2))
        #expect(try maildir.read("dovecot-keywords") == "0 one\n2 new\n")
    }

    @Test("two messages that would have one unique-id get two, and keep their UIDs")
    func uniqueIDs() throws {
        for name in ["1.a.h,S=1", "1.a.h,S=2"] { try maildir.write("cur/\(name):2,", name) }
        let before = try maildir.folder()
        let drop = try POP3Maildir(maildir.path)
        try drop.look()
        let ids = drop.messages.map(\.uniqueID)
        #expect(Set(ids).count == 2)
        let again = try POP3Maildir(maildir.path)
        try again.look()
        #expect(again.messages.map(\.uniqueID) == ids)
        #expect(try before.refresh(.now).isEmpty && uids(before) == [1, 2])
        #expect(drop.remove([0]) == 0)
        let left = try POP3Maildir(maildir.path)
        try left.look()
        #expect(left.messages.map(\.uniqueID) == [ids[1]])
    }

    @Test("so do those whose names have others between them as bytes, and a third keeps its own")
    func uniqueIDsApart() throws {
        for name in ["1.a.h", "1.a.h!x", "1.a.h,S=1"] { try maildir.write("cur/\(name):2,", name) }
        let drop = try POP3Maildir(maildir.path)
        try drop.look()
        let ids = drop.messages.map { String(decoding: $0.uniqueID, as: UTF8.self) }
        #expect(Set(ids).count == 3 && ids.contains("1.a.h") && ids.contains("1.a.h!x"))
    }

    @Test("POP3 lists what came first first, as far as names say, long ones and those that begin alike too")
    func maildropOrder() throws {
        let names = ["1", "1.a", "17000000000000000001", "1700000000000000001", "170000000000000000", "9.a"]
        for name in names.reversed() { try maildir.write("cur/\(name):2,", name) }
        let drop = try POP3Maildir(maildir.path)
        try drop.look()
        #expect(drop.messages.map { String(decoding: $0.uniqueID, as: UTF8.self) } == names.sorted())
    }
}
