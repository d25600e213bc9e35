import CSystem

/// Another program, started and waited for. Descriptors other than the three given are not inherited:
/// everything that we open is close-on-exec.
package struct ChildProcess {
    package enum Status: Equatable { case exited(Int32), signalled(Int32) }

    package let id: Int32

    /// Starts `path` with `arguments` (the first is its name) and nothing but `environment`.
    /// In its own process group when `ownGroup`, so that it and what it starts can be ended together.
    package static func start(
        _ path: String, arguments: [String], environment: [String] = ["PATH=/usr/local/bin:/usr/bin:/bin"],
        input: CInt, output: CInt, error: CInt, ownGroup: Bool = false
    ) throws(SystemError) -> ChildProcess {
        // Copies above 2 first, so that no assignment overwrites the source of the next.
        let sources = [input, output, error].map { cs_fcntl($0, F_DUPFD_CLOEXEC, 10) }
        defer { for source in sources where source >= 0 { close(source) } }
        guard sources.allSatisfy({ $0 >= 0 }) else { throw SystemError("dup", .badDescriptor, path) }

        var id: pid_t = 0
        let code = unsafe withCStrings(arguments) { argv in
            unsafe withCStrings(environment) { envp in
                unsafe cs_spawn(&id, path, argv, envp, sources, ownGroup ? 1 : 0)
            }
        }
        guard code == 0 else { throw SystemError("exec", Errno(code), path) }
        return ChildProcess(id: id)
    }

    package func wait() throws(SystemError) -> Status {
        var status: CInt = 0
        try SystemCall.perform("waitpid") { unsafe waitpid(id, &status, 0) }
        return Self.decode(status)
    }

    /// The status if it has ended, else nil at once.
    package func poll() throws(SystemError) -> Status? {
        var status: CInt = 0
        let ended = try SystemCall.perform("waitpid") { unsafe waitpid(id, &status, WNOHANG) }
        return ended == 0 ? nil : Self.decode(status)
    }

    /// Whether it has ended; its status stays to be asked for.
    package func hasEnded() throws(SystemError) -> Bool {
        var about = unsafe siginfo_t()
        try SystemCall.perform("waitid") {
            unsafe waitid(P_PID, id_t(id), &about, WEXITED | WNOHANG | WNOWAIT)
        }
        return unsafe about.si_signo != 0
    }

    /// Waits until it ends or the deadline passes: nil then, and it is still running.
    package func wait(until deadline: Deadline) throws(SystemError) -> Status? {
        var interval = Duration.milliseconds(1)
        while true {
            if let status = try poll() { return status }
            if deadline.hasPassed { return nil }
            pause(min(interval, deadline.remaining))
            interval = min(interval * 2, .milliseconds(100))
        }
    }

    /// Sends SIGKILL to the process (and, if it leads one, its group).
    package func end(group: Bool = false) {
        kill(group ? -id : id, SIGKILL)
    }

    private static func decode(_ status: CInt) -> Status {
        let signal = status & 0x7F
        return signal == 0 ? .exited(status >> 8 & 0xFF) : .signalled(signal)
    }

    /// Runs a program to its end with no input; its output (at most 1 MiB) and status.
    package static func output(
        of path: String, arguments: [String]
    ) throws(SystemError) -> ([UInt8], Status) {
        let pipe = try DescriptorPair.pipe()
        let null = try Path.open("/dev/null", O_RDWR)
        let child = try start(
            path, arguments: arguments, input: null.raw, output: pipe.second.raw, error: null.raw)
        let reader = pipe.keepFirst()
        let bytes = try reader.readAll(limit: 1 << 20) ?? []
        return (bytes, try child.wait())
    }

    /// Becomes another program; returns only if that failed. Close-on-exec descriptors are closed.
    package static func replaceSelf(
        with path: String, arguments: [String], environment: [String]
    ) -> SystemError {
        unsafe withCStrings(arguments) { argv in
            unsafe withCStrings(environment) { envp in _ = unsafe execve(path, argv, envp) }
        }
        return SystemError("exec", .current, path)
    }
}

/// Calls `body` with a null-terminated vector of C strings.
private func withCStrings<Result>(
    _ strings: [String], _ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>) -> Result
) -> Result {
    var pointers = unsafe strings.map { unsafe strdup($0) }
    unsafe pointers.append(nil)
    defer { unsafe pointers.forEach { unsafe free($0) } }
    return unsafe body(pointers)
}

/// Two connected ends: of a pipe (the first reads, the second writes) or of a stream socket pair.
package struct DescriptorPair: ~Copyable {
    package var first: Descriptor
    package var second: Descriptor

    private init(_ call: StaticString, _ make: (UnsafeMutablePointer<CInt>) -> CInt) throws(SystemError) {
        var ends: (CInt, CInt) = (-1, -1)
        let code = unsafe withUnsafeMutablePointer(to: &ends) { pointer in
            unsafe pointer.withMemoryRebound(to: CInt.self, capacity: 2) { unsafe make($0) }
        }
        guard code == 0 else { throw SystemError(call, .current, "") }
        first = Descriptor(adopting: ends.0)
        second = Descriptor(adopting: ends.1)
    }

    package static func pipe() throws(SystemError) -> DescriptorPair {
        try unsafe DescriptorPair("pipe") { unsafe cs_pipe($0) }
    }

    package static func sockets() throws(SystemError) -> DescriptorPair {
        try unsafe DescriptorPair("socketpair") { unsafe cs_socket_pair($0) }
    }

    /// Closes the second end and gives the first.
    package consuming func keepFirst() -> Descriptor { first }

    /// Closes the first end and gives the second.
    package consuming func keepSecond() -> Descriptor { second }
}
