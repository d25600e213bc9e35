import Unix

/// What keeps others off an mbox: the lock of fcntl(2) on the open file, and for who writes a dot lock beside it, in the
/// order in which deliverers take them. In a mail spool its owner may make no files: there the first is all there is, and
/// every deliverer of today takes it.
struct MboxLock: ~Copyable {
    private let file: OpenMbox
    private let dotLock: (DotLock, OpenDirectory)?

    /// Waits; EAGAIN when somebody holds a lock for longer than `deadline`.
    init(_ file: OpenMbox, _ name: String, in directory: OpenDirectory, writing: Bool, by deadline: Deadline)
        throws(SystemError)
    {
        while try !file.descriptor.tryLockWholeFile(shared: !file.isWritable) {
            guard !deadline.hasPassed else { throw SystemError("fcntl", .again, name) }
            pause(.milliseconds(20))
        }
        do throws(SystemError) {
            let dotLock =
                writing && file.isWritable
                ? try Self.dotLock(name, in: directory.directory, by: deadline) : nil
            self.dotLock = dotLock.map { ($0, directory) }
            self.file = file
        } catch {
            try? file.descriptor.unlockWholeFile()
            throw error
        }
    }

    /// Nil where this user may not make files, or there is no room for one: mail can be removed from a full disk.
    private static func dotLock(
        _ name: String, in directory: borrowing Directory, by deadline: Deadline
    ) throws(SystemError) -> DotLock? {
        do throws(MboxDelivery.Failure) {
            return try DotLock(name, in: directory, by: deadline) { body throws(SystemError) in try body() }
        } catch {
            switch error {
            case .system(let error) where error.isForWantOfRoom || error.isForWantOfRights: return nil
            case .system(let error): throw error
            case .locked, .unsuitable: throw SystemError("lock", .again, name)
            }
        }
    }

    deinit {
        if let (lock, directory) = dotLock { lock.release(in: directory.directory) }
        try? file.descriptor.unlockWholeFile()
    }
}

/// An open file that can be held in more than one place.
final class OpenMbox {
    let descriptor: Descriptor
    let isWritable: Bool
    init(_ descriptor: consuming Descriptor, isWritable: Bool) {
        self.descriptor = descriptor
        self.isWritable = isWritable
    }
}

final class OpenDirectory {
    let directory: Directory
    init(_ directory: consuming Directory) { self.directory = directory }
}
