import Unix

/// A directory of a test's own, removed with all that is in it.
final class TemporaryDirectory {
    let path: String

    init() throws {
        var random = Randomness()
        path = "/tmp/relais-test-\(Identity.process)-\(random.next())"
        try Directory("/tmp").makeDirectory(String(path.dropFirst(5)), mode: 0o755)
    }

    deinit {
        _ = try? ChildProcess.output(of: "/bin/rm", arguments: ["rm", "-rf", path])
    }

    /// Writes a file and says where it is.
    @discardableResult
    func write(_ name: String, _ text: some Collection<UInt8>, mode: UInt32 = 0o644) throws -> String {
        let file = try Directory(path).open(name, .create(mode: mode))
        try file.truncate(to: 0)
        try file.write(Array(text))
        try file.setMode(mode)
        return "\(path)/\(name)"
    }

    @discardableResult
    func write(_ name: String, _ text: String, mode: UInt32 = 0o644) throws -> String {
        try write(name, Array(text.utf8), mode: mode)
    }
}
