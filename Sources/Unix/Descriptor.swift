import CSystem

/// An open file that closes when its owner goes away. Where a failing close means lost data (a file that
/// carries mail), call `close()`; `deinit` is for the ways out that already failed.
@usableFromInline package struct Descriptor: ~Copyable {
    package private(set) var raw: CInt

    /// Takes over an open descriptor: one just opened, or 0, 1, 2 in a program's main.
    package init(adopting raw: CInt) { self.raw = raw }

    deinit { if raw >= 0 { _ = CSystem.close(raw) } }

    package consuming func close() throws(SystemError) {
        let raw = self.raw
        self.raw = -1
        // Not retried on EINTR: Linux has closed the descriptor by then.
        if CSystem.close(raw) != 0, Errno.current != .interrupted {
            throw SystemError("close", .current, "")
        }
    }

    /// Gives the descriptor away without closing it.
    package consuming func release() -> CInt {
        let raw = self.raw
        self.raw = -1
        return raw
    }

    /// Another descriptor of the same open file, with the lowest free number from `lowest` on.
    package func duplicate(from lowest: CInt = 3) throws(SystemError) -> Descriptor {
        Descriptor(
            adopting: try SystemCall.perform("dup") { cs_fcntl(raw, F_DUPFD_CLOEXEC, lowest) })
    }
}

extension Descriptor {
    /// Reads at most `capacity` bytes; empty at the end of the file.
    package func read(upTo capacity: Int) throws(SystemError) -> [UInt8] {
        try File.read(raw, upTo: capacity)
    }

    /// Reads at most `capacity` bytes at `offset`; the file's position is neither used nor moved.
    package func read(upTo capacity: Int, at offset: Int) throws(SystemError) -> [UInt8] {
        try File.read(raw, upTo: capacity, at: offset)
    }

    /// Reads to the end, at most `limit` bytes; nil when there is more.
    package func readAll(limit: Int) throws(SystemError) -> [UInt8]? {
        var bytes: [UInt8] = []
        // Most files are small; what is left of the first room finds their end.
        bytes.reserveCapacity(4096)
        while bytes.count <= limit {
            let room = bytes.capacity - bytes.count
            let portion = room >= 512 ? room : min(bytes.count * 3, 1 << 16)
            if try File.append(raw, to: &bytes, upTo: min(limit + 1 - bytes.count, portion)) == 0 {
                return bytes
            }
        }
        return nil
    }

    package func write(_ bytes: [UInt8]) throws(SystemError) { try File.writeAll(raw, bytes) }

    package func write(_ bytes: some Collection<UInt8>) throws(SystemError) {
        try File.writeAll(raw, Array(bytes))
    }

    /// Writes all of `bytes` at `offset`; the file's position stays.
    package func write(_ bytes: [UInt8], at offset: Int) throws(SystemError) {
        var done = 0
        while done < bytes.count {
            done += try SystemCall.perform("pwrite") {
                unsafe bytes.withUnsafeBytes { room in
                    unsafe pwrite(
                        raw, room.baseAddress! + done, SystemCall.portion(of: room.count - done),
                        off_t(offset + done))
                }
            }
        }
    }

    package func synchronize() throws(SystemError) {
        try SystemCall.perform("fsync") { fsync(raw) }
    }

    /// Sets when the file was last modified (and read).
    package func setModified(_ time: Time) throws(SystemError) {
        let moment = timespec(tv_sec: Int(time.seconds), tv_nsec: Int(time.microseconds % 1_000_000) * 1000)
        try SystemCall.perform("futimens") { unsafe futimens(raw, [moment, moment]) }
    }

    package func truncate(to length: Int) throws(SystemError) {
        try SystemCall.perform("ftruncate") { ftruncate(raw, off_t(length)) }
    }

    package func seek(to offset: Int) throws(SystemError) {
        try SystemCall.perform("lseek") { lseek(raw, off_t(offset), SEEK_SET) }
    }

    package func position() throws(SystemError) -> Int {
        Int(try SystemCall.perform("lseek") { lseek(raw, 0, SEEK_CUR) })
    }

    package func seekToEnd() throws(SystemError) -> Int {
        Int(try SystemCall.perform("lseek") { lseek(raw, 0, SEEK_END) })
    }

    package func status() throws(SystemError) -> FileStatus { try FileStatus(of: raw) }

    package func setMode(_ mode: UInt32) throws(SystemError) {
        try SystemCall.perform("fchmod") { fchmod(raw, mode_t(mode)) }
    }

    package func setOwner(user: UInt32, group: UInt32) throws(SystemError) {
        try SystemCall.perform("fchown") { fchown(raw, user, group) }
    }
}

