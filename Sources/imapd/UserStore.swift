import Bytes
import IMAP
import MailStore
import Unix

/// A user's Maildir++ as what an IMAP session asks for.
final class UserStore: MailboxStore {
    private let tree: FolderTree

    init(_ tree: FolderTree) { self.tree = tree }

    private func step<Result>(_ body: () throws(FolderTree.Failure) -> Result) throws(StoreFailure) -> Result
    {
        do throws(FolderTree.Failure) { return try body() } catch { throw StoreFailure(error) }
    }

    func names() throws(StoreFailure) -> [[UInt8]] {
        try step { () throws(FolderTree.Failure) in try tree.names() }
    }

    func create(_ name: [UInt8]) throws(StoreFailure) {
        try step { () throws(FolderTree.Failure) in try tree.create(name) }
    }

    func delete(_ name: [UInt8]) throws(StoreFailure) {
        try step { () throws(FolderTree.Failure) in try tree.delete(name) }
    }

    /// Renaming INBOX moves its messages to a new mailbox, and leaves an empty INBOX: RFC 3501 §6.3.5.
    func rename(_ name: [UInt8], to newName: [UInt8]) throws(StoreFailure) {
        guard FolderTree.isInbox(name) else {
            return try step { () throws(FolderTree.Failure) in try tree.rename(name, to: newName) }
        }
        try create(newName)
        let inbox = try folder(name, readOnly: false)
        let all = Array(inbox.messages.indices)
        if !all.isEmpty { _ = try UserMailbox(inbox, in: self).copy(all, to: newName) }
        do throws(SystemError) {
            for index in all.reversed() { try inbox.expunge(at: index) }
            try inbox.synchronize()
        } catch { throw StoreFailure(error) }
    }

    func subscriptions() throws(StoreFailure) -> [[UInt8]] {
        try step { () throws(FolderTree.Failure) in try tree.subscriptions() }
    }

    func setSubscribed(_ name: [UInt8], _ isSubscribed: Bool) throws(StoreFailure) {
        try step { () throws(FolderTree.Failure) in try tree.setSubscribed(name, isSubscribed) }
    }

    func open(_ name: [UInt8], readOnly: Bool) throws(StoreFailure) -> any Mailbox {
        UserMailbox(try folder(name, readOnly: readOnly), in: self)
    }

    func folder(_ name: [UInt8], readOnly: Bool) throws(StoreFailure) -> Folder {
        let directory = try step { () throws(FolderTree.Failure) in try tree.directory(of: name) }
        do throws(SystemError) { return try Folder(directory, readOnly: readOnly) } catch {
            throw StoreFailure(error)
        }
    }

    func append(to name: [UInt8], flags: [[UInt8]], date: Int64?) throws(StoreFailure) -> any Appending {
        try MaildirAppending(folder(name, readOnly: true), flags: flags, date: date)
    }
}

extension StoreFailure {
    init(_ failure: FolderTree.Failure) {
        switch failure {
        case .badName: self = .badName
        case .exists: self = .exists
        case .missing: self = .missing
        case .system(let error): self = StoreFailure(error)
        }
    }

    init(_ error: SystemError) {
        switch error.code {
        case .noEntry, .notDirectory: self = .missing
        case .noSpace, .overQuota: self = .overQuota
        case .accessDenied, .notPermitted: self = .notPermitted
        default: self = .system("\(error)")
        }
    }
}

/// The names of flags, and their bits.
enum FlagNames {
    private static let system: [(StaticString, MessageFlags.System)] = [
        ("\\Answered", .answered), ("\\Flagged", .flagged), ("\\Deleted", .deleted), ("\\Seen", .seen),
        ("\\Draft", .draft),
    ]

    static func names(_ flags: MessageFlags, _ folder: Folder) -> [[UInt8]] {
        system.filter { flags.system.contains($0.1) }.map { [UInt8]($0.0) }
            + flags.keywords.compactMap { folder.keywordName($0) }
    }

    /// Keywords get their letters in the folder.
    static func flags(_ names: [[UInt8]], _ folder: Folder) throws(SystemError) -> MessageFlags {
        var bits: MessageFlags.System = []
        var keywords: [[UInt8]] = []
        for name in names {
            if let bit = system.first(where: { name.equalsFolded($0.0) })?.1 {
                bits.insert(bit)
            } else if name.first != .backslash {
                keywords.append(name)
            }
        }
        return MessageFlags(system: bits, keywords: try folder.letters(of: keywords))
    }
}
