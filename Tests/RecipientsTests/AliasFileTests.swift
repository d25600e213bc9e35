import Bytes
import Recipients
import TemporaryPlaces
import Testing
import Unix

@Suite struct AliasFileTests {
    let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    private func aliases(_ text: String) throws -> AliasFile {
        AliasFile(try directory.write("aliases", text))
    }

    @Test("an alias is found without case, the first entry counts, lines go on behind white space")
    func lookup() throws {
        let aliases = try aliases(
            """
            # aliases
            postmaster: root
            Root : bob,
                # a comment in between
            \tcarol@example.org
            "odd name: x": dave
            root: nobody
            list: :include:/etc/list, "|cat"
            last: bob
            """)
        #expect(
            try aliases.targets(of: [UInt8]("ROOT")) == [
                .address([UInt8]("bob")), .address([UInt8]("carol@example.org")),
            ])
        #expect(try aliases.targets(of: [UInt8]("odd name: x")) == [.address([UInt8]("dave"))])
        #expect(try aliases.targets(of: [UInt8]("list"))?.count == 2)
        #expect(try aliases.targets(of: [UInt8]("last")) == [.address([UInt8]("bob"))])
        for absent in ["", "roo", "roots", "#", "\u{212A}", "bob"] {
            #expect(try aliases.targets(of: Array(absent.utf8)) == nil)
        }
    }

    @Test("a file that is not there has no aliases; one that cannot be read is a failure")
    func missing() throws {
        #expect(try AliasFile(directory.path + "/none").targets(of: [UInt8]("root")) == nil)
        #expect(throws: AliasFile.Failure.self) { try AliasFile(directory.path).targets(of: [UInt8]("root")) }
    }

    @Test("a bad entry harms nobody but its own name")
    func malformed() throws {
        let aliases = try aliases(
            "no colon here\n: x\nbad: \"open\nempty:\nalso bad: bob smith x\ngood: bob\nbad: bob\n")
        #expect(try aliases.targets(of: [UInt8]("good")) == [.address([UInt8]("bob"))])
        for name in ["bad", "empty"] {
            #expect(throws: AliasFile.Failure.self) { try aliases.targets(of: Array(name.utf8)) }
        }
        let (entries, problems) = aliases.check { $0.equalsFolded("here") }
        #expect(entries == 2)
        #expect(problems.map(\.line) == [1, 2, 3, 4, 5])
    }

    @Test("a file that others may write is not followed: it says which commands run")
    func writable() throws {
        let path = try directory.write("aliases", "a: b\n", mode: 0o644)
        #expect(try AliasFile(path).targets(of: [UInt8]("a")) != nil)
        for mode: UInt32 in [0o646, 0o666, 0o602] {
            try directory.write("aliases", "a: b\n", mode: mode)
            #expect(throws: AliasFile.Failure.unsafe("can be written by everybody, and is not followed")) {
                try AliasFile(path).targets(of: [UInt8]("nobody"))
            }
            #expect(AliasFile(path).check { $0.equalsFolded("here") }.problems.map(\.line) == [0])
        }
    }

    @Test("newaliases tells what matches nothing, what is no target, and what is not there")
    func told() throws {
        let text = """
            @d.example: ann
            *: ann
            ann@: bob
            bad: ann, a;b@c
            more: ann,
              b@c d
            list: :include:/nonexistent/list
            good: "u@d.example", v@d.example.
            @here: ann
            "ann@Here.": bob
            """
        let problems = try aliases(text).check { $0.equalsFolded("here") }.problems
        #expect(problems.map(\.line) == [1, 2, 3, 4, 5, 7])
        #expect(
            problems.map(\.text) == [
                "@d.example matches no address: its domain is in neither local-domains nor virtual-domains",
                "* matches no address: @domain stands for all of one domain",
                "ann@ matches no address: its domain is in neither local-domains nor virtual-domains",
                "a;b@c in the list of bad is no target",
                "b@c d in the list of more is no target",
                "/nonexistent/list, which list includes: there is no such file",
            ])
    }

    @Test("a byte order mark is no part of the first name")
    func byteOrderMark() throws {
        let aliases = try aliases("\u{FEFF}root: ann\n\u{FEFF}bob: ann\n")
        #expect(try aliases.targets(of: [UInt8]("root")) == [.address([UInt8]("ann"))])
        #expect(try aliases.targets(of: [UInt8]("bob")) == nil)
    }

    @Test("newaliases looks into a list that an alias includes")
    func included() throws {
        for (number, (text, mode, fault)) in [
            ("a@b\n\n# c\nd, e@f\n", 0o644, nil),
            ("a@b\nBob Smith c@d\n", 0o644, "line 2: no list of targets"),
            ("a@b\n", 0o666, "can be written by group or others"), ("", 0o644, nil),
        ].enumerated() {
            let list = try directory.write("list\(number)", text, mode: UInt32(mode))
            let problems = try aliases("a: b\nlist: :include:\(list), x@y\n").check {
                $0.equalsFolded("here")
            }.problems
            #expect(problems.map(\.line) == (fault == nil ? [] : [2]))
            #expect(problems.first?.text == fault.map { "\(list), which list includes: \($0)" })
        }
        let below = try directory.write("file", "") + "/list"
        #expect(
            try aliases("list: :include:\(below)\n").check { $0.equalsFolded("here") }.problems.map(\.line)
                == [1])
    }

    @Test("newaliases tells of a second entry of the same name")
    func duplicate() throws {
        let (entries, problems) = try aliases("a: b\nB: c\nA: d\n").check { $0.equalsFolded("here") }
        #expect(entries == 2)
        #expect(problems.map(\.line) == [3])
        #expect(problems.first?.text == "duplicate entry A")
    }

    @Test("entries meet their chunk of the file at every place")
    func chunks() throws {
        for padding in 32700...32790 {
            let comment = "#" + String(repeating: "x", count: padding) + "\n"
            let aliases = try aliases(comment + "name: one,\n two\nnext: three")
            #expect(try aliases.targets(of: [UInt8]("name"))?.count == 2)
            #expect(try aliases.targets(of: [UInt8]("next")) == [.address([UInt8]("three"))])
        }
    }

    @Test("a list of ten thousand is read; a line without end is not")
    func large() throws {
        let list = (0..<10_000).map { "user\($0)@example.org" }.joined(separator: ",\n ")
        #expect(try aliases("all: \(list)\nx: y\n").targets(of: [UInt8]("all"))?.count == 10_000)
        let endless = try aliases("a: b\nbig: " + String(repeating: "x", count: LogicalLines.longest + 1))
        #expect(try endless.targets(of: [UInt8]("a")) != nil)
        #expect(throws: AliasFile.Failure.malformed("entry too long", line: 2)) {
            try endless.targets(of: [UInt8]("big"))
        }
    }
}

