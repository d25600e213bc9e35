import Bytes
import TemporaryPlaces
import Testing
import Unix

@testable import MailStore

/// A message whose content comes in parts of `size` bytes.
func message(_ text: String, prefix: String = "", parts size: Int = 1000) -> Extents {
    let bytes = Array(text.utf8)
    var message = Extents()
    message.append(Array(prefix.utf8))
    for start in stride(from: 0, to: bytes.count, by: size) {
        message.append(Array(bytes[start...].prefix(size)))
    }
    return message
}

/// One whose file ends before it does.
private func shortened(_ file: borrowing Descriptor) -> Extents { Extents(file: file.raw, count: 1 << 20) }

private func contents(_ path: String) throws -> String? {
    try Path.contents(path).map { String(decoding: $0, as: UTF8.self) }
}

@Suite struct MboxQuotingTests {
    static let bodies: [(String, String)] = [
        ("", ""), ("a", "a\n"), ("a\n", "a\n"), ("\n", "\n"),
        ("From x\n", ">From x\n"), (">From x\n", ">>From x\n"), (">>>From x\n", ">>>>From x\n"),
        ("From", "From\n"), ("From\n", "From\n"), ("From:\n", "From:\n"), ("Fro m\n", "Fro m\n"),
        ("FFrom x\n", "FFrom x\n"), ("from x\n", "from x\n"), (" From x\n", " From x\n"),
        ("F>From x\n", "F>From x\n"), ("From>From x\n", "From>From x\n"),
        ("a From x\n", "a From x\n"), (">a>From x\n", ">a>From x\n"), ("> From x\n", "> From x\n"),
        ("a\nFrom x\nFrom y\n\nFrom z", "a\n>From x\n>From y\n\n>From z\n"), (">", ">\n"), (">F", ">F\n"),
        ("From ", ">From \n"), ("FroFrom x\n", "FroFrom x\n"), ("\rFrom x\n", "\rFrom x\n"),
    ]

    @Test("no line of a message begins another, however its parts are cut (T57)", arguments: bodies)
    func quoting(body: String, expected: String) {
        for size in [1, 2, 3, 5, 7, 1000] {
            var quoting = MboxQuoting()
            var output: [UInt8] = []
            var rest = Array(body.utf8)[...]
            while !rest.isEmpty {
                quoting.append(Array(rest.prefix(size)), to: &output)
                rest = rest.dropFirst(size)
            }
            quoting.end(to: &output)
            #expect(String(decoding: output, as: UTF8.self) == expected, "parts of \(size)")
        }
    }

    @Test(
        "the line that begins a message has the sender and the date of asctime",
        arguments: [
            (0, "a@b", "From a@b Thu Jan  1 00:00:00 1970\n"),
            (951_782_400, "", "From MAILER-DAEMON Tue Feb 29 00:00:00 2000\n"),
            (1_709_251_199, "x y\n@z", "From x_y_@z Thu Feb 29 23:59:59 2024\n"),
            (1_735_689_599, "é", "From __ Tue Dec 31 23:59:59 2024\n"),
            (4_102_444_800, "q", "From q Fri Jan  1 00:00:00 2100\n"),
            (-1, "q", "From q Wed Dec 31 23:59:59 1969\n"),
        ] as [(Int64, String, String)])
    func separator(seconds: Int64, sender: String, expected: String) {
        let line = MboxFormat.separator(from: Array(sender.utf8), at: Time(seconds: seconds))
        #expect(String(decoding: line, as: UTF8.self) == expected)
    }
}

@Suite final class MboxDeliveryTests {
    private let place: TemporaryDirectory
    var directory: String { place.path }
    var path: String { directory + "/mbox" }

    init() throws { place = try TemporaryDirectory() }

    private func open(
        creating: Bool = true, patience: Duration = .milliseconds(50)
    ) throws(MboxDelivery.Failure) -> MboxDelivery {
        try MboxDelivery(path, creating: creating, owner: Identity.user, patience: patience)
    }

    private func deliver(_ text: String) throws {
        let mbox = try open()
        try mbox.append(
            message(text, prefix: "Return-Path: <>\n"), from: [UInt8]("a@b"), at: Time(seconds: 0))
        try mbox.commit()
    }

    private func write(_ name: String, _ text: String) throws {
        let file = try Directory(directory).open(name, .create(mode: 0o600))
        try file.write(text.utf8)
    }

