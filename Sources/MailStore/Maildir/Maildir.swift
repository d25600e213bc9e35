import Bytes
package import Mail
package import Unix

/// The files of one Maildir, for its owner. Links, FIFOs and directories in `new` and `cur` are not messages and
/// are never opened (T54). Other programs add, rename and remove files at any time.
package final class Maildir {
    package let path: String
    private let new: Directory
    private let cur: Directory

    /// ENOENT where there is no Maildir. One of its directories alone may be missing, because programs that copy trees leave
    /// out what is empty: it is made again.
    package init(_ path: String) throws(SystemError) {
        self.path = path
        let root = try Directory(path)
        try Self.completeDirectories(root)
        new = try Directory("new", in: root)
        cur = try Directory("cur", in: root)
    }

    static let halves = ["cur", "new", "tmp"]

    private static func completeDirectories(_ root: borrowing Directory) throws(SystemError) {
        var missing: [String] = []
        for name in halves where try root.status(of: name) == nil { missing.append(name) }
        guard missing.count < halves.count else { throw SystemError("open", .noEntry, root.path) }
        for name in missing { try root.makeDirectory(name, mode: 0o700) }
    }

    /// All messages, in no order. A file that is renamed meanwhile may be seen under both its names, or under none.
    package func files() throws(SystemError) -> [MaildirFile] {
        var files: [MaildirFile] = []
        for half in [MaildirFile.Half.new, .cur] {
            try withHalf(half) { directory throws(SystemError) in
                try directory.forEachEntry { entry in
                    if entry.name.first != .dot, entry.kind == .regular || entry.kind == nil {
                        files.append(MaildirFile(half, entry.name, inode: entry.inode))
                    }
                    return true
                }
            }
        }
        return files
    }

    /// When `new` and `cur` were last changed: for telling whether a scan is needed. ENOENT when the Maildir was removed.
    package func changeTimes() throws(SystemError) -> ChangeTimes {
        let (new, cur) = (try new.descriptor.status(), try cur.descriptor.status())
        guard new.links > 0, cur.links > 0 else { throw SystemError("open", .noEntry, path) }
        return ChangeTimes(new: new.modified, cur: cur.modified)
    }

    /// When a name was last made or removed in them, which nobody can set.
    func lastChange() throws(SystemError) -> Time {
        max(try new.descriptor.status().changed, try cur.descriptor.status().changed)
    }

    package struct ChangeTimes: Equatable {
        let new: Time
        let cur: Time
        var last: Time { max(new, cur) }
    }

    private func withHalf<Result: ~Copyable>(
        _ half: MaildirFile.Half, _ body: (borrowing Directory) throws(SystemError) -> Result
    ) throws(SystemError) -> Result {
        half == .new ? try body(new) : try body(cur)
    }

    // MARK: One file

    /// Opens a message for reading; nil when that name is gone or no plain file. `look` is told what was opened.
    package func open(
        _ file: MaildirFile, _ look: (FileStatus) -> Void = { _ in }
    ) throws(SystemError) -> Descriptor? {
        try withHalf(file.half) { directory throws(SystemError) in
            do throws(SystemError) {
                guard let opened = try directory.openIfPresent(file.name, .read) else { return nil }
                let status = try opened.status()
                guard status.kind == .regular else { return nil }
                look(status)
                return opened
            } catch {
                guard error.code == .tooManyLinks else { throw error }
                return nil
            }
        }
    }

    /// Nil when that name is gone.
    package func status(_ file: MaildirFile) throws(SystemError) -> FileStatus? {
        try withHalf(file.half) { directory throws(SystemError) in try directory.status(of: file.name) }
    }

    /// Changes the flags of the message that has this name at this moment: so they are the ones that its name says, and
    /// nobody's change is undone. What it is called then; nil when nothing has the name any more, or another has the new one.
    package func change(_ file: MaildirFile, by change: FlagChange) throws(SystemError) -> MaildirFile? {
        let flags = change.applied(to: file.flags)
        if flags == file.flags { return try status(file) == nil ? nil : file }
        return try rename(file, to: file.with(flags))
    }

    /// Moves a message from `new` to `cur`: it has been seen. Nil when somebody else did.
    package func claim(_ file: MaildirFile) throws(SystemError) -> MaildirFile? {
        try rename(file, to: file.with(file.flags))
    }

    func rename(_ file: MaildirFile, to changed: MaildirFile) throws(SystemError) -> MaildirFile? {
        if changed == file { return file }
        do throws(SystemError) {
            switch (file.half, changed.half) {
            case (.new, .new): try new.rename(file.name, to: new, as: changed.name)
            case (.new, .cur): try new.rename(file.name, to: cur, as: changed.name)
            case (.cur, .cur): try cur.rename(file.name, to: cur, as: changed.name)
            case (.cur, .new): return nil
            }
            return changed
        } catch {
            if error.code == .noEntry || error.code == .exists { return nil }
            throw error
        }
    }

    /// Whether the file was there.
    package func remove(_ file: MaildirFile) throws(SystemError) -> Bool {
        try withHalf(file.half) { directory throws(SystemError) in try directory.removeIfPresent(file.name) }
    }

    /// Makes renames and removals durable in the halves where there were some.
    package func synchronize(_ halves: Halves = .both) throws(SystemError) {
        if halves.contains(.new) { try new.synchronize() }
        if halves.contains(.cur) { try cur.synchronize() }
    }

    package struct Halves: OptionSet, Sendable {
        package let rawValue: UInt8
        package init(rawValue: UInt8) { self.rawValue = rawValue }

        static let new = Halves(rawValue: 1)
        static let cur = Halves(rawValue: 2)
        package static let both: Halves = [.new, .cur]

        init(_ half: MaildirFile.Half) { self = half == .new ? .new : .cur }
    }

    // MARK: Beside the messages

    func contents(_ name: String) throws(SystemError) -> [UInt8]? {
        let root = try Directory(path)
        guard let file = try root.openIfPresent(name, .read) else { return nil }
        return try file.readAll(limit: 1 << 28)
    }

    /// Puts a file that nobody needs in the place of another, or of none; what a power cut leaves of it may be damaged.
    func replace(_ name: String, with bytes: [UInt8]) throws(SystemError) {
        let root = try Directory(path)
        let temporary = "\(name).tmp"
        try root.removeIfPresent(temporary)
        do throws(SystemError) {
            let file = try root.open(temporary, .createNew(mode: 0o600))
            try file.write(bytes)
            try root.replace(name, with: temporary)
        } catch {
            _ = try? root.removeIfPresent(temporary)
            throw error
        }
    }
}
