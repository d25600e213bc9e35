import Bytes
import Mail
import Testing
import Unix

@testable import MailStore

@Suite struct FolderTests {
    private func text(_ folder: Folder, _ index: Int) throws -> String? {
        guard let file = try folder.open(at: index) else { return nil }
        return String(decoding: try file.readAll(limit: 1000) ?? [], as: UTF8.self)
    }

    @Test("messages get UIDs in the order of their arrival, and keep them over sessions")
    func uids() throws {
        let maildir = try TemporaryMaildir()
        for (name, text) in [("new/20.b.h", "b"), ("new/3.a.h", "a"), ("cur/20.a.h:2,S", "c")] {
            try maildir.write(name, text)
        }
        let first = try maildir.folder()
        #expect(first.list.messages.map(\.uid) == [1, 2, 3])
        #expect(try (0..<3).map { try text(first, $0) } == ["a", "c", "b"])
        #expect(first.list.messages.map(\.isRecent) == [true, false, true])
        #expect(try first.expunge([0], marked: false) == [0])
        try maildir.write("new/30.d.h", "d")
        let second = try maildir.folder()
        #expect(second.list.messages.map(\.uid) == [2, 3, 4] && second.uidNext == 5)
        #expect(
            second.uidValidity == first.uidValidity
                && second.list.messages.map(\.isRecent) == [false, false, true])
    }

    @Test("a session sees what another did: deliveries, flags, keywords, removals")
    func otherSession() throws {
        let maildir = try TemporaryMaildir()
        for name in ["1.a.h", "2.b.h", "3.c.h"] { try maildir.write("cur/\(name):2,", name) }
        let (one, other) = (try maildir.folder(), try maildir.folder())
        #expect(try one.refresh(.now).isEmpty)
        let junk = try #require(try other.flags(of: [Array("$Junk".utf8)]))
        let flags = junk.union([.seen, .flagged])
        #expect(try other.change([2], by: FlagChange(adding: flags)) == [])
        #expect(try other.expunge([0], marked: false) == [0])
        try maildir.write("new/4.d.h", "d")
        let changes = try one.refresh(.now)
        #expect(changes == MessageList.Changes(expunged: [0], flagsChanged: [1], appended: 1))
        #expect(one.list.messages.map(\.uid) == [2, 3, 4] && one.list.messages[1].flags == flags)
        #expect(one.keywords.names(of: one.list.messages[1].flags) == [Array("$Junk".utf8)])
    }

    @Test("a list of keywords never bears the second of the one before it: Dovecot would not read it")
    func keywordSeconds() throws {
        let maildir = try TemporaryMaildir()
        try maildir.write("cur/1.a.h:2,", "a")
        let folder = try maildir.folder()
        var last: Int64 = 0
        for name in ["one", "two", "three"] {
            _ = try folder.flags(of: [Array(name.utf8)])
            let status = try #require(try Path.status(maildir.path + "dovecot-keywords"))
            #expect(status.modified.seconds > last, "\(name)")
            last = status.modified.seconds
        }
    }

    @Test("a message that another session renamed is found; one that it removed is gone")
    func races() throws {
        let maildir = try TemporaryMaildir()
        try maildir.write("cur/1.a.h:2,", "a")
        try maildir.write("cur/2.b.h:2,", "b")
        let folder = try maildir.folder()
        maildir.run("mv", maildir.path + "cur/1.a.h:2,", maildir.path + "cur/1.a.h:2,RS")
        maildir.run("rm", maildir.path + "cur/2.b.h:2,")
        #expect(try text(folder, 0) == "a" && text(folder, 1) == nil)
        #expect(try folder.change([1], by: FlagChange(adding: .seen)) == [1])
        #expect(
            try folder.refresh(.now) == MessageList.Changes(expunged: [1], flagsChanged: [0], appended: 0))
    }

    @Test("another session's UIDs outlive a session whose scan is older")
    func olderScan() throws {
        let maildir = try TemporaryMaildir()
        try maildir.write("cur/1.a.h:2,", "a")
        let one = try maildir.folder()
        try maildir.write("cur/5.e.h:2,", "e")
        #expect(try maildir.folder().list.messages.map(\.uid) == [1, 2])
        try maildir.write("cur/3.c.h:2,", "c")
        _ = try one.refresh(.now)
        #expect(one.list.messages.map(\.uid) == [1, 2, 3])
        #expect(try text(one, 1) == "e" && text(one, 2) == "c")
    }

    @Test(
        "a damaged list is made anew with another UIDVALIDITY (T46)",
        arguments: ["", "garbage\n", "3 V1 N\n", "\0\0\0", "2 V1 N2\n"])
    func damagedList(bytes: String) throws {
        let maildir = try TemporaryMaildir()
        try maildir.write("cur/1.a.h:2,", "a")
        let folder = try maildir.folder()
        let validity = folder.uidValidity
        maildir.run("rm", maildir.path + "dovecot-uidlist")
        try maildir.write("dovecot-uidlist", bytes)
        let changes = try folder.refresh(.now)
        #expect(changes.expunged == [0] && changes.appended == 1)
        #expect(folder.uidValidity > validity && folder.list.messages.map(\.uid) == [1])
        #expect(try maildir.folder().uidValidity == folder.uidValidity)
    }

    @Test(
        "links, pipes and directories are no messages and are never opened (T54)", arguments: ["new", "cur"])
    func strangeFiles(half: String) throws {
        let maildir = try TemporaryMaildir()
        let place = maildir.path + half + "/"
        maildir.run("ln", "-s", "/etc/passwd", place + "1.link.h")
        maildir.run("ln", "-s", "nowhere", place + "2.broken.h")
        _ = try? ChildProcess.output(of: "/usr/bin/mkfifo", arguments: ["mkfifo", place + "3.fifo.h"])
        maildir.run("mkdir", place + "4.directory.h")
        try maildir.write(half + "/.hidden", "x")
        try maildir.write(half + "/5.real.h", "real")
        let folder = try maildir.folder()
        #expect(folder.list.messages.count == 1)
        #expect(try text(folder, 0) == "real")
        let files = try Maildir(maildir.path)
        for name in ["1.link.h", "2.broken.h", "3.fifo.h", "4.directory.h", "6.none.h"] {
            let entry = MaildirFile(half == "new" ? .new : .cur, Array(name.utf8))
            let isOpen = try files.open(entry) != nil
            #expect(!isOpen, "\(name)")
        }
    }

    @Test("read-only, nothing moves from new to cur")
    func readOnly() throws {
        let maildir = try TemporaryMaildir()
        try maildir.write("new/1.a.h", "a")
        #expect(try maildir.folder(readOnly: true).list.messages.map(\.isRecent) == [true])
        #expect(try maildir.read("new/1.a.h") == "a")
        #expect(try maildir.folder().list.messages.map(\.isRecent) == [true])
        #expect(try maildir.read("cur/1.a.h:2,") == "a")
    }

    @Test(
        "names of folders lead into the Maildir and nowhere else (T35)",
        arguments: [
            "", ".", "..", "../x", "/", "/etc", "a/b", "a/../b", "~", "~root", "~/x", "a..b", ".a", "a.",
            "a.\0", "a\nb", "\u{7F}",
            "a.../x", "é", String(repeating: "a", count: 255), "..a", "a..", "\u{1}", "a/", "./a", "-/..",
            "%2e%2e/", "x/cur", "\\../", "&AC4ALgAv-", "Foo & Bar", "&A",
        ])
    func badNames(name: String) throws {
        let maildir = try TemporaryMaildir()
        let tree = try FolderTree(maildir.path)
        let name = Array(name.utf8)
        #expect(throws: FolderTree.Failure.badName) { try tree.create(name) }
        #expect(throws: FolderTree.Failure.badName) { try tree.delete(name) }
        #expect(throws: FolderTree.Failure.badName) { try tree.setSubscribed(name, true) }
        try tree.create(Array("a".utf8))
        #expect(throws: FolderTree.Failure.badName) { try tree.rename(Array("a".utf8), to: name) }
        #expect(try tree.names() == [Array("a".utf8)])
    }

    @Test("what is no mailbox, or cannot be called by a name, is not listed")
    func others() throws {
        let maildir = try TemporaryMaildir()
        let tree = try FolderTree(maildir.path)
        let root = try Directory(maildir.path)
        for name in [".cache", ".half", ".Foo & Bar", ".J\u{FC}rgen", ".a..b"] {
            try root.makeDirectory(name, mode: 0o700)
        }
        for name in [".half", ".Foo & Bar", ".J\u{FC}rgen", ".a..b"] {
            try Directory(maildir.path + name).makeDirectory("cur", mode: 0o700)
        }
        #expect(try tree.names() == [Array("half".utf8)])
    }

    @Test(
        "names with strange letters that are harmless stay in the Maildir",
        arguments: ["&-AC4ALgAv-", "cur", "new", "-rf", "a b", "%", "*"])
    func harmlessNames(name: String) throws {
        let maildir = try TemporaryMaildir()
        let tree = try FolderTree(maildir.path)
        try tree.create(Array(name.utf8))
        #expect(try tree.directory(of: Array(name.utf8)) == maildir.path + "." + name + "/")
        #expect(try Path.status(maildir.path + "." + name + "/cur")?.kind == .directory)
        try tree.delete(Array(name.utf8))
        #expect(try tree.names().isEmpty)
    }

    @Test("folders are made, renamed with their children, removed without them; subscriptions stay")
    func folders() throws {
        let maildir = try TemporaryMaildir()
        let tree = try FolderTree(maildir.path)
        func names() throws -> [String] { try tree.names().map { String(decoding: $0, as: UTF8.self) } }
        for name in ["a", "a.b", "a.b.c", "ab"] { try tree.create(Array(name.utf8)) }
        #expect(throws: FolderTree.Failure.exists) { try tree.create(Array("a".utf8)) }
        #expect(throws: FolderTree.Failure.exists) { try tree.create(Array("inbox".utf8)) }
        try tree.rename(Array("a".utf8), to: Array("x.y".utf8))
        #expect(try names() == ["ab", "x.y", "x.y.b", "x.y.b.c"])
        try tree.delete(Array("x.y.b".utf8))
        #expect(try names() == ["ab", "x.y", "x.y.b.c"])
        #expect(throws: FolderTree.Failure.missing) { try tree.delete(Array("x.y.b".utf8)) }
        #expect(throws: FolderTree.Failure.missing) { try tree.rename(Array("no".utf8), to: Array("n".utf8)) }
        try tree.setSubscribed(Array("ab".utf8), true)
        try tree.setSubscribed(Array("gone".utf8), true)
        try tree.setSubscribed(Array("ab".utf8), true)
        try tree.setSubscribed(Array("gone".utf8), false)
        #expect(try FolderTree(maildir.path).subscriptions() == [Array("ab".utf8)])
    }

    #if DEBUG
        @Test(
            "RENAME takes no other's place, where the system has no call that promises it as well",
            arguments: [false, true])
        func renaming(refused: Bool) throws {
            let maildir = try TemporaryMaildir()
            let tree = try FolderTree(maildir.path)
            let mboxes = try MboxTree(inbox: maildir.path + "inbox", folders: maildir.path + "mail/")
            SystemCall.refuseExtensions(refused)
            defer { SystemCall.refuseExtensions(false) }
            for name in ["a", "a.b", "c"] { try tree.create(Array(name.utf8)) }
            try maildir.write(".a/cur/1.a.h:2,S", "a")
            try maildir.write(".a.b/cur/1.b.h:2,S", "b")
            let validity = try tree.folder(Array("a".utf8), readOnly: false).uidValidity
            #expect(throws: FolderTree.Failure.exists) {
                try tree.rename(Array("a".utf8), to: Array("c".utf8))
            }
            // Nor a file's of the name, nor in part.
            try maildir.write(".d.b", "in the way")
            #expect(throws: FolderTree.Failure.self) {
                try tree.rename(Array("a.b".utf8), to: Array("d.b".utf8))
            }
            #expect(try maildir.read(".d.b") == "in the way" && maildir.read(".a.b/cur/1.b.h:2,S") == "b")
            try tree.rename(Array("a".utf8), to: Array("x".utf8))
            #expect(try tree.names() == ["c", "x", "x.b"].map { Array($0.utf8) })
            #expect(try maildir.read(".x/cur/1.a.h:2,S") == "a" && maildir.read(".x.b/cur/1.b.h:2,S") == "b")
            #expect(try tree.folder(Array("x".utf8), readOnly: false).uidValidity == validity)

            for name in ["a", "b", "dir/c"] { try mboxes.create(Array(name.utf8)) }
            try maildir.write("mail/a", "From a Thu Jan  1 00:00:00 1970\n\na\n")
            for taken in ["b", "dir"] {
                #expect(throws: FolderTree.Failure.exists) {
                    try mboxes.rename(Array("a".utf8), to: Array(taken.utf8))
                }
            }
            try mboxes.rename(Array("a".utf8), to: Array("dir/d".utf8))
            try mboxes.rename(Array("dir".utf8), to: Array("e/f".utf8))
            #expect(try mboxes.names() == ["b", "e/f/c", "e/f/d"].map { Array($0.utf8) })
            #expect(try maildir.read("mail/e/f/d") == "From a Thu Jan  1 00:00:00 1970\n\na\n")
        }
    #endif

    @Test("a folder that is a link is not followed")
    func linkedFolder() throws {
        let (maildir, other) = (try TemporaryMaildir(), try TemporaryMaildir())
        try other.write("cur/1.a.h:2,", "a")
        maildir.run("ln", "-s", String(other.path.dropLast()), maildir.path + ".link")
        let tree = try FolderTree(maildir.path)
        #expect(throws: FolderTree.Failure.self) { try tree.delete(Array("link".utf8)) }
        #expect(try other.read("cur/1.a.h:2,") == "a")
    }
}
