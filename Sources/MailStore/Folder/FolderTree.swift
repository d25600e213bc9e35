import Bytes
package import Unix

/// The folders of a Maildir++: INBOX is the Maildir itself, `A.B` is the directory `.A.B` in it. Names are bytes as
/// IMAP has them (modified UTF-7); the separator is a dot.
package struct FolderTree {
    package enum Failure: Error, Equatable {
        /// No name that a folder can have (T35).
        case badName
        case exists
        case missing
        case system(SystemError)

        init(_ error: SystemError) {
            switch error.code {
            case .noEntry: self = .missing
            case .exists: self = .exists
            default: self = .system(error)
            }
        }
    }

    package static let separator = UInt8.dot
    /// What a file's name has room for behind the dot.
    private static let longestName = 254

    /// Ends in a slash.
    package let path: String
    package let uids: UIDTable

    /// The tree at `path`; makes the Maildir if it is missing.
    package init(_ path: String) throws(SystemError) {
        self.path = path
        uids = UIDTable(in: path)
        _ = try MaildirDelivery(path, host: Host.name())
    }

    /// One that is only looked at.
    init(existing path: String) {
        self.path = path
        uids = UIDTable(in: path)
    }

    package static func isInbox(_ name: [UInt8]) -> Bool { name.equalsFolded("INBOX") }

    /// The directory of a folder, with a slash at its end.
    package func directory(of name: [UInt8]) throws(Failure) -> String {
        if Self.isInbox(name) { return path }
        return path + "." + (try Self.checked(name)) + "/"
    }

    /// Names that lead to one directory in the Maildir and nowhere else: no slash, no control byte, no empty part
    /// (which `..` would have); and that a client can understand.
    private static func checked(_ name: [UInt8]) throws(Failure) -> String {
        let parts = name.split(separator: separator, omittingEmptySubsequences: false)
        guard !name.isEmpty, name.count <= longestName, parts.allSatisfy({ !$0.isEmpty }),
            !name.contains(.ascii("/")),
            ModifiedUTF7.isValid(name), name.first != .ascii("~")
        else { throw .badName }
        return String(decoding: name, as: UTF8.self)
    }

    private func root() throws(Failure) -> Directory {
        do throws(SystemError) { return try Directory(path) } catch { throw .system(error) }
    }

    private func step<Result>(_ body: () throws(SystemError) -> Result) throws(Failure) -> Result {
        do throws(SystemError) { return try body() } catch { throw Failure(error) }
    }

    /// All folders but INBOX, sorted. What is no Maildir is none, nor what has no name that a client can call it by.
    package func names() throws(Failure) -> [[UInt8]] {
        let root = try root()
        return try step { () throws(SystemError) in
            var names: [[UInt8]] = []
            try root.forEachEntry { entry in
                guard entry.name.first == .dot, entry.name.count > 1,
                    entry.kind == .directory || entry.kind == nil
                else { return true }
                let folder = Array(entry.name.dropFirst())
                do throws(Failure) { if try exists(folder) { names.append(folder) } } catch {
                    // One that cannot be looked at is there.
                    if case .system = error { names.append(folder) }
                }
                return true
            }
            return names.sorted { $0.lexicographicallyPrecedes($1) }
        }
    }

    package func exists(_ name: [UInt8]) throws(Failure) -> Bool {
        if Self.isInbox(name) { return true }
        let directory = try directory(of: name)
        return try step { () throws(SystemError) in
            for half in Maildir.halves {
                if try Path.status(directory + half, following: false)?.kind == .directory { return true }
            }
            return false
        }
    }

    package func folder(_ name: [UInt8], readOnly: Bool) throws(Failure) -> Folder {
        let directory = try directory(of: name)
        let name = Self.isInbox(name) ? [UInt8]("INBOX") : name
        return try step { () throws(SystemError) in
            try Folder(directory, named: name, uids, readOnly: readOnly)
        }
    }

    /// Makes a folder, durably.
    package func create(_ name: [UInt8]) throws(Failure) {
        guard !Self.isInbox(name), try !exists(name) else { throw .exists }
        let directory = try directory(of: name)
        let root = try root()
        try step { () throws(SystemError) in
            // What a link leads to is another's, and what a file holds.
            if let kind = try root.status(of: [.dot] + name)?.kind, kind != .directory {
                throw SystemError("mkdir", .exists, directory)
            }
            _ = try MaildirDelivery(directory, host: Host.name())
            let folder = try Directory(directory)
            // The Maildir++ mark of a folder.
            _ = try folder.open("maildirfolder", .create(mode: 0o600)).raw
            try folder.synchronize()
        }
        try synchronize()
    }

    private func synchronize() throws(Failure) {
        let root = try root()
        try step { () throws(SystemError) in try root.synchronize() }
    }

    /// Removes a folder and its messages durably, not its children: all at one stroke, by a name that is no folder's.
    package func delete(_ name: [UInt8]) throws(Failure) {
        guard !Self.isInbox(name) else { throw .badName }
        guard try exists(name) else { throw .missing }
        let root = try root()
        try step { () throws(SystemError) in
            // What a link leads to is another's.
            guard try root.status(of: [.dot] + name)?.kind == .directory else {
                throw SystemError("rmdir", .notDirectory, path)
            }
        }
        try retire(name)
        try step { () throws(SystemError) in
            let gone = Self.gone + Array("\(Time.now().microseconds).\(Identity.process)".utf8)
            try root.rename([.dot] + name, to: root, as: gone)
            try root.synchronize()
        }
        // What a crash has left of others goes, too.
        try? removeWhatIsGone(root)
    }

    static let gone = [UInt8]("..relais-gone.")

    func removeWhatIsGone(_ root: borrowing Directory) throws(SystemError) {
        var gone: [[UInt8]] = []
        try root.forEachName { name in
            if name.starts(with: Self.gone) { gone.append(name) }
            return true
        }
        for name in gone { try? Self.removeTree(name, in: root, depth: 0) }
    }

    /// Who gets the name later has another UIDVALIDITY.
    private func retire(_ name: [UInt8]) throws(Failure) {
        let list = try directory(of: name) + "dovecot-uidlist"
        try step { () throws(SystemError) in
            let bytes = try Path.contents(list, limit: 1 << 28)
            do throws(SystemError) {
                try uids.retire(name, validity: bytes.flatMap { UIDList($0) }?.validity)
            } catch { guard error.isForWantOfRoom else { throw error } }
        }
    }

    private static func removeTree(_ name: [UInt8], in parent: borrowing Directory, depth: Int)
        throws(SystemError)
    {
        do {
            let directory = try parent.subdirectory(name)
            var children: [[UInt8]] = []
            try directory.forEachName { child in
                children.append(child)
                return true
            }
            for child in children {
                if try directory.status(of: child)?.kind == .directory {
                    guard depth < 3 else { throw SystemError("rmdir", .notEmpty, directory.path) }
                    try removeTree(child, in: directory, depth: depth + 1)
                } else {
                    try directory.removeIfPresent(child)
                }
            }
        }
        try parent.removeDirectory(name)
    }

    /// Renames a folder and its children, durably; its children alone where it is no mailbox itself.
    package func rename(_ name: [UInt8], to newName: [UInt8]) throws(Failure) {
        guard !Self.isInbox(name), !Self.isInbox(newName) else { throw .badName }
        _ = try Self.checked(name)
        _ = try Self.checked(newName)
        let moving = try names().filter { $0 == name || $0.starts(with: name + [Self.separator]) }
        guard !moving.isEmpty else { throw .missing }
        guard try !exists(newName) else { throw .exists }
        let root = try root()
        for folder in moving {
            let target = newName + folder.dropFirst(name.count)
            _ = try Self.checked(target)
            guard try !exists(target) else { throw .exists }
        }
        for folder in moving {
            let target = newName + folder.dropFirst(name.count)
            try retire(folder)
            try step { () throws(SystemError) in
                try root.rename([.dot] + folder, to: root, as: [.dot] + target)
            }
            try renewValidity(of: target)
        }
        try synchronize()
    }

    /// A folder that was given a name which another had is not to be taken for that one, or for an older state of it.
    private func renewValidity(of name: [UInt8]) throws(Failure) {
        let path = try directory(of: name)
        try step { () throws(SystemError) in
            let directory = OpenDirectory(try Directory(path))
            let lock = try ListLock(in: directory)
            if let bytes = try Path.contents(path + "dovecot-uidlist", limit: 1 << 28),
                var list = UIDList(bytes),
                try uids.hasHad(name, notBelow: list.validity)
            {
                list.validity = try uids.newValidity(of: name, above: list.validity)
                try directory.directory.replaceDurably("dovecot-uidlist", with: list.encoded)
            }
            _ = consume lock
        }
    }

    // MARK: Subscriptions

    var subscribed: Subscriptions {
        Subscriptions(directory: path, file: "subscriptions", separator: Self.separator)
    }

    package func subscriptions() throws(Failure) -> [[UInt8]] {
        try step { () throws(SystemError) in try subscribed.shown() }
    }

    package func setSubscribed(_ name: [UInt8], _ isSubscribed: Bool) throws(Failure) {
        // What no mailbox can be called may stand there all the same, and can go.
        if isSubscribed, !Self.isInbox(name) { _ = try Self.checked(name) }
        try step { () throws(SystemError) in try subscribed.set(name, isSubscribed) }
    }
}
