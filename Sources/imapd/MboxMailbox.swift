import Bytes
import IMAP
import Mail
import MailStore
import Unix

/// An open mbox as what an IMAP session asks for: the list as its client knows it, beside the file as it is.
final class MboxMailbox: Mailbox {
    private let mbox: NumberedMbox
    private let store: MboxStore
    /// Nothing is claimed by who only looks, or may only look.
    private let isExamined: Bool
    private var isReadOnly: Bool { isExamined || !mbox.isWritable }
    private(set) var list = MessageList()
    private(set) var uidValidity: UInt32 = 0
    /// The list says all of this state of the mbox.
    private var mergedState: Int?

    init(_ mbox: NumberedMbox, in store: MboxStore, readOnly: Bool) throws(StoreFailure) {
        self.mbox = mbox
        self.store = store
        isExamined = readOnly
        _ = try refresh(thoroughly: true, expunges: true)
    }

    private func step<Result>(_ body: () throws(SystemError) -> Result) throws(StoreFailure) -> Result {
        do throws(SystemError) { return try body() } catch { throw StoreFailure(error) }
    }

    private func message(_ index: Int) throws(StoreFailure) -> NumberedMbox.Message {
        guard let message = mbox.message(list[index].uid, near: index) else { throw .expunged }
        return message
    }

    var isWritable: Bool { mbox.isWritable }
    var keepsUIDs: Bool { mbox.keepsUIDs }
    var uidNext: UInt32 { mbox.next }
    var keywords: KeywordNames { mbox.keywords }
    func size(_ index: Int) throws(StoreFailure) -> Int { try message(index).wireSize }
    func internalDate(_ index: Int) throws(StoreFailure) -> Int64 { try message(index).date }

    func source(_ index: Int) throws(StoreFailure) -> (any MessageBytes)? {
        guard mbox.message(list[index].uid, near: index) != nil else { return nil }
        return MboxBytes(mbox, list[index].uid, near: index)
    }

    // MARK: Changes

    func refresh(thoroughly: Bool, expunges: Bool) throws(StoreFailure) -> MessageList.Changes {
        let claimed = try step { () throws(SystemError) in try mbox.refresh(claiming: !isExamined) }
        var changes = MessageList.Changes()
        if mergedState == mbox.state, mbox.validity == uidValidity, claimed.isEmpty { return changes }
        if mbox.validity != uidValidity {
            // Its numbers were lost and made anew: to this session everything is gone, and everything is new.
            guard expunges || list.count == 0 else { return changes }
            changes.expunged = list.removeAll()
            uidValidity = mbox.validity
        }
        let now = mbox.messages.lazy.map { [isReadOnly] message in
            ListedMessage(
                uid: message.marks.uid, flags: message.marks.flags,
                isRecent: isReadOnly && !message.marks.isOld)
        }
        list.merge(now, expunges: expunges, into: &changes)
        list.markRecent(claimed)
        mergedState = expunges ? mbox.state : nil
        return changes
    }

    func refreshKeywords() throws(StoreFailure) {
        try step { () throws(SystemError) in try mbox.mbox.refresh() }
    }

    func flags(of keywords: [[UInt8]]) throws(StoreFailure) -> MessageFlags {
        guard let flags = mbox.flags(of: keywords) else { throw .tooManyKeywords }
        return flags
    }

    func change(_ indices: [Int], by change: FlagChange) throws(StoreFailure) -> [Int] {
        let uids = Set(indices.map { list[$0].uid })
        let gone = try step { () throws(SystemError) in try mbox.change(uids, by: change) }
        for index in indices where !gone.contains(list[index].uid) {
            if let message = mbox.message(list[index].uid, near: index) {
                list.setFlags(message.marks.flags, at: index)
            }
        }
        return indices.filter { gone.contains(list[$0].uid) }
    }

    func expunge(_ indices: [Int], marked: Bool) throws(StoreFailure) -> [Int] {
        let uids = Set(indices.map { list[$0].uid })
        let gone = try step { () throws(SystemError) in try mbox.expunge(uids, marked: marked) }
        return list.remove(indices.filter { gone.contains(list[$0].uid) })
    }

    /// By way of a spool, so that never two mboxes are locked at a time.
    func copy(_ indices: [Int], to name: [UInt8]) throws(StoreFailure) -> AppendResult {
        let target = try store.target(name)
        try step { () throws(SystemError) in try mbox.mbox.refresh() }
        let spool = try store.spool()
        var additions: [NumberedMbox.Addition] = []
        for index in indices {
            let message = try message(index)
            let source = try spool.copy(MboxBytes(mbox, list[index].uid, near: index))
            let names = mbox.keywords.names(of: message.marks.flags)
            guard let keywords = target.flags(of: names) else { throw .tooManyKeywords }
            additions.append(
                NumberedMbox.Addition(
                    source, flags: message.marks.flags.intersection(.system).union(keywords),
                    date: Time(seconds: message.date), copying: message.marks))
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
        guard let bytes else { throw .expunged }
        return bytes
    }
}