/// Operations on descriptors that somebody else owns: the standard ones, or a stream's.
package enum File {
    package static func read(_ raw: CInt, upTo capacity: Int) throws(SystemError) -> [UInt8] {
        var failure: SystemError?
        let bytes = unsafe [UInt8](unsafeUninitializedCapacity: capacity) { buffer, count in
            do throws(SystemError) {
                count = try SystemCall.perform("read") {
                    unsafe CSystem.read(raw, buffer.baseAddress, capacity)
                }
            } catch { failure = error }
        }
        if let failure { throw failure }
        return bytes
    }

    package static func read(
        _ raw: CInt, upTo capacity: Int, at offset: Int
    ) throws(SystemError) -> [UInt8] {
        var failure: SystemError?
        let bytes = unsafe [UInt8](unsafeUninitializedCapacity: capacity) { buffer, count in
            do throws(SystemError) {
                count = try SystemCall.perform("pread") {
                    unsafe pread(raw, buffer.baseAddress, capacity, off_t(offset))
                }
            } catch { failure = error }
        }
        if let failure { throw failure }
        return bytes
    }

    /// Reads behind what `buffer` holds; how many bytes came, 0 at the end.
    package static func append(
        _ raw: CInt, to buffer: inout [UInt8], upTo capacity: Int
    ) throws(SystemError) -> Int {
        let start = buffer.count
        try buffer.append(addingCapacity: capacity) { room throws(SystemError) in
            try unsafe room.withUnsafeMutableBufferPointer { bytes, count throws(SystemError) in
                count += try SystemCall.perform("read") {
                    unsafe CSystem.read(raw, bytes.baseAddress! + count, capacity)
                }
            }
        }
        return buffer.count - start
    }

    /// Makes what was written durable; a pipe or a terminal has nothing to sync.
    package static func synchronize(_ raw: CInt) throws(SystemError) {
        do throws(SystemError) { try SystemCall.perform("fsync") { fsync(raw) } } catch {
            guard error.code == .invalid else { throw error }
        }
    }

    /// Writes all of `bytes`, in as many calls as the kernel wants.
    package static func writeAll(_ raw: CInt, _ bytes: [UInt8]) throws(SystemError) {
        var done = 0
        while done < bytes.count {
            done += try SystemCall.perform("write") {
                unsafe bytes.withUnsafeBytes { room in
                    unsafe CSystem.write(
                        raw, room.baseAddress! + done, SystemCall.portion(of: room.count - done))
                }
            }
        }
    }

    package static func writeAll(_ raw: CInt, _ bytes: some Collection<UInt8>) throws(SystemError) {
        try writeAll(raw, Array(bytes))
    }
}

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

/// Advisory locks on open files.
extension Descriptor {
    /// flock(2), exclusive, at once or not at all; whether we have it now. It belongs to the open file:
    /// every copy of the descriptor shares it, and the last close lets go.
    package func tryLock() throws(SystemError) -> Bool {
        switch SystemCall.attempt({ flock(raw, LOCK_EX | LOCK_NB) }) {
        case .success: return true
        case .failure(.again): return false
        case .failure(let code): throw SystemError("flock", code, "")
        }
    }

    /// flock(2), exclusive, waiting for it.
    package func lock() throws(SystemError) {
        try SystemCall.perform("flock") { flock(raw, LOCK_EX) }
    }

    package func unlock() throws(SystemError) {
        try SystemCall.perform("flock") { flock(raw, LOCK_UN) }
    }

    /// A write lock on one byte range of the open file (Linux: OFD; elsewhere the process's, but flock's over the whole
    /// file); a read lock, which keeps off writers alone, for one that was opened for reading (`shared`).
    package func tryLockBytes(at offset: Int, count: Int = 1, shared: Bool = false) throws(SystemError)
        -> Bool
    {
        let kind = CInt(shared ? F_RDLCK : F_WRLCK)
        switch SystemCall.attempt({ cs_byte_lock(raw, kind, 0, 0, Int64(offset), Int64(count)) }) {
        case .success: return true
        case .failure(.again), .failure(.accessDenied): return false
        case .failure(let code): throw SystemError("fcntl", code, "")
        }
    }

    /// The lock of cs_fcntl(2) over the whole file, which mail readers and deliverers take on an mbox.
    package func tryLockWholeFile(shared: Bool = false) throws(SystemError) -> Bool {
        try tryLockBytes(at: 0, count: 0, shared: shared)
    }

    package func unlockBytes(at offset: Int) throws(SystemError) {
        try SystemCall.perform("fcntl") { cs_byte_lock(raw, CInt(F_UNLCK), 0, 0, Int64(offset), 1) }
    }

    package func unlockWholeFile() throws(SystemError) {
        try SystemCall.perform("fcntl") { cs_byte_lock(raw, CInt(F_UNLCK), 0, 0, 0, 0) }
    }
}
