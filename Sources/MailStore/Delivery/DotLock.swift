import Bytes
import Unix

/// The lock of mailbox programs since the first ones: a file `NAME.lock` that can be made only once. Works
/// over NFS, and for programs that know no other. Inside is `PID:HOST`, as Dovecot writes it, so that one that
/// is left over from a crash is known at once.
struct DotLock {
    private let name: String
    private let privileged: MboxDelivery.Privileged

    /// A lock that nobody has touched for so long is left over from a crash.
    static let staleAge: Duration = .seconds(900)

    init(
        _ mailbox: String, in directory: borrowing Directory, by deadline: Deadline,
        staleAge: Duration = staleAge, mayLackHost: Bool = false,
        _ privileged: @escaping MboxDelivery.Privileged = { body throws(SystemError) in try body() }
    ) throws(MboxDelivery.Failure) {
        name = mailbox + ".lock"
        self.privileged = privileged
        while true {
            do throws(SystemError) {
                if try Self.make(name, in: directory, privileged) { return }
                if try Self.isStale(name, in: directory, staleAge, mayLackHost) {
                    try Self.remove(name, in: directory, privileged)
                    continue
                }
            } catch { throw .system(error) }
            guard !deadline.hasPassed else { throw .locked }
            pause(min(.milliseconds(200), deadline.remaining))
        }
    }

    private static func make(
        _ name: String, in directory: borrowing Directory, _ privileged: MboxDelivery.Privileged
    ) throws(SystemError) -> Bool {
        do throws(SystemError) {
            try privileged { () throws(SystemError) in
                let holder = "\(Identity.process):\(Host.bareName)\n".utf8
                // With its name it has its content, or a crash would leave one that says nothing.
                if let file = try directory.openUnnamed(mode: 0o600) {
                    try write(holder, to: file)
                    return try directory.link(file, as: name)
                }
                // Hidden: in a directory of mboxes it is none.
                let temporary = ".\(name).\(Host.bareName).\(Identity.process)"
                try directory.removeIfPresent(temporary)
                let file = try directory.open(temporary, .createNew(mode: 0o600))
                defer { _ = try? directory.removeIfPresent(temporary) }
                try write(holder, to: file)
                try directory.link(temporary, to: directory, as: name)
            }
            return true
        } catch {
            guard error.code == .exists else { throw error }
            return false
        }
    }

    /// On a full disk the name alone must do: mail can be removed from there.
    private static func write(
        _ holder: some Collection<UInt8>, to file: borrowing Descriptor
    ) throws(SystemError) {
        do throws(SystemError) { try file.write(holder) } catch {
            guard error.isForWantOfRoom else { throw error }
        }
    }

    private static func remove(
        _ name: String, in directory: borrowing Directory, _ privileged: MboxDelivery.Privileged
    ) throws(SystemError) {
        try privileged { () throws(SystemError) in try directory.removeIfPresent(name) }
    }

    /// Only a plain file can be a lock left over; a link in its place is somebody's trick and stays.
    static func isStale(
        _ name: String, in directory: borrowing Directory, _ staleAge: Duration, _ mayLackHost: Bool
    ) throws(SystemError) -> Bool {
        guard let status = try directory.status(of: name), status.kind == .regular else { return false }
        return Time.now() - status.modified > staleAge
            || isOfDeadProcess(name, in: directory, mayLackHost)
    }

    /// Of this host, and gone. A lock that cannot be read, or that says no host, may be anybody's, unless only programs of this
    /// host leave it out (`mayLackHost`).
    private static func isOfDeadProcess(
        _ name: String, in directory: borrowing Directory, _ mayLackHost: Bool
    ) -> Bool {
        guard let file = try? directory.open(name, .read), let text = try? file.read(upTo: 512) else {
            return false
        }
        let fields = text.prefix { $0 != .lf }.split(separator: .ascii(":"), maxSplits: 1)
        let isHere =
            fields.count == 1 ? mayLackHost : fields.count == 2 && fields[1].elementsEqual(Host.bareName.utf8)
        guard isHere else { return false }
        guard let number = Int64(strictDecimal: fields[0]), let process = Int32(exactly: number), process > 0
        else { return false }
        return !Identity.processExists(process)
    }

    /// Twice if need be: a lock that stays keeps everybody out until it is stale.
    func release(in directory: borrowing Directory) {
        do throws(SystemError) { try Self.remove(name, in: directory, privileged) } catch {
            _ = try? Self.remove(name, in: directory, privileged)
        }
    }
}
