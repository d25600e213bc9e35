import Bytes
import IMAP
import Mail
import MailStore
import Unix

/// An open folder as what an IMAP session asks for.
final class MaildirMailbox: Mailbox {
    private let folder: Folder
    private let store: MaildirStore

    init(_ folder: Folder, in store: MaildirStore) {
        self.folder = folder
        self.store = store
    }

    private func step<Result>(_ body: () throws(SystemError) -> Result) throws(StoreFailure) -> Result {
        do throws(SystemError) { return try body() } catch { throw StoreFailure(error) }
    }

    var isWritable: Bool { folder.isWritable }
    var keepsUIDs: Bool { folder.keepsUIDs }
    var uidValidity: UInt32 { folder.uidValidity }
    var uidNext: UInt32 { folder.uidNext }
    var list: MessageList { folder.list }
    var keywords: KeywordNames { folder.keywords }

    func size(_ index: Int) throws(StoreFailure) -> Int {
        guard let size = try step({ () throws(SystemError) in try folder.size(at: index) }) else {
            throw .expunged
        }
        return size
    }

    func internalDate(_ index: Int) throws(StoreFailure) -> Int64 {
        guard let status = try step({ () throws(SystemError) in try folder.status(at: index) }) else {
            throw .expunged
        }
        return status.modified.seconds
    }

    func source(_ index: Int) throws(StoreFailure) -> (any MessageBytes)? { try stored(index) }

    private func stored(_ index: Int) throws(StoreFailure) -> StoredMessage? {
        try step { () throws(SystemError) in
            guard let file = try folder.open(at: index) else { return nil }
            return StoredMessage(file)
        }
    }

    func refresh(thoroughly: Bool, expunges: Bool) throws(StoreFailure) -> MessageList.Changes {
        try step { () throws(SystemError) in
            try folder.refresh(thoroughly ? .now : .ifChanged, expunges: expunges)
        }
    }

    func refreshKeywords() throws(StoreFailure) {
        try step { () throws(SystemError) in try folder.readKeywords() }
    }

    func flags(of keywords: [[UInt8]]) throws(StoreFailure) -> MessageFlags {
        guard let flags = try step({ () throws(SystemError) in try folder.flags(of: keywords) }) else {
            throw .tooManyKeywords
        }
        return flags
    }

    func change(_ indices: [Int], by change: FlagChange) throws(StoreFailure) -> [Int] {
        try step { () throws(SystemError) in try folder.change(indices, by: change) }
    }

    func expunge(_ indices: [Int], marked: Bool) throws(StoreFailure) -> [Int] {
        try step { () throws(SystemError) in try folder.expunge(indices, marked: marked) }
    }

    func copy(_ indices: [Int], to name: [UInt8]) throws(StoreFailure) -> AppendResult {
        let target = try store.folder(name, readOnly: true)
        try refreshKeywords()
        let delivery = try step { () throws(SystemError) in
            try MaildirDelivery(target.path, host: Host.name())
        }
        for index in indices {
            guard let source = try stored(index),
                let flags = try step({ () throws(SystemError) in try folder.flags(at: index) })
            else { throw .expunged }
            let date = try internalDate(index)
            let translated = try MaildirAppending.flags(
                flags.intersection(.system), folder.keywords.names(of: flags), in: target
            ).union(MessageFlags(rawValue: flags.capitals))
            try step { () throws(SystemError) in
                _ = try delivery.stage(source.text(), flags: translated, date: Time(seconds: date))
            }
        }
        return try MaildirAppending.commit(delivery, target)
    }
}

/// A message's file, open for this command.
final class StoredMessage: MessageBytes {
    private let file: Descriptor

    init(_ file: consuming Descriptor) { self.file = file }

    func text() throws(SystemError) -> Extents {
        Extents(file: file.raw, count: try file.status().size, keeping: self)
    }

    func read(at offset: Int, count: Int) throws(StoreFailure) -> [UInt8] {
        do throws(SystemError) { return try file.read(upTo: count, at: offset) } catch {
            throw StoreFailure(error)
        }
    }
}

/// An APPEND on its way: gathered in a file without a name, then delivered.
final class MaildirAppending: Appending {
    private let folder: Folder
    private let spool: Spool
    private let flags: MessageFlags
    private let date: Int64?

    init(
        _ folder: Folder, flags: MessageFlags, keywords: [[UInt8]], date: Int64?
    ) throws(StoreFailure) {
        self.folder = folder
        self.flags = try Self.flags(flags, keywords, in: folder)
        self.date = date
        spool = try Spool(in: folder.path + "tmp")
    }

    func write(_ bytes: [UInt8]) throws(StoreFailure) { try spool.write(bytes) }

    func commit() throws(StoreFailure) -> AppendResult {
        let source = try spool.endMessage()
        let staged: MaildirDelivery
        do throws(SystemError) {
            let delivery = try MaildirDelivery(folder.path, host: Host.name())
            _ = try delivery.stage(source, flags: flags, date: Time(seconds: date ?? Time.now().seconds))
            staged = delivery
        } catch { throw StoreFailure(error) }
        return try Self.commit(staged, folder)
    }

    /// Makes what is staged visible, and finds the UIDs that it got.
    static func commit(_ delivery: MaildirDelivery, _ folder: Folder) throws(StoreFailure) -> AppendResult {
        do throws(SystemError) {
            let uids = try folder.add(delivery)
            return AppendResult(uidValidity: folder.uidValidity, uids: folder.keepsUIDs ? uids : [])
        } catch { throw StoreFailure(error) }
    }

    /// System flags, and keywords under the target's numbers.
    static func flags(
        _ flags: MessageFlags, _ keywords: [[UInt8]], in folder: Folder
    ) throws(StoreFailure) -> MessageFlags {
        do throws(SystemError) {
            if let known = try folder.flags(of: keywords) { return flags.union(known) }
        } catch { throw StoreFailure(error) }
        throw .tooManyKeywords
    }
}
