import Bytes
import IMAP
import Mail
import MailStore
import Unix

/// A user's Maildir++ as what an IMAP session asks for.
final class MaildirStore: MailboxStore {
    private let tree: FolderTree

    var separator: UInt8 { FolderTree.separator }
    let mailboxesHaveChildren = true

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
        let all = Array(inbox.list.messages.indices)
        if all.isEmpty { return }
        let mailbox = MaildirMailbox(inbox, in: self)
        _ = try mailbox.copy(all, to: newName)
        _ = try mailbox.expunge(all, marked: false)
    }

    func subscriptions() throws(StoreFailure) -> [[UInt8]] {
        try step { () throws(FolderTree.Failure) in try tree.subscriptions() }
    }

    func setSubscribed(_ name: [UInt8], _ isSubscribed: Bool) throws(StoreFailure) {
        try step { () throws(FolderTree.Failure) in try tree.setSubscribed(name, isSubscribed) }
    }

    func open(_ name: [UInt8], readOnly: Bool) throws(StoreFailure) -> any Mailbox {
        MaildirMailbox(try folder(name, readOnly: readOnly), in: self)
    }

    func folder(_ name: [UInt8], readOnly: Bool) throws(StoreFailure) -> Folder {
        try step { () throws(FolderTree.Failure) in try tree.folder(name, readOnly: readOnly) }
    }

    func append(
        to name: [UInt8], flags: MessageFlags, keywords: [[UInt8]], date: Int64?
    ) throws(StoreFailure) -> any Appending {
        try MaildirAppending(folder(name, readOnly: true), flags: flags, keywords: keywords, date: date)
    }
}
