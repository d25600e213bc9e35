import Testing
import Unix

@testable import MailStore

/// What a look makes of files that it saw twice, or under names that are no longer there.
@Suite struct MaildirScanTests {
    private func file(_ half: MaildirFile.Half, _ name: String) -> MaildirFile {
        MaildirFile(half, Array(name.utf8))
    }

    @Test("a file that was seen twice under one name is one")
    func twice() throws {
        let maildir = try TemporaryMaildir()
        try maildir.write("cur/1.a.h:2,S", "a")
        var scan = MaildirScan([file(.cur, "1.a.h:2,S"), file(.cur, "1.a.h:2,S")])
        #expect(scan.files.count == 1 && scan.strays.isEmpty)
        try scan.mend(try Maildir(maildir.path))
        #expect(try maildir.read("cur/1.a.h:2,S") == "a")
    }

    @Test("a file that was seen under two names has the one that is there, in whatever order they were seen")
    func renamed() throws {
        for there in ["1.a.h:2,", "1.a.h:2,S"] {
            let found = [file(.cur, "1.a.h:2,"), file(.cur, "1.a.h:2,S")]
            for found in [found, found.reversed()] {
                let maildir = try TemporaryMaildir()
                try maildir.write("cur/\(there)", "a")
                var scan = MaildirScan(found)
                try scan.mend(try Maildir(maildir.path))
                #expect(scan.files == [file(.cur, there)] && scan.strays.isEmpty)
                #expect(try maildir.read("cur/\(there)") == "a")
            }
        }
    }

    @Test("of two messages under one name, what stands in cur keeps it, and what is new gets another")
    func twoMessages() throws {
        let found = [file(.new, "1.a.h"), file(.cur, "1.a.h:2,")]
        for found in [found, found.reversed()] {
            let maildir = try TemporaryMaildir()
            try maildir.write("new/1.a.h", "new")
            try maildir.write("cur/1.a.h:2,", "seen")
            var scan = MaildirScan(found)
            #expect(scan[file(.cur, "1.a.h").base]?.half == .cur)
            try scan.mend(try Maildir(maildir.path))
            #expect(scan.files.count == 2 && scan.strays.isEmpty)
            #expect(try maildir.read("cur/1.a.h:2,") == "seen" && maildir.read("new/1.a.h") == nil)
        }
    }
    @Test("of two names of one file one goes, once whoever may be renaming it has had its time")
    func links() throws {
        let maildir = try TemporaryMaildir()
        try maildir.write("cur/1.a.h:2,S", "a")
        let cur = try Directory(maildir.path + "cur")
        try cur.link("1.a.h:2,S", to: cur, as: "1.a.h:2,")
        let files = try Maildir(maildir.path)
        var scan = try MaildirScan(files)
        try scan.mend(files)
        #expect(scan.files.count == 1 && scan.strays.count == 1)
        #expect(try cur.names().count == 2)
        try scan.mend(files, at: .now() + .seconds(31))
        #expect(scan.strays.isEmpty && scan.files == [file(.cur, "1.a.h:2,")])
        #expect(try cur.names() == ["1.a.h:2,"] && maildir.read("cur/1.a.h:2,") == "a")
    }
}
