import Bytes
import IMAP
import Mail
import MailStore
import Unix

/// A user's mboxes as what an IMAP session asks for.
final class MboxStore: MailboxStore {
    private let tree: MboxTree
    /// The ones used last: each knows what is in its file, and only has to look whether that is still so.
    private var open: [(name: [UInt8], mbox: NumberedMbox)] = []

    private static let mostOpen = 4

    var separator: UInt8 { MboxTree.separator }
    let mailboxesHaveChildren = false

    init(_ tree: MboxTree) { self.tree = tree }

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
        open.removeAll { $0.name == name }
        try step { () throws(FolderTree.Failure) in try tree.delete(name) }
    }

    /// Renaming INBOX moves its messages to a new mailbox, and leaves an empty INBOX: RFC 3501 §6.3.5.
    func rename(_ name: [UInt8], to newName: [UInt8]) throws(StoreFailure) {
        guard FolderTree.isInbox(name) else {
            open.removeAll()
            return try step { () throws(FolderTree.Failure) in try tree.rename(name, to: newName) }
        }
        try create(newName)
        let inbox = try MboxMailbox(mbox(name), in: self, readOnly: false)
        let all = Array(inbox.list.messages.indices)
        if all.isEmpty { return }
        _ = try inbox.copy(all, to: newName)
        _ = try inbox.expunge(all, marked: false)
    }

    func subscriptions() throws(StoreFailure) -> [[UInt8]] {
        try step { () throws(FolderTree.Failure) in try tree.subscriptions() }
    }

    func setSubscribed(_ name: [UInt8], _ isSubscribed: Bool) throws(StoreFailure) {
        try step { () throws(FolderTree.Failure) in try tree.setSubscribed(name, isSubscribed) }
    }

    func open(_ name: [UInt8], readOnly: Bool) throws(StoreFailure) -> any Mailbox {
        try MboxMailbox(mbox(name), in: self, readOnly: readOnly)
    }

    /// A mailbox that exists. INBOX always does: where its file is missing and this user may not make it, it is empty.
    func mbox(_ name: [UInt8]) throws(StoreFailure) -> NumberedMbox {
        let path = try step { () throws(FolderTree.Failure) in try tree.file(of: name) }
        let isInbox = FolderTree.isInbox(name)
        do throws(SystemError) {
            let status = try Path.status(path, following: false)
            guard isInbox || status?.kind == .regular else { throw SystemError("open", .noEntry, path) }
            // UIDs that were one session's alone go with it.
            open.removeAll { !$0.mbox.keepsUIDs }
            if let known = open.first(where: { $0.name == name }) { return known.mbox }
            let mbox = try NumberedMbox(path, named: isInbox ? [UInt8]("INBOX") : name, tree.uids)
            if status == nil { try? mbox.mbox.create() }
            open = [(name, mbox)] + open.prefix(Self.mostOpen - 1)
            return mbox
        } catch { throw StoreFailure(error) }
    }

    func append(
        to name: [UInt8], flags: MessageFlags, keywords: [[UInt8]], date: Int64?
    ) throws(StoreFailure) -> any Appending {
        let mbox = try target(name)
        guard let numbers = mbox.flags(of: keywords) else { throw .tooManyKeywords }
        return MboxAppending(mbox, try spool(), flags: flags.union(numbers), date: date)
    }

    /// A mailbox that a message can go to: what is none, or may not be written to, is refused before the message is asked for.
    func target(_ name: [UInt8]) throws(StoreFailure) -> NumberedMbox {
        let mbox = try mbox(name)
        do throws(SystemError) { try mbox.mbox.refresh() } catch { throw StoreFailure(error) }
        guard mbox.isWritable else { throw .notPermitted }
        return mbox
    }

    func spool() throws(StoreFailure) -> Spool {
        do throws(StoreFailure) { return try Spool(in: tree.path) } catch {
            // It is not the mailbox that is missing, but the directory, which could not be made.
            guard error == .missing else { throw error }
            throw tree.unmade.map { StoreFailure($0) } ?? .notPermitted
        }
    }
}

/// An APPEND on its way.
private final class MboxAppending: Appending {
    private let mbox: NumberedMbox
    private let spool: Spool
    private let flags: MessageFlags
    private let date: Int64?

    init(_ mbox: NumberedMbox, _ spool: Spool, flags: MessageFlags, date: Int64?) {
        (self.mbox, self.spool, self.flags, self.date) = (mbox, spool, flags, date)
    }

    func write(_ bytes: [UInt8]) throws(StoreFailure) { try spool.write(bytes) }

    func commit() throws(StoreFailure) -> AppendResult {
        let source = try spool.endMessage()
        let time = Time(seconds: date ?? Time.now().seconds)
        do throws(SystemError) {
            let uids = try mbox.append([NumberedMbox.Addition(source, flags: flags, date: time)])
            return AppendResult(uidValidity: mbox.validity, uids: uids)
        } catch { throw StoreFailure(error) }
    }
}
