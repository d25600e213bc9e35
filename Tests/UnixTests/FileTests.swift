import TemporaryPlaces
import Testing

import Unix

@Suite(.serialized) struct FileTests {
    @Test("a file without a name gets one, and a name is never replaced by rename")
    func names() throws {
        let place = try TemporaryDirectory()
        let directory = try Directory(place.path)
        guard let file = try directory.openUnnamed(mode: 0o660) else {
            Issue.record("no unnamed files here: the first path is untried")
            return
        }
        try file.write(Array("hello".utf8))
        #expect(try file.status().links == 0)
        try directory.link(file, as: "a")
        #expect(try directory.status(of: "a")?.size == 5)
        let other = try directory.open("b", .createNew(mode: 0o600))
        try other.close()
        #expect(throws: SystemError.self) { try directory.rename("a", to: directory, as: "b") }
        try directory.rename("a", to: directory, as: "c")
        #expect(try directory.names().sorted() == ["b", "c"])
    }

    #if DEBUG
        @Test(
            "where the system cannot rename without replacing by one call, a name is never replaced all the same"
        )
        func secondPath() throws {
            SystemCall.refuseExtensions(true)
            defer { SystemCall.refuseExtensions(false) }
            let place = try TemporaryDirectory()
            let directory = try Directory(place.path)
            if try directory.openUnnamed(mode: 0o660) != nil { Issue.record("it is not refused") }
            for name in ["a", "b"] {
                try directory.open(name, .createNew(mode: 0o600)).write(Array(name.utf8))
            }
            #expect(throws: SystemError.self) { try directory.rename("a", to: directory, as: "b") }
            try directory.rename("a", to: directory, as: "c")
            #expect(try directory.names().sorted() == ["b", "c"])
            // Directories have no links.
            for name in ["d", "e"] { try directory.makeDirectory(name, mode: 0o700) }
            #expect(throws: SystemError.self) { try directory.rename("d", to: directory, as: "e") }
            #expect(throws: SystemError.self) { try directory.rename("d", to: directory, as: "b") }
            try directory.rename("d", to: directory, as: "f")
            #expect(throws: SystemError.self) { try directory.rename("gone", to: directory, as: "g") }
            #expect(try directory.names().sorted() == ["b", "c", "e", "f"])
            // What cannot be ended is taken back.
            SystemCall.arm(.fail(.inputOutput), at: 3)
            defer { SystemCall.arm(.none, at: 0) }
            #expect(throws: SystemError.self) { try directory.rename("b", to: directory, as: "h") }
            SystemCall.arm(.none, at: 0)
            #expect(try directory.names().sorted() == ["b", "c", "e", "f"])
            let scratch = try directory.openScratch()
            try scratch.write(Array("x".utf8))
            #expect(try scratch.status().links == 0 && directory.names().count == 4)
        }
    #endif

    @Test("no opening follows a symbolic link")
    func links() throws {
        let place = try TemporaryDirectory()
        let directory = try Directory(place.path)
        _ = try ChildProcess.output(of: "/bin/ln", arguments: ["ln", "-s", "/etc/passwd", place.path + "/x"])
        #expect(try directory.status(of: "x")?.kind == .symbolicLink)
        #expect(throws: SystemError.self) { _ = try directory.open("x", .read).raw }
        #expect(throws: SystemError.self) { _ = try directory.open("x", .create(mode: 0o600)).raw }
    }

    @Test(
        "what says something is a regular file: nothing else is read, or waited for, and /dev/null is empty",
        arguments: [
            ("fifo", "a FIFO or pipe"), ("directory", "a directory"), ("socket", "a socket"),
            ("zero", "a device"),
        ])
    func kinds(name: String, shown: String) throws {
        let place = try TemporaryDirectory()
        let path = name == "zero" ? "/dev/zero" : "\(place.path)/\(name)"
        switch name {
        case "fifo": _ = try ChildProcess.output(of: "/usr/bin/mkfifo", arguments: ["mkfifo", path])
        case "directory": try Directory(place.path).makeDirectory(name, mode: 0o700)
        case "socket":
            let server = "import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])"
            _ = try ChildProcess.output(of: "/usr/bin/python3", arguments: ["python3", "-c", server, path])
        default: break
        }
        var told = ""
        do throws(SystemError) { _ = try Path.contents(path) } catch { told = error.description }
        #expect(told == "open \(path): is \(shown): put a regular file there, or name another")
        #expect(try Path.contents("/dev/null") == [])
        #expect(try Path.contents(place.path + "/missing") == nil)
    }

    @Test("a log that is a FIFO without a reader is no log, and nobody waits for one")
    func logs() throws {
        let place = try TemporaryDirectory()
        let path = place.path + "/fifo"
        _ = try ChildProcess.output(of: "/usr/bin/mkfifo", arguments: ["mkfifo", path])
        #expect(throws: SystemError("open", .noSuchDevice, path)) { _ = try Path.openForAppending(path).raw }
    }

    @Test("a lock is the open file's: another open file does not get it")
    func locks() throws {
        let place = try TemporaryDirectory()
        let directory = try Directory(place.path)
        let one = try directory.open("l", .create(mode: 0o600))
        let two = try directory.open("l", .readWrite)
        #expect(try one.tryLock())
        #expect(try !two.tryLock())
        try one.unlock()
        #expect(try two.tryLock())
        #expect(try one.tryLockBytes(at: 5))
        #expect(try !two.tryLockBytes(at: 5))
        #expect(try two.tryLockBytes(at: 6))
    }

    #if DEBUG
        @Test("an armed fault fails exactly the k-th call, and EINTR is retried")
        func faults() throws {
            let place = try TemporaryDirectory()
            let directory = try Directory(place.path)
            SystemCall.arm(.fail(.noSpace), at: 2)
            defer { SystemCall.arm(.none, at: 0) }
            _ = try directory.status(of: "missing")
            #expect(throws: SystemError("stat", .noSpace, place.path + "/missing")) {
                try directory.status(of: "missing")
            }
            SystemCall.arm(.fail(.interrupted), at: 1)
            #expect(try directory.status(of: "missing") == nil)
            #expect(SystemCall.callCount == 2)
        }
    #endif
}
