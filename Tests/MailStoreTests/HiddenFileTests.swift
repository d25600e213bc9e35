#if DEBUG
    import Mail
    import Testing
    import Unix

    @testable import MailStore

    /// readdir can miss a file that is being renamed: such a message is there, whatever one look says.
    @Suite struct HiddenFileTests {
        /// Runs `step` in a Maildir of three messages that a session has open; meanwhile the first one's file is away for as
        /// long as one look takes, and has another name when it comes back: whenever that begins, one look misses it, and no
        /// more than one. `isDue`: the directories say that there is something to see. `touching`: which call of the step is the
        /// first that wants the file; where it finds none, the look behind it must not, either.
        private func everywhere(
            isDue: Bool, touching: Int? = nil, _ step: (Folder) throws -> Void,
            afterwards check: (Folder) throws -> Void
        ) throws {
            let length = try callsOfOneLook()
            var (call, count) = (0, 0)
            repeat {
                call += 1
                let maildir = try TemporaryMaildir()
                for name in ["1.a.h", "2.b.h", "3.c.h"] { try maildir.write("cur/\(name):2,", name) }
                let folder = try maildir.folder()
                if isDue { try maildir.write("cur/4.d.h:2,", "d") }
                let cur = OpenDirectory(try Directory("\(maildir.path)cur"))
                let tmp = OpenDirectory(try Directory("\(maildir.path)tmp"))
                let comeBack = {
                    _ = try? tmp.directory.rename("away", to: cur.directory, as: "1.a.h:2,S")
                }
                var hasBegun = false
                let goAway = {
                    hasBegun = true
                    _ = try? cur.directory.rename("1.a.h:2,", to: tmp.directory, as: "away")
                    SystemCall.arm(.run(comeBack), at: call == touching ? length + 1 : length)
                }
                SystemCall.arm(.run(goAway), at: call)
                try step(folder)
                count = hasBegun ? call + 1 : 0
                SystemCall.arm(.none, at: 0)
                comeBack()
                try check(folder)
            } while call < count
            #expect(call > length)
        }

        private func callsOfOneLook() throws -> Int {
            let maildir = try TemporaryMaildir()
            let files = try Maildir(maildir.path)
            SystemCall.arm(.none, at: 0)
            _ = try files.files()
            return SystemCall.callCount
        }

        @Test("a message that one look misses keeps its UID")
        func looking() throws {
            try everywhere(isDue: true) { folder in
                let changes = try folder.refresh(.now)
                #expect(changes.expunged.isEmpty)
            } afterwards: { folder in
                let later = try Folder(folder.path)
                #expect(later.list.messages.map(\.uid) == [1, 2, 3, 4])
            }
        }

        @Test("a message that one look misses can be read and marked, and is not said to be gone")
        func reading() throws {
            try everywhere(isDue: false, touching: 1) { folder in
                let isThere = try folder.open(at: 0) != nil
                #expect(isThere)
            } afterwards: { _ in
            }
            // Behind a look at the times of both directories.
            try everywhere(isDue: false, touching: 3) { folder in
                let gone = try folder.change([0], by: FlagChange(adding: .flagged))
                #expect(gone == [])
            } afterwards: { folder in
                let later = try Folder(folder.path)
                #expect(later.list[0].flags.contains(.flagged))
            }
        }

        @Test(
            "a message that the first look behind its renaming misses is removed by POP3's QUIT all the same")
        func quitting() throws {
            let length = try callsOfOneLook()
            let maildir = try TemporaryMaildir()
            for name in ["1.a.h", "2.b.h"] { try maildir.write("cur/\(name):2,", name) }
            let maildrop = try POP3Maildir(maildir.path)
            try maildrop.look()
            let cur = OpenDirectory(try Directory("\(maildir.path)cur"))
            let tmp = OpenDirectory(try Directory("\(maildir.path)tmp"))
            let comeBack = {
                _ = try? tmp.directory.rename("away", to: cur.directory, as: "1.a.h:2,S")
            }
            let goAway = {
                _ = try? cur.directory.rename("1.a.h:2,", to: tmp.directory, as: "away")
                SystemCall.arm(.run(comeBack), at: length + 1)
            }
            SystemCall.arm(.run(goAway), at: 1)
            #expect(maildrop.remove([0]) == 0)
            SystemCall.arm(.none, at: 0)
            comeBack()
            #expect(try Maildir(maildir.path).files().map(\.name) == [Array("2.b.h:2,".utf8)])
        }

        @Test("a message that one look misses is gone when it is said to be expunged")
        func expunging() throws {
            try everywhere(isDue: false) { folder in
                let gone = try folder.expunge([0], marked: false)
                #expect(gone == [0])
            } afterwards: { folder in
                let later = try Folder(folder.path)
                #expect(later.list.messages.map(\.uid) == [2, 3])
            }
        }
    }
#endif
