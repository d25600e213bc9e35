package import Unix

/// Takes messages out of an mbox in place, because who reads it may not make files beside it.
package enum MboxRewrite {
    package enum Failure: Error, Equatable {
        case locked
        /// Somebody else has rewritten it since it was read.
        case changed
        case system(SystemError)
    }

    /// Removes the messages of `index` that `removing` names from the mbox at `path`, keeping what was appended since.
    ///
    /// Locked by fcntl, then by a dot lock where the directory lets this user make one: in a mail spool it may
    /// not, and every deliverer of today takes the first as well (T58).
    ///
    /// What is kept moves towards the beginning, lowest first, and is only written over what is gone or was
    /// copied already: a process that dies on the way leaves every kept byte in the file.
    package static func remove(
        _ removing: Set<Int>, of index: MboxIndex, from file: borrowing Descriptor, at path: String,
        patience: Duration = .seconds(30)
    ) throws(Failure) {
        guard !removing.isEmpty else { return }
        do throws(SystemError) {
            let deadline = Deadline.after(patience)
            while try !file.tryLockWholeFile() {
                guard !deadline.hasPassed else { throw SystemError("fcntl", .again, path) }
                pause(.milliseconds(50))
            }
            let (parent, name) = Path.split(path)
            let directory = try Directory(parent)
            let lock = try dotLock(name, in: directory, by: deadline)
            defer { lock?.release(in: directory) }
            let opened = try file.status()
            guard let named = try directory.status(of: name), named.isSameFile(as: opened) else {
                throw SystemError("mbox", .invalid, path)
            }
            let now = try MboxIndex(file)
            guard now.messages.count >= index.messages.count,
                now.messages.prefix(index.messages.count).map(\.fingerprint)
                    == index.messages.map(\.fingerprint)
            else { throw SystemError("mbox", .invalid, path) }
            try shift(now, removing, file)
            try file.synchronize()
        } catch {
            if error.code == .again { throw .locked }
            throw error.call == "mbox" ? .changed : .system(error)
        }
    }

    /// Nil where this user may not make files.
    private static func dotLock(
        _ name: String, in directory: borrowing Directory, by deadline: Deadline
    ) throws(SystemError) -> DotLock? {
        do throws(MboxDelivery.Failure) {
            return try DotLock(name, in: directory, by: deadline) { body throws(SystemError) in try body() }
        } catch {
            switch error {
            case .system(let error) where [.accessDenied, .notPermitted].contains(error.code): return nil
            case .system(let error): throw error
            case .locked, .unsuitable: throw SystemError("lock", .again, name)
            }
        }
    }

    private static func shift(
        _ index: MboxIndex, _ removing: Set<Int>, _ file: borrowing Descriptor
    ) throws(SystemError) {
        var target = index.messages.first?.start ?? index.size
        for (number, message) in index.messages.enumerated() {
            let end = number + 1 < index.messages.count ? index.messages[number + 1].start : index.size
            if removing.contains(number) { continue }
            if target == message.start {
                target = end
                continue
            }
            var source = message.start
            while source < end {
                let part = try file.read(upTo: min(1 << 16, end - source), at: source)
                if part.isEmpty { break }
                try file.write(part, at: target)
                source += part.count
                target += part.count
            }
        }
        try file.truncate(to: target)
    }
}