@Suite struct ForwardFileTests {
    let directory: TemporaryDirectory
    init() throws { directory = try TemporaryDirectory() }

    private func read(owner: UInt32 = Identity.user) throws -> [Target]? {
        try ForwardFile.targets(".forward", in: Directory(directory.path), owner: owner)
    }

    @Test("a .forward is believed only if nobody else can have written it (T60)")
    func safety() throws {
        #expect(try read() == nil)
        try directory.write(".forward", "bob\n")
        #expect(try read() == [.address([UInt8]("bob"))])
        for mode: UInt32 in [0o664, 0o646, 0o666, 0o620, 0o602] {
            try directory.write(".forward", "bob\n", mode: mode)
            #expect(throws: ForwardFile.Failure.unsafe("can be written by group or others")) { try read() }
        }
        try directory.write(".forward", "", mode: 0o600)
        #expect(try read() == [])
    }

    @Test("a .forward that belongs to another user is not believed", .enabled(if: Identity.isRoot))
    func owner() throws {
        try directory.write(".forward", "bob\n")
        // Root's own file is.
        #expect(try read(owner: 4242) == [.address([UInt8]("bob"))])
        try Directory(directory.path).open(".forward", .read).setOwner(user: 4243, group: 4243)
        #expect(throws: ForwardFile.Failure.unsafe("belongs to somebody else")) { try read(owner: 4242) }
    }

    @Test("a .forward that is a link, a directory, or too large is not believed")
    func kinds() throws {
        let home = try Directory(directory.path)
        _ = try ChildProcess.output(
            of: "/bin/ln", arguments: ["ln", "-s", "/etc/passwd", directory.path + "/.forward"])
        #expect(throws: ForwardFile.Failure.unsafe("is a symbolic link")) { try read() }
        try home.remove(".forward")
        try home.makeDirectory(".forward", mode: 0o755)
        #expect(throws: ForwardFile.Failure.unsafe("is not a file")) { try read() }
        try home.removeDirectory(".forward")
        _ = try ChildProcess.output(
            of: "/usr/bin/mkfifo", arguments: ["mkfifo", directory.path + "/.forward"])
        #expect(throws: ForwardFile.Failure.unsafe("is not a file")) { try read() }
        try home.remove(".forward")
        let line = "# " + String(repeating: "x", count: 61) + "\n"
        try directory.write(".forward", String(repeating: line, count: ForwardFile.largest / 64))
        #expect(try read() == [])
        try directory.write(".forward", String(repeating: line, count: ForwardFile.largest / 64) + "\n")
        #expect(throws: ForwardFile.Failure.self) { try read() }
    }
}
