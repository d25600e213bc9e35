import CSystem

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
