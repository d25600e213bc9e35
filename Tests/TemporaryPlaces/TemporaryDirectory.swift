import Bytes
package import Unix

/// A directory of a test's own, removed with all that is in it.
package final class TemporaryDirectory {
    package let path: String

    /// `inMemory`: where there is such a place, for tests that make files by the thousand.
    package init(inMemory: Bool = false) throws(SystemError) {
        var random = Randomness()
        let name = "relais-test-\(Identity.process)-\(random.next())"
        let memory = inMemory ? try Path.status("/dev/shm") : nil
        let parent = memory == nil ? "/tmp" : "/dev/shm"
        path = "\(parent)/\(name)"
        try Directory(parent).makeDirectory(name, mode: 0o755)
    }

    deinit { run("rm", "-rf", path) }

    /// Runs one of the system's programs, `cp` and its like.
    package func run(_ words: String...) {
        _ = try? ChildProcess.output(of: "/bin/" + words[0], arguments: words)
    }

    // MARK: Files

    /// Writes a file, in a directory that is there, and says where it is.
    @discardableResult
    package func write(
        _ name: String, _ text: some Collection<UInt8>, mode: UInt32 = 0o644
    ) throws(SystemError) -> String {
        let (parent, last) = Path.split("\(path)/\(name)")
        let file = try Directory(parent).open(last, .create(mode: mode))
        try file.truncate(to: 0)
        try file.write(Array(text))
        try file.setMode(mode)
        return "\(path)/\(name)"
    }

    @discardableResult
    package func write(_ name: String, _ text: String, mode: UInt32 = 0o644) throws(SystemError) -> String {
        try write(name, Array(text.utf8), mode: mode)
    }

    /// What a file says; nil if there is none.
    package func read(_ name: String) throws(SystemError) -> String? {
        try Path.contents("\(path)/\(name)").map { String(decoding: $0, as: UTF8.self) }
    }

    package func makeDirectories(_ names: String...) throws(SystemError) {
        for name in names {
            let (parent, last) = Path.split("\(path)/\(name)")
            try Directory(parent).makeDirectory(last, mode: 0o700)
        }
    }

    // MARK: What stands in one

    /// The places of a queue, without mail.
    package func makeQueue(in parent: String = ".") throws(SystemError) {
        for place in ["incoming", "deferred", "log", "hold", "trash", "corrupt", "destinations", "service"] {
            try makeDirectories("\(parent)/\(place)")
        }
    }

    /// What is in a file that a `Log` writes, a line an entry, without what stands before the text.
    package func logged(_ name: String = "log") -> [String] {
        let text = (try? Path.contents("\(path)/\(name)")) ?? nil
        return (text ?? []).split(separator: .lf).map { line in
            // Behind `name/program[process]: `.
            let text = line.firstIndex(of: .ascii("]")).map { line[$0...].dropFirst(3) } ?? line
            return String(decoding: text, as: UTF8.self)
        }
    }
}

/// Whether it is so within two seconds. A child that another test starts has a copy of every lock of this process between its
/// fork and its exec: who waits for a lock's end asks again.
package func soon<Failure>(_ condition: () throws(Failure) -> Bool) throws(Failure) -> Bool {
    let deadline = Deadline.after(.seconds(2))
    while try !condition() {
        if deadline.hasPassed { return false }
        pause(.milliseconds(5))
    }
    return true
}