    @Test("messages are appended, each with an empty line behind it; no lock is left")
    func append() throws {
        try deliver("X: y\n\nbody")
        try deliver("X: z\n\nFrom here\n")
        let from = "From a@b Thu Jan  1 00:00:00 1970\nReturn-Path: <>\n"
        #expect(
            try contents(path) == "\(from)X: y\n\nbody\n\n\(from)X: z\n\n>From here\n\n")
        #expect(try Directory(directory).names() == ["mbox"])
        #expect(try Path.status(path)?.mode == 0o600)
    }

    @Test(
        "whatever an mbox ends with, an empty line stands before the next message",
        arguments: ["x", "x\n", "x\n\n", "\n"])
    func tail(text: String) throws {
        try write("mbox", text)
        try deliver("a\n")
        let before = try #require(try contents(path)).prefix { $0 != "F" }
        #expect(before.hasSuffix("\n\n") || before == "\n\n")
        #expect(before.hasPrefix(text))
        #expect(before.utf8.count <= text.utf8.count + 2)
    }

    @Test("a delivery that is given up leaves the mbox as it was (T59)")
    func givenUp() throws {
        try write("mbox", "From x Thu Jan  1 00:00:00 1970\nold\n\n")
        do {
            let mbox = try open()
            try mbox.append(
                message(String(repeating: "x\n", count: 100_000)), from: [], at: Time(seconds: 0))
        }
        #expect(try contents(path) == "From x Thu Jan  1 00:00:00 1970\nold\n\n")
        do {
            let mbox = try open()
            let file = try Directory(directory).openScratch()
            try file.write([UInt8](repeating: .lf, count: 200_000))
            let message = shortened(file)
            #expect(throws: SystemError.self) { try mbox.append(message, from: [], at: Time(seconds: 0)) }
        }
        #expect(try contents(path) == "From x Thu Jan  1 00:00:00 1970\nold\n\n")
        #expect(try Directory(directory).names() == ["mbox"])
    }

    @Test("an mbox is missing unless it may be made")
    func missing() throws {
        #expect(throws: MboxDelivery.Failure.self) { try open(creating: false) }
        #expect(try Directory(directory).names() == [])
    }

    @Test("links, directories, FIFOs and other people's files are no mbox (T55)")
    func kinds() throws {
        try write("target", "precious\n")
        let target = directory + "/target"
        func run(_ words: String...) throws { _ = try ChildProcess.output(of: words[0], arguments: words) }

        try run("/bin/ln", "-s", target, path)
        #expect(throws: MboxDelivery.Failure.unsuitable("a symbolic link")) { try open() }
        try run("/bin/rm", path)
        try run("/bin/ln", target, path)
        #expect(throws: MboxDelivery.Failure.unsuitable("a file with 2 names")) { try open() }
        try run("/bin/rm", path)
        try run("/bin/mkdir", path)
        #expect(throws: MboxDelivery.Failure.unsuitable("a directory")) { try open() }
        try run("/bin/rmdir", path)
        try run("/usr/bin/mkfifo", path)
        #expect(throws: MboxDelivery.Failure.unsuitable("not a file")) { try open() }
        try run("/bin/rm", path)
        #expect(try contents(target) == "precious\n")
        try write("mbox", "")
        #expect(throws: MboxDelivery.Failure.unsuitable("somebody else's file")) {
            try MboxDelivery(path, creating: true, owner: Identity.user + 1, patience: .milliseconds(50))
        }
    }

    @Test("a locked mbox is never written to (T58)")
    func locked() throws {
        try write("mbox", "")
        try write("mbox.lock", "1\n")
        #expect(throws: MboxDelivery.Failure.locked) { try open() }
        try Directory(directory).remove("mbox.lock")
        // Locks of fcntl(2) are a process's: another one holds it.
        let holder = try ChildProcess.start(
            "/usr/bin/python3",
            arguments: [
                "python3", "-c",
                "import fcntl,time; f=open('\(path)','r+'); fcntl.lockf(f,fcntl.LOCK_EX); "
                    + "open('\(directory)/held','w').close(); time.sleep(30)",
            ], input: 0, output: 1, error: 2)
        while try Path.status(directory + "/held") == nil { pause(.milliseconds(10)) }
        #expect(throws: MboxDelivery.Failure.locked) { try open() }
        holder.end()
        _ = try holder.wait()
        #expect(try contents(path) == "")
        try deliver("x\n")
    }

    @Test("a dot lock of a process of this host that is no more is taken over at once, no other")
    func deadHolder() throws {
        let gone = try ChildProcess.start("/bin/true", arguments: ["true"], input: 0, output: 1, error: 2)
        _ = try gone.wait()
        for (text, isTaken) in [
            ("\(gone.id):\(Host.bareName)\n", true), ("\(Identity.process):\(Host.bareName)\n", false),
            ("\(gone.id):elsewhere\n", false), ("\(gone.id)\n", false), ("x:\(Host.bareName)", false),
            ("99999999999999999999:\(Host.bareName)", false), ("0:\(Host.bareName)", false), ("", false),
        ] {
            try write("mbox.lock", text)
            if isTaken {
                try deliver("x\n")
            } else {
                #expect(throws: MboxDelivery.Failure.locked, "\(text)") { try open() }
                try Directory(directory).remove("mbox.lock")
            }
        }
    }

    @Test("a dot lock that a crash left is taken over; a link or a young lock is not (T58)")
    func stale() throws {
        func run(_ words: String...) throws { _ = try ChildProcess.output(of: words[0], arguments: words) }
        let lock = path + ".lock"
        try run("/usr/bin/touch", "-d", "16 minutes ago", lock)
        try deliver("x\n")
        try run("/usr/bin/touch", "-d", "14 minutes ago", lock)
        #expect(throws: MboxDelivery.Failure.locked) { try open() }
        try run("/bin/rm", lock)
        try write("victim", "")
        try run("/bin/ln", "-s", directory + "/victim", lock)
        try run("/usr/bin/touch", "-h", "-d", "16 minutes ago", lock)
        #expect(throws: MboxDelivery.Failure.locked) { try open() }
        #expect(try Path.status(directory + "/victim")?.size == 0)
    }
}

