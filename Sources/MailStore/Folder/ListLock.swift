import Unix

/// What keeps other sessions, and Dovecot, from changing a Maildir's UID list: flock(2) on the Maildir's directory, which ends
/// with its process and needs no room on the disk, and then `dovecot-uidlist.lock`, which is all that Dovecot knows.
struct ListLock: ~Copyable {
    private let directory: OpenDirectory
    private let dotLock: DotLock?

    private static let patience = Duration.seconds(130)
    /// Dovecot overrides it after two minutes, too.
    private static let stale = Duration.seconds(120)

    init(in directory: OpenDirectory) throws(SystemError) {
        let deadline = Deadline.after(Self.patience)
        while try !directory.directory.descriptor.tryLock() {
            guard !deadline.hasPassed else { throw SystemError("flock", .again, directory.directory.path) }
            pause(.milliseconds(5))
        }
        do throws(SystemError) { dotLock = try Self.dotLock(in: directory.directory, by: deadline) } catch {
            try? directory.directory.descriptor.unlock()
            throw error
        }
        self.directory = directory
    }

    /// Whether a crash has left a dot lock there.
    static func isStale(in directory: borrowing Directory) throws(SystemError) -> Bool {
        try DotLock.isStale("dovecot-uidlist.lock", in: directory, stale, true)
    }

    /// Nil where there is no room for one, or no right to make it: mail must be readable there, and can be removed.
    private static func dotLock(
        in directory: borrowing Directory, by deadline: Deadline
    ) throws(SystemError) -> DotLock? {
        do throws(MboxDelivery.Failure) {
            // Relais wrote it without the host once, and Dovecot never did.
            return try DotLock(
                "dovecot-uidlist", in: directory, by: deadline, staleAge: stale, mayLackHost: true)
        } catch {
            switch error {
            case .system(let error) where error.isForWantOfRoom || error.isForWantOfRights: return nil
            case .system(let error): throw error
            case .locked, .unsuitable: throw SystemError("lock", .again, directory.path)
            }
        }
    }

    /// Twice if need be: this process would wait for itself.
    deinit {
        dotLock?.release(in: directory.directory)
        do throws(SystemError) { try directory.directory.descriptor.unlock() } catch {
            try? directory.directory.descriptor.unlock()
        }
    }
}

extension SystemError {
    /// The disk, or what this user may have of it, is full.
    package var isForWantOfRoom: Bool { code == .noSpace || code == .overQuota }
    /// This user may not write there, or nobody may.
    package var isForWantOfRights: Bool {
        [.accessDenied, .notPermitted, .readOnlyFilesystem].contains(code)
    }
}
