import Bytes
import Mail
package import Unix

/// The mailboxes of a user whose mail comes into an mbox: INBOX is that file, the others are the mboxes in a directory and
/// in directories below it, as UW's imapd, alpine and Dovecot have them. Names are bytes as IMAP has them (modified UTF-7);
/// the separator is a slash.
package struct MboxTree {
    package typealias Failure = FolderTree.Failure

    package static let separator = UInt8.ascii("/")
    private static let longestName = 200
    private static let deepest = 10

    /// The mbox that mail comes into.
    package let inbox: String
    /// Where the others are; ends in a slash.
    package let path: String
    package let uids: UIDTable
    /// Why the directory could not be made.
    package let unmade: SystemError?
    let subscribed: Subscriptions

    /// Where a user's mboxes are, beside the one that mail comes into.
    package static func folders(home: String) -> String { "\(home)/mail/" }

    /// Makes the directory if it is missing. Who has no home, or no room or right to make it there, has INBOX alone.
    package init(inbox: String, folders path: String) throws(SystemError) {
        self.inbox = inbox
        self.path = path
        uids = UIDTable(in: Self.hidden(in: path))
        subscribed = Subscriptions(directory: path, file: ".subscriptions", separator: Self.separator)
        let (parent, name) = Path.split(String(path.dropLast()))
        do throws(SystemError) {
            try Directory(parent).makeDirectory(name, mode: 0o700)
            unmade = nil
        } catch {
            unmade = error
            guard error.code == .noEntry || error.isForWantOfRoom || error.isForWantOfRights else {
                throw error
            }
        }
        Self.makeHidden(in: path)
    }

    /// One that is only looked at.
    init(existing inbox: String, folders path: String) {
        (self.inbox, self.path, unmade) = (inbox, path, nil)
        uids = UIDTable(in: path + Self.hidden + "/")
        subscribed = Subscriptions(directory: path, file: ".subscriptions", separator: Self.separator)
    }

    /// Where Dovecot has its indexes, and looks for no mailboxes. Beside them it took the lock of our table for the dot lock of a
    /// mailbox, and waited for two minutes whenever it listed them.
    private static let hidden = ".imap"

    static func hidden(in folders: String) -> String { "\(folders)\(hidden)/" }

    /// Where it cannot be made, the table is in memory. An older imapd had it beside the mailboxes.
    private static func makeHidden(in path: String) {
        do throws(SystemError) {
            let directory = try Directory(path)
            try directory.makeDirectory(hidden, mode: 0o700)
            try directory.rename(UIDTable.file, to: Directory(path + hidden), as: UIDTable.file)
            try directory.removeIfPresent("\(UIDTable.file).lock")
        } catch {}
    }

    package func file(of name: [UInt8]) throws(Failure) -> String {
        FolderTree.isInbox(name) ? inbox : path + (try checked(name))
    }

    /// Names that lead to files below the directory and nowhere else, none of them hidden (which `..` would be), none a dot
    /// lock (T35).
    private func checked(_ name: [UInt8]) throws(Failure) -> String {
        guard !FolderTree.isInbox(name) else { throw .badName }
        return try entry(name)
    }

    /// The same of one that may lead to others: below a directory `inbox` there can be mailboxes, though it is none.
    private func entry(_ name: [UInt8]) throws(Failure) -> String {
        let parts = name.split(separator: Self.separator, omittingEmptySubsequences: false)
        let text = String(decoding: name, as: UTF8.self)
        guard !name.isEmpty, name.count <= Self.longestName, parts.count <= Self.deepest,
            parts.allSatisfy({ !$0.isEmpty && $0.first != .dot && $0.first != .ascii("~") }),
            ModifiedUTF7.isValid(name), !text.hasSuffix(".lock"), path + text != inbox
        else { throw .badName }
        return text
    }

    private func step<Result>(_ body: () throws(SystemError) -> Result) throws(Failure) -> Result {
        do throws(SystemError) { return try body() } catch { throw Failure(error) }
    }

    // MARK: Mailboxes

    /// All mailboxes but INBOX, sorted.
    package func names() throws(Failure) -> [[UInt8]] {
        var names: [[UInt8]] = []
        try step { () throws(SystemError) in
            guard try Path.status(path, following: true) != nil else { return }
            try gather(path, [], depth: 1, into: &names)
        }
        return names.sorted { $0.lexicographicallyPrecedes($1) }
    }

    private func gather(
        _ directory: String, _ prefix: [UInt8], depth: Int, into names: inout [[UInt8]]
    ) throws(SystemError) {
        var below: [[UInt8]] = []
        try Directory(directory).forEachEntry { found in
            let name = found.name
            guard let text = try? entry(prefix + name) else { return true }
            let kind = found.kind ?? (try? Path.status(path + text, following: false))?.kind
            if kind == .regular, !FolderTree.isInbox(prefix + name) { names.append(prefix + name) }
            if kind == .directory { below.append(prefix + name) }
            return true
        }
        for name in below where depth < Self.deepest {
            let text = String(decoding: name, as: UTF8.self)
            // One that cannot be read hides what is in it, and nothing else.
            try? gather(path + text, name + [Self.separator], depth: depth + 1, into: &names)
        }
    }

    private func kind(of name: String) throws(Failure) -> FileStatus.Kind? {
        try step { () throws(SystemError) in try Path.status(path + name, following: false)?.kind }
    }

    /// Makes a mailbox, and the directories that lead to it; only a directory where the name ends in a separator.
    package func create(_ name: [UInt8]) throws(Failure) {
        guard !FolderTree.isInbox(name) else { throw .exists }
        let isDirectory = name.last == Self.separator
        let text = try checked(isDirectory ? Array(name.dropLast()) : name)
        guard try kind(of: text) == nil else { throw .exists }
        try step { () throws(SystemError) in
            try makeParents(of: isDirectory ? text + "/" : text)
            if isDirectory { return }
            let (parent, last) = Path.split(path + text)
            let directory = try Directory(parent)
            _ = try directory.open(last, .createNew(mode: 0o600)).raw
            try directory.synchronize()
        }
    }

    private func makeParents(of name: String) throws(SystemError) {
        var parent = String(path.dropLast())
        let (home, top) = Path.split(parent)
        if unmade != nil { try Directory(home).makeDirectory(top, mode: 0o700) }
        for part in name.split(separator: "/", omittingEmptySubsequences: false).dropLast() {
            let directory = try Directory(parent)
            if try directory.makeDirectory(String(part), mode: 0o700) { try directory.synchronize() }
            parent += "/" + part
        }
    }

    /// What begins as no mbox does is somebody's file, and not ours to remove. One that this user may not read is.
    private static func isMailbox(
        _ name: String, in directory: borrowing Directory
    ) throws(SystemError) -> Bool {
        do throws(SystemError) {
            guard let file = try directory.openIfPresent(name, .read) else { return true }
            var scanner = MboxScanner([], nil, KeywordNames())
            _ = scanner.take(try file.read(upTo: 1 << 16), at: 0, isLast: true)
            return !scanner.isForeign
        } catch {
            guard error.isForWantOfRights else { throw error }
            return true
        }
    }

    /// Removes a mailbox with its messages, or an empty directory.
    package func delete(_ name: [UInt8]) throws(Failure) {
        guard !FolderTree.isInbox(name) else { throw .badName }
        let text = try checked(name)
        guard let kind = try kind(of: text) else { throw .missing }
        let (parent, last) = Path.split(path + text)
        try step { () throws(SystemError) in
            let parent = try Directory(parent)
            if kind == .directory {
                try parent.removeDirectory(last)
                return try parent.synchronize()
            }
            guard kind == .regular, try Self.isMailbox(last, in: parent) else {
                throw SystemError("unlink", .invalid, path + text)
            }
            do throws(SystemError) { try uids.retire(name) } catch {
                guard error.isForWantOfRoom else { throw error }
            }
            try parent.remove(last)
            try parent.synchronize()
        }
    }

    /// Renames a mailbox or a directory with all that is in it, and their UIDs with them.
    package func rename(_ name: [UInt8], to newName: [UInt8]) throws(Failure) {
        guard !FolderTree.isInbox(name), !FolderTree.isInbox(newName) else { throw .badName }
        let (from, to) = (try checked(name), try checked(newName))
        guard let kind = try kind(of: from) else { throw .missing }
        guard try self.kind(of: to) == nil else { throw .exists }
        try step { () throws(SystemError) in
            let (old, new) = (Path.split(path + from), Path.split(path + to))
            let here = try Directory(old.directory)
            let isOurs = kind == .regular ? try Self.isMailbox(old.name, in: here) : kind == .directory
            guard isOurs
            else { throw SystemError("rename", .invalid, path + from) }
            try makeParents(of: to)
            let there = try Directory(new.directory)
            try here.rename(old.name, to: there, as: new.name)
            try here.synchronize()
            try there.synchronize()
            try uids.rename { other in
                let isBelow = other.starts(with: name + [Self.separator])
                return other == name || isBelow ? newName + other.dropFirst(name.count) : nil
            }
        }
    }

    // MARK: Subscriptions

    package func subscriptions() throws(Failure) -> [[UInt8]] {
        try step { () throws(SystemError) in try subscribed.shown() }
    }

    package func setSubscribed(_ name: [UInt8], _ isSubscribed: Bool) throws(Failure) {
        // What no mailbox can be called may stand there all the same, and can go.
        if isSubscribed, !FolderTree.isInbox(name) { _ = try checked(name) }
        try step { () throws(SystemError) in try subscribed.set(name, isSubscribed) }
    }
}
