import Bytes
import IMAP
import MailStore
import Unix

/// An open folder as what an IMAP session asks for.
final class MaildirMailbox: Mailbox {
    private let folder: Folder
    private let store: MaildirStore
    private var sizes: [UInt32: Int] = [:]

    init(_ folder: Folder, in store: MaildirStore) {
        self.folder = folder
        self.store = store
    }

    private func step<Result>(_ body: () throws(SystemError) -> Result) throws(StoreFailure) -> Result {
        do throws(SystemError) { return try body() } catch { throw StoreFailure(error) }
    }

    var uidValidity: UInt32 { folder.uidValidity }
    var uidNext: UInt32 { folder.uidNext }
    var count: Int { folder.messages.count }
    var keywords: [[UInt8]] { folder.keywordNames }
    func uid(_ index: Int) -> UInt32 { folder.messages[index].uid }
    func isRecent(_ index: Int) -> Bool { folder.messages[index].isRecent }
    func flags(_ index: Int) -> [[UInt8]] { FlagNames.names(folder.messages[index].flags, folder) }

    /// From the file's name, else by counting its line ends, once.
    func size(_ index: Int) throws(StoreFailure) -> Int {
        let message = folder.messages[index]
        if let size = message.entry.wireSize ?? sizes[message.uid] { return size }
        guard let source = try source(index) else { return 0 }
        var lines = WireLines()
        var (offset, size) = (0, 0)
        while true {
            let part = try source.read(at: offset, count: 1 << 16)
            if part.isEmpty { break }
            offset += part.count
            size += lines.count(part)
        }
        sizes[message.uid] = size
        return size
    }

    func internalDate(_ index: Int) throws(StoreFailure) -> Int64 {
        try step { () throws(SystemError) in try folder.internalDate(at: index).seconds }
    }

    func source(_ index: Int) throws(StoreFailure) -> (any MessageBytes)? {
        try step { () throws(SystemError) in
            guard let file = try folder.open(at: index) else { return nil }
            return StoredMessage(file)
        }
    }

    func refresh() throws(StoreFailure) -> MailboxChanges {
        let changes = try step { () throws(SystemError) in try folder.refresh() }
        return MailboxChanges(
            expunged: changes.expunged, flagsChanged: changes.flagsChanged, hasNew: changes.appended > 0)
    }

    func setFlags(_ index: Int, _ flags: [[UInt8]]) throws(StoreFailure) -> Bool {
        try step { () throws(SystemError) in
            try folder.setFlags(try FlagNames.flags(flags, folder), at: index)
        }
    }

    func expunge(_ indices: [Int]) throws(StoreFailure) {
        try step { () throws(SystemError) in try folder.expunge(indices) }
    }

    func synchronize() throws(StoreFailure) {
        try step { () throws(SystemError) in try folder.synchronize() }
    }

    /// All or nothing: RFC 3501 §6.4.7.
    func copy(_ indices: [Int], to name: [UInt8]) throws(StoreFailure) -> AppendResult {
        let target = try store.folder(name, readOnly: true)
        let delivery = try step { () throws(SystemError) in
            try MaildirDelivery(target.path, host: Host.name())
        }
        for index in indices {
            guard let source = try source(index) else { throw .missing }
            let names = flags(index)
            let date = try internalDate(index)
            try step { () throws(SystemError) in
                let message = MessageSource(prefix: []) { position throws(SystemError) in
                    do throws(StoreFailure) { return try source.read(at: position, count: 1 << 16) } catch {
                        throw SystemError("read", .inputOutput, target.path)
                    }
                }
                let letters = try FlagNames.flags(names, target).letters
                _ = try delivery.stage(message, letters: letters, date: Time(seconds: date))
            }
        }
        return try MaildirAppending.commit(delivery, target)
    }
}

/// A message's file, open for this command.
final class StoredMessage: MessageBytes {
    private let file: Descriptor

    init(_ file: consuming Descriptor) { self.file = file }

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
    private let flags: [[UInt8]]
    private let date: Int64?

    init(_ folder: Folder, flags: [[UInt8]], date: Int64?) throws(StoreFailure) {
        self.folder = folder
        self.flags = flags
        self.date = date
        spool = try Spool(in: folder.path + "tmp")
    }

    func write(_ bytes: [UInt8]) throws(StoreFailure) { try spool.write(bytes) }

    func commit() throws(StoreFailure) -> AppendResult {
        let source = try spool.endMessage()
        let staged: MaildirDelivery
        do throws(SystemError) {
            let delivery = try MaildirDelivery(folder.path, host: Host.name())
            let letters = try FlagNames.flags(flags, folder).letters
            _ = try delivery.stage(source, letters: letters, date: Time(seconds: date ?? Time.now().seconds))
            staged = delivery
        } catch { throw StoreFailure(error) }
        return try Self.commit(staged, folder)
    }

    /// Makes what is staged visible, and finds the UIDs that it got.
    static func commit(_ delivery: MaildirDelivery, _ folder: Folder) throws(StoreFailure) -> AppendResult {
        let bases = delivery.stagedBases
        if let failure = delivery.commit().compactMap({ $0 }).first { throw StoreFailure(failure) }
        do throws(SystemError) { _ = try folder.refresh(force: true) } catch { throw StoreFailure(error) }
        var uids: [[UInt8]: UInt32] = [:]
        for message in folder.messages { uids[message.entry.base] = message.uid }
        return AppendResult(uidValidity: folder.uidValidity, uids: bases.compactMap { uids[$0] })
    }
}
