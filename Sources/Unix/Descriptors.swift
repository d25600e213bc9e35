import CSystem

/// The standard descriptors of a program that somebody else started.
package enum StandardDescriptors {
    /// Fills holes among 0, 1 and 2 with /dev/null, so that no file of ours lands there (T75).
    package static func fillHoles() {
        // Mostly there are none, and asking is cheaper than opening a file.
        if (0...2).allSatisfy({ cs_fcntl($0, F_GETFD, 0) >= 0 }) { return }
        while true {
            let raw = unsafe cs_open(AT_FDCWD, "/dev/null", O_RDWR, 0)
            if raw < 0 { return }
            if raw > 2 {
                close(raw)
                return
            }
            _ = cs_fcntl(raw, F_SETFD, 0)
        }
    }

    /// Under inetd descriptor 2 is the client's socket: moves it to /dev/null.
    package static func silenceError() {
        let raw = unsafe cs_open(AT_FDCWD, "/dev/null", O_WRONLY, 0)
        guard raw >= 0 else { return }
        if raw != 2 {
            dup2(raw, 2)
            close(raw)
        }
    }

    /// Makes `source` the descriptor `target`, which is inherited by programs started from here.
    package static func assign(_ source: CInt, to target: CInt) throws(SystemError) {
        if source == target {
            try SystemCall.perform("fcntl") { cs_fcntl(source, F_SETFD, 0) }
        } else {
            try SystemCall.perform("dup2") { dup2(source, target) }
        }
    }

    /// Closes everything from `first` on, whoever left it open.
    package static func closeAll(from first: CInt) { _ = cs_close_from(first) }

    package static func isSocket(_ raw: CInt) -> Bool {
        var about = stat()
        return unsafe fstat(raw, &about) == 0 && CInt(about.st_mode) & S_IFMT == S_IFSOCK
    }

    package static func isTerminal(_ raw: CInt) -> Bool { isatty(raw) == 1 }

    /// A peer that goes away shows as EPIPE, not as a signal.
    package static func ignoreBrokenPipes() { cs_ignore_signal(SIGPIPE) }
}