@Suite final class MaildirDeliveryTests {
    private let place: TemporaryDirectory
    var path: String { place.path + "/Maildir/" }

    init() throws { place = try TemporaryDirectory() }

    @Test("messages appear in new/ when all are durable, with their sizes in their names")
    func commit() throws {
        let maildir = try MaildirDelivery(path, host: "a/b:c")
        for count in 0..<7 {
            #expect(
                try maildir.stage(message("Subject: \(count)\n\nbody\n", prefix: "X: y\n", parts: 3)) == count
            )
        }
        #expect(try Directory(path + "new").names() == [])
        #expect(maildir.commit() == Array(repeating: nil, count: 7))
        let names = try Directory(path + "new").names()
        #expect(Set(names).count == 7)
        #expect(names.allSatisfy { $0.hasSuffix(#".a\057b\072c,S=22,W=26"#) })
        var texts: Set<String> = []
        for name in names { texts.insert(try contents(path + "new/" + name) ?? "") }
        #expect(texts.contains("X: y\nSubject: 6\n\nbody\n"))
        #expect(texts.count == 7)
        #expect(try Directory(path + "tmp").names() == [])
        #expect(try Path.status(path)?.mode == 0o700)
        #expect(maildir.commit() == [])
    }

    @Test("a delivery that is made again, because nobody heard of the first, is there once")
    func repeated() throws {
        for _ in 0..<3 {
            let maildir = try MaildirDelivery(path, host: "h")
            _ = try maildir.stage(message("a\n"), mark: "1.QidR1")
            _ = try maildir.stage(message("a\n"), mark: "1.QidR2")
            #expect(maildir.commit() == [nil, nil])
        }
        let names = try Directory(path + "new").names().sorted()
        #expect(names == ["1.QidR1.relais,S=2,W=3", "1.QidR2.relais,S=2,W=3"])
    }

    #if DEBUG
        @Test("where there are no unnamed files, all is as where there are, and nothing is left in tmp/")
        func secondPath() throws {
            SystemCall.refuseExtensions(true)
            defer { SystemCall.refuseExtensions(false) }
            try repeated()
            #expect(try Directory(path + "tmp").names() == [])
            let new = try Directory(path + "new")
            for name in try new.names() { try new.remove(name) }
            try broken()
            for name in try new.names() { try new.remove(name) }
            // Any call of a delivery that fails leaves a whole message or none, and nothing in tmp/.
            var calls = 0
            var number = 0
            while number <= calls {
                defer { number += 1 }
                let maildir = try MaildirDelivery(path, host: "h")
                SystemCall.arm(.fail(.inputOutput), at: number)
                var isStaged = true
                do { _ = try maildir.stage(message("a\n"), mark: "1.QidR3") } catch { isStaged = false }
                let results = maildir.commit()
                if number == 0 { calls = SystemCall.callCount }
                SystemCall.arm(.none, at: 0)
                let names = try new.names()
                #expect(results == (isStaged && !names.isEmpty ? [nil] : results), "call \(number)")
                #expect(names.isEmpty || names == ["1.QidR3.relais,S=2,W=3"], "call \(number)")
                #expect(try Directory(path + "tmp").names() == [], "call \(number)")
                for name in names { try new.remove(name) }
            }
            #expect(calls > 4)
        }
    #endif

    @Test("a message that cannot be read is not delivered, the others are")
    func broken() throws {
        let maildir = try MaildirDelivery(path, host: "h")
        _ = try maildir.stage(message("a\n"))
        let file = try Directory(path).openScratch()
        let message = shortened(file)
        #expect(throws: SystemError.self) { try maildir.stage(message) }
        #expect(maildir.commit() == [nil])
        #expect(try Directory(path + "new").names().count == 1)
        #expect(try Directory(path + "tmp").names() == [])
    }

    @Test("tmp and new are never followed as links (T55)")
    func links() throws {
        _ = try MaildirDelivery(path, host: "h")
        for name in ["tmp", "new"] {
            let root = try Directory(path)
            try root.removeDirectory(name)
            _ = try ChildProcess.output(of: "/bin/ln", arguments: ["ln", "-s", "/tmp", path + name])
            #expect(throws: SystemError.self) { try MaildirDelivery(path, host: "h") }
            try root.remove(name)
        }
        #expect(throws: SystemError.self) { try MaildirDelivery("/etc/passwd/", host: "h") }
    }
}
