import Bytes
import IMAP
import MIME
import Mail

/// Mailboxes in memory, shared by as many sessions as a test wants.
final class FakeStore: MailboxStore {
    final class Box {
        struct Message {
            let uid: UInt32
            var flags: MessageFlags
            let date: Int64
            let bytes: [UInt8]
        }

        var messages: [Message] = []
        var next: UInt32 = 1
        let validity: UInt32
        var keywords = KeywordNames()
        var isWritable = true
        var keepsUIDs = true
        /// UIDs that are recent to who opens it.
        var recent: Set<UInt32> = []
        /// UIDs whose bytes cannot be read.
        var unreadable: Set<UInt32> = []
        /// How often bytes can be read before that fails.
        var readsLeft = Int.max

        init(validity: UInt32) { self.validity = validity }

        func add(_ bytes: [UInt8], _ flags: MessageFlags, _ date: Int64) -> UInt32 {
            messages.append(Message(uid: next, flags: flags, date: date, bytes: bytes))
            defer { next += 1 }
            return next
        }
    }

    var boxes: [[UInt8]: Box] = [Array("INBOX".utf8): Box(validity: 7)]
    var subscribed: Set<[UInt8]> = []
    let separator = UInt8.dot
    let mailboxesHaveChildren = true

    func add(_ text: String, flags: MessageFlags = [], date: Int64 = 1_577_872_800) {
        _ = boxes[Array("INBOX".utf8)]?.add(Array(text.utf8), flags, date)
    }

    func names() throws(StoreFailure) -> [[UInt8]] {
        boxes.keys.filter { $0 != Array("INBOX".utf8) }.sorted { $0.lexicographicallyPrecedes($1) }
    }

    private func box(_ name: [UInt8]) throws(StoreFailure) -> Box {
        guard let box = boxes[name] else { throw .missing }
        return box
    }

    func create(_ name: [UInt8]) throws(StoreFailure) {
        guard boxes[name] == nil else { throw .exists }
        guard !name.contains(.ascii("/")) else { throw .badName }
        boxes[name] = Box(validity: 8)
    }

    func delete(_ name: [UInt8]) throws(StoreFailure) {
        _ = try box(name)
        boxes[name] = nil
    }

    func rename(_ name: [UInt8], to newName: [UInt8]) throws(StoreFailure) {
        let box = try box(name)
        guard boxes[newName] == nil else { throw .exists }
        boxes[name] = nil
        boxes[newName] = box
    }

    func subscriptions() throws(StoreFailure) -> [[UInt8]] {
        subscribed.sorted { $0.lexicographicallyPrecedes($1) }
    }

    func setSubscribed(_ name: [UInt8], _ isSubscribed: Bool) throws(StoreFailure) {
        if isSubscribed { subscribed.insert(name) } else { subscribed.remove(name) }
    }

    /// How mailboxes were opened.
    private(set) var openedReadOnly: [Bool] = []

    func open(_ name: [UInt8], readOnly: Bool) throws(StoreFailure) -> any Mailbox {
        openedReadOnly.append(readOnly)
        return FakeMailbox(try box(name), self)
    }

    func append(
        to name: [UInt8], flags: MessageFlags, keywords: [[UInt8]], date: Int64?
    ) throws(StoreFailure) -> any Appending {
        FakeAppending(try box(name), flags, date ?? 0)
    }
}

private final class FakeAppending: Appending {
    private let box: FakeStore.Box
    private let flags: MessageFlags
    private let date: Int64
    private var bytes: [UInt8] = []

    init(_ box: FakeStore.Box, _ flags: MessageFlags, _ date: Int64) {
        self.box = box
        self.flags = flags
        self.date = date
    }

    func write(_ bytes: [UInt8]) throws(StoreFailure) { self.bytes += bytes }

    func commit() throws(StoreFailure) -> AppendResult {
        let uid = box.add(bytes.filter { $0 != .cr }, flags, date)
        return AppendResult(uidValidity: box.validity, uids: box.keepsUIDs ? [uid] : [])
    }
}

private final class FakeMailbox: Mailbox {
    private let box: FakeStore.Box
    private let store: FakeStore
    private(set) var list = MessageList()

    init(_ box: FakeStore.Box, _ store: FakeStore) {
        self.box = box
        self.store = store
        look(expunges: true)
    }

    @discardableResult
    private func look(expunges: Bool) -> MessageList.Changes {
        var changes = MessageList.Changes()
        list.merge(
            box.messages.map {
                ListedMessage(uid: $0.uid, flags: $0.flags, isRecent: box.recent.contains($0.uid))
            }, expunges: expunges,
            into: &changes)
        return changes
    }

