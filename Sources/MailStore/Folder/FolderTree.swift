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
    private static let longestName = 200

    /// Ends in a slash.
    package let path: String

    /// The tree at `path`; makes the Maildir if it is missing.
    package init(_ path: String) throws(SystemError) {
        self.path = path
        _ = try MaildirDelivery(path, host: Host.name())
    }

    package static func isInbox(_ name: [UInt8]) -> Bool { name.equalsFolded("INBOX") }

    /// The directory of a folder, with a slash at its end.
    package func directory(of name: [UInt8]) throws(Failure) -> String {
        if Self.isInbox(name) { return path }
        return path + "." + (try Self.checked(name)) + "/"
    }

    /// Names that lead to one directory in the Maildir and nowhere else: no slash, no control byte, no empty part
    /// (which `..` would have).
    private static func checked(_ name: [UInt8]) throws(Failure) -> String {
        let parts = name.split(separator: separator, omittingEmptySubsequences: false)
        guard !name.isEmpty, name.count <= longestName, parts.allSatisfy({ !$0.isEmpty }),
            !name.contains(.ascii("/")),
            name.allSatisfy({ $0.isPrintable }), name.first != .ascii("~")
        else { throw .badName }
        return String(decoding: name, as: UTF8.self)
    }

    private func root() throws(Failure) -> Directory {
        do throws(SystemError) { return try Directory(path) } catch { throw .system(error) }
    }

    private func step<Result>(_ body: () throws(SystemError) -> Result) throws(Failure) -> Result {
        do throws(SystemError) { return try body() } catch { throw Failure(error) }
    }

    /// All folders but INBOX, sorted.
    package func names() throws(Failure) -> [[UInt8]] {
        let root = try root()
        return try step { () throws(SystemError) in
            var names: [[UInt8]] = []
            try root.forEachEntry { name, kind in
                guard name.first == .dot, name.count > 1, kind == .directory || kind == nil else {
                    return true
                }
                let folder = Array(name.dropFirst())
                if (try? Self.checked(folder)) != nil { names.append(folder) }
                return true
            }
            return names.sorted { $0.lexicographicallyPrecedes($1) }
        }
    }

    package func exists(_ name: [UInt8]) throws(Failure) -> Bool {
        if Self.isInbox(name) { return true }
        let directory = try directory(of: name)
        return try step { () throws(SystemError) in
            try Path.status(directory + "cur", following: false)?.kind == .directory
        }
    }

    package func create(_ name: [UInt8]) throws(Failure) {
        guard !Self.isInbox(name), try !exists(name) else { throw .exists }
        let directory = try directory(of: name)
        try step { () throws(SystemError) in
            _ = try MaildirDelivery(directory, host: Host.name())
            // The Maildir++ mark of a folder.
            _ = try Directory(directory).open("maildirfolder", .create(mode: 0o600)).raw
        }
    }

    /// Removes a folder and its messages, not its children.
    package func delete(_ name: [UInt8]) throws(Failure) {
        guard !Self.isInbox(name) else { throw .badName }
        guard try exists(name) else { throw .missing }
        let text = "." + (try Self.checked(name))
        let root = try root()
        try step { () throws(SystemError) in try Self.removeTree(text, in: root, depth: 0) }
    }

    private static func removeTree(_ name: String, in parent: borrowing Directory, depth: Int)
        throws(SystemError)
    {
        do {
            let directory = try Directory(name, in: parent)
            for child in try directory.names() {
                if try directory.status(of: child)?.kind == .directory {
                    guard depth < 3 else { throw SystemError("rmdir", .notEmpty, name) }
                    try removeTree(child, in: directory, depth: depth + 1)
                } else {
                    try directory.removeIfPresent(child)
                }
            }
        }
        try parent.removeDirectory(name)
    }

    /// Renames a folder and its children.
    package func rename(_ name: [UInt8], to newName: [UInt8]) throws(Failure) {
        guard !Self.isInbox(name), !Self.isInbox(newName) else { throw .badName }
        _ = try Self.checked(newName)
        guard try exists(name) else { throw .missing }
        guard try !exists(newName) else { throw .exists }
        let root = try root()
        for folder in try names() where folder == name || folder.starts(with: name + [Self.separator]) {
            let from = "." + (try Self.checked(folder))
            let to = "." + (try Self.checked(newName + folder.dropFirst(name.count)))
            try step { () throws(SystemError) in try root.rename(from, to: root, as: to) }
        }
    }

    // MARK: Subscriptions

    private var subscribed: Subscriptions {
        Subscriptions(directory: path, file: "subscriptions", separator: Self.separator)
    }

    package func subscriptions() throws(Failure) -> [[UInt8]] {
        try step { () throws(SystemError) in try subscribed.names() }
    }

    package func setSubscribed(_ name: [UInt8], _ isSubscribed: Bool) throws(Failure) {
        if !Self.isInbox(name) { _ = try Self.checked(name) }
        try step { () throws(SystemError) in try subscribed.set(name, isSubscribed) }
    }
}
