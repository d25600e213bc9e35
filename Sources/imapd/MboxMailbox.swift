import Bytes
import IMAP
import MailStore
import Unix

/// An open mbox as what an IMAP session asks for: the list as its client knows it, beside the file as it is.
final class MboxMailbox: Mailbox {
    private struct Known: Equatable {
        let uid: UInt32
        var flags: MessageFlags
    }

    private let mbox: NumberedMbox
    private let store: MboxStore
    private let isReadOnly: Bool
    private var list: [Known] = []
    private var recent: Set<UInt32> = []
    private(set) var uidValidity: UInt32 = 0
    /// Flags that the client has set and the file has not yet.
    private var pending: [UInt32: MessageFlags] = [:]

    init(_ mbox: NumberedMbox, in store: MboxStore, readOnly: Bool) throws(StoreFailure) {
        self.mbox = mbox
        self.store = store
        isReadOnly = readOnly
        _ = try refresh()
    }

    private func step<Result>(_ body: () throws(SystemError) -> Result) throws(StoreFailure) -> Result {
        do throws(SystemError) { return try body() } catch { throw StoreFailure(error) }
    }

    private func message(_ index: Int) throws(StoreFailure) -> NumberedMbox.Message {
        guard let message = mbox.message(list[index].uid, near: index) else { throw .missing }
        return message
    }

    var uidNext: UInt32 { mbox.next }
    var count: Int { list.count }
    var keywords: [[UInt8]] { mbox.keywordNames }
    func uid(_ index: Int) -> UInt32 { list[index].uid }
    func isRecent(_ index: Int) -> Bool { recent.contains(list[index].uid) }
    func flags(_ index: Int) -> [[UInt8]] { FlagNames.names(list[index].flags, mbox) }
    func size(_ index: Int) throws(StoreFailure) -> Int { try message(index).wireSize }
    func internalDate(_ index: Int) throws(StoreFailure) -> Int64 { try message(index).date }

    func source(_ index: Int) throws(StoreFailure) -> (any MessageBytes)? {
        guard mbox.message(list[index].uid, near: index) != nil else { return nil }
        return MboxBytes(mbox, list[index].uid, near: index)
    }

    // MARK: Changes

    func refresh() throws(StoreFailure) -> MailboxChanges {
        let claimed = try step { () throws(SystemError) in try mbox.refresh(claiming: !isReadOnly) }
        var changes = MailboxChanges()
        if mbox.validity != uidValidity {
            // Its numbers were lost and made anew: to this session everything is gone, and everything is new.
            changes.expunged = Array(list.indices.reversed())
            (list, recent, uidValidity) = ([], [], mbox.validity)
        }
        recent.formUnion(claimed)
        merge(&changes)
        return changes
    }

    /// Both lists ascend by UID; what the client knows and the file has not is gone.
    private func merge(_ changes: inout MailboxChanges) {
        let last = list.last?.uid ?? 0
        var kept: [Known] = []
        var messages = mbox.messages
        for (index, known) in list.enumerated() {
            while let message = messages.first, message.marks.uid < known.uid {
                messages = messages.dropFirst()
            }
            guard let message = messages.first, message.marks.uid == known.uid else {
                changes.expunged.append(index)
                continue
            }
            if message.marks.flags != known.flags { changes.flagsChanged.append(kept.count) }
            kept.append(Known(uid: known.uid, flags: message.marks.flags))
        }
        changes.expunged.sort(by: >)
        for message in messages where message.marks.uid > last {
            kept.append(Known(uid: message.marks.uid, flags: message.marks.flags))
            if isReadOnly, !message.marks.isOld { recent.insert(message.marks.uid) }
            changes.hasNew = true
        }
        list = kept
    }

    func setFlags(_ index: Int, _ flags: [[UInt8]]) throws(StoreFailure) -> Bool {
        guard mbox.message(list[index].uid, near: index) != nil else { return false }
        let flags = try step { () throws(SystemError) in try FlagNames.flags(flags, mbox) }
        list[index].flags = flags
        pending[list[index].uid] = flags
        return true
    }

    func synchronize() throws(StoreFailure) {
        guard !pending.isEmpty else { return }
        defer { pending = [:] }
        _ = try step { () throws(SystemError) in try mbox.setFlags(pending) }
    }

    func expunge(_ indices: [Int]) throws(StoreFailure) {
        let uids = Set(indices.map { list[$0].uid })
        try step { () throws(SystemError) in try mbox.expunge(uids) }
        list.removeAll { uids.contains($0.uid) }
    }

    /// All or nothing: RFC 3501 §6.4.7. By way of a spool, so that never two mboxes are locked at a time.
    func copy(_ indices: [Int], to name: [UInt8]) throws(StoreFailure) -> AppendResult {
        let target = try store.mbox(name)
        let spool = try store.spool()
        var additions: [NumberedMbox.Addition] = []
        for index in indices {
            let source = try spool.copy(MboxBytes(mbox, list[index].uid, near: index))
            let date = Time(seconds: try internalDate(index))
            let names = flags(index)
            let flags = try step { () throws(SystemError) in try FlagNames.flags(names, target) }
            additions.append(NumberedMbox.Addition(source, flags: flags, date: date))
        }
        let uids = try step { () throws(SystemError) in try target.append(additions) }
        return AppendResult(uidValidity: target.validity, uids: uids)
    }
}

/// A message of an mbox, wherever it is in the file by now.
private final class MboxBytes: MessageBytes {
    private let mbox: NumberedMbox
    private let uid: UInt32
    private let hint: Int

    init(_ mbox: NumberedMbox, _ uid: UInt32, near hint: Int) {
        (self.mbox, self.uid, self.hint) = (mbox, uid, hint)
    }

    func read(at offset: Int, count: Int) throws(StoreFailure) -> [UInt8] {
        let bytes: [UInt8]?
        do throws(SystemError) {
            bytes = try mbox.mbox.read(at: offset, count: count) { _ in mbox.message(uid, near: hint) }
        } catch { throw StoreFailure(error) }
        guard let bytes else { throw .missing }
        return bytes
    }
}