    private func place(_ index: Int) -> Int? { box.messages.firstIndex { $0.uid == list[index].uid } }

    private func stored(_ index: Int) throws(StoreFailure) -> FakeStore.Box.Message {
        guard let place = place(index) else { throw .expunged }
        return box.messages[place]
    }

    var isWritable: Bool { box.isWritable }
    var keepsUIDs: Bool { box.keepsUIDs }
    var uidValidity: UInt32 { box.validity }
    var uidNext: UInt32 { box.next }
    var keywords: KeywordNames { box.keywords }
    func size(_ index: Int) throws(StoreFailure) -> Int {
        try stored(index).bytes.reduce(0) { $0 + ($1 == .lf ? 2 : 1) }
    }
    func internalDate(_ index: Int) throws(StoreFailure) -> Int64 { try stored(index).date }

    func source(_ index: Int) throws(StoreFailure) -> (any MessageBytes)? {
        if box.unreadable.contains(list[index].uid) { throw .system("unreadable") }
        return place(index).map { FakeBytes(box.messages[$0].bytes, box) }
    }

    func refresh(thoroughly: Bool, expunges: Bool) throws(StoreFailure) -> MessageList.Changes {
        guard store.boxes.values.contains(where: { $0 === box }) else { throw .missing }
        return look(expunges: expunges)
    }

    func refreshKeywords() throws(StoreFailure) {}

    func flags(of keywords: [[UInt8]]) throws(StoreFailure) -> MessageFlags {
        for name in keywords where box.keywords.add(name, taken: []) == nil { throw .tooManyKeywords }
        return box.keywords.flags(of: keywords) ?? []
    }

    func change(_ indices: [Int], by change: FlagChange) throws(StoreFailure) -> [Int] {
        var gone: [Int] = []
        for index in indices {
            if let place = place(index) {
                box.messages[place].flags = change.applied(to: box.messages[place].flags)
                list.setFlags(box.messages[place].flags, at: index)
            } else {
                gone.append(index)
            }
        }
        return gone
    }

    func expunge(_ indices: [Int], marked: Bool) throws(StoreFailure) -> [Int] {
        var gone: [Int] = []
        for index in indices {
            guard let place = place(index) else {
                gone.append(index)
                continue
            }
            if marked, !box.messages[place].flags.contains(.deleted) { continue }
            box.messages.remove(at: place)
            gone.append(index)
        }
        return list.remove(gone)
    }

    func copy(_ indices: [Int], to name: [UInt8]) throws(StoreFailure) -> AppendResult {
        guard let target = store.boxes[name] else { throw .missing }
        var messages: [FakeStore.Box.Message] = []
        for index in indices { messages.append(try stored(index)) }
        let uids = messages.map { target.add($0.bytes, $0.flags, $0.date) }
        return AppendResult(uidValidity: target.validity, uids: target.keepsUIDs ? uids : [])
    }
}

private final class FakeBytes: MessageBytes {
    private let bytes: [UInt8]
    private let box: FakeStore.Box

    init(_ bytes: [UInt8], _ box: FakeStore.Box) {
        self.bytes = bytes
        self.box = box
    }

    func read(at offset: Int, count: Int) throws(StoreFailure) -> [UInt8] {
        box.readsLeft -= 1
        guard box.readsLeft >= 0 else { throw .system("unreadable") }
        return Array(bytes.dropFirst(offset).prefix(count))
    }
}

/// A session over a store, fed by hand.
final class Client {
    private var session: MailboxSession!
    private var output: [UInt8] = []
    private var buffer: [UInt8] = []
    private(set) var isClosed = false

    init(_ store: FakeStore, sizeLimit: Int = 10_000) {
        session = MailboxSession(
            store, charsets: CharsetDecoder(), messageSizeLimit: sizeLimit, report: { _ in }
        ) { [unowned self] in
            output += $0
        }
    }

    /// Sends text in pieces; what the server said.
    @discardableResult
    func say(_ text: String, cut size: Int = 1 << 20) -> String {
        var rest = Array(text.utf8)[...]
        output = []
        while !isClosed {
            let (consumed, next) = session.step(buffer[...])
            buffer.removeFirst(consumed)
            if next == .close { isClosed = true }
            if consumed == 0 || buffer.isEmpty {
                if rest.isEmpty {
                    if consumed == 0 { break }
                    continue
                }
                buffer += rest.prefix(size)
                rest = rest.dropFirst(size)
            }
        }
        return String(decoding: output, as: UTF8.self)
    }

    func poll() -> String {
        output = []
        if session.poll() == .close { isClosed = true }
        return String(decoding: output, as: UTF8.self)
    }
}
