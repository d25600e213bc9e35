import Bytes
import IMAP
import MIME

/// Mailboxes in memory, shared by as many sessions as a test wants.
final class FakeStore: MailboxStore {
    final class Box {
        struct Message {
            let uid: UInt32
            var flags: [[UInt8]]
            let date: Int64
            let bytes: [UInt8]
        }

        var messages: [Message] = []
        var next: UInt32 = 1
        let validity: UInt32

        init(validity: UInt32) { self.validity = validity }

        func add(_ bytes: [UInt8], _ flags: [[UInt8]], _ date: Int64) -> UInt32 {
            messages.append(Message(uid: next, flags: flags, date: date, bytes: bytes))
            defer { next += 1 }
            return next
        }
    }

    var boxes: [[UInt8]: Box] = [Array("INBOX".utf8): Box(validity: 7)]
    var subscribed: Set<[UInt8]> = []
    let separator = UInt8.dot
    let mailboxesHaveChildren = true

    func add(_ text: String, flags: [String] = [], date: Int64 = 1_577_872_800) {
        _ = boxes[Array("INBOX".utf8)]?.add(Array(text.utf8), flags.map { Array($0.utf8) }, date)
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

    func open(_ name: [UInt8], readOnly: Bool) throws(StoreFailure) -> any Mailbox {
        FakeMailbox(try box(name), self)
    }

    func append(to name: [UInt8], flags: [[UInt8]], date: Int64?) throws(StoreFailure) -> any Appending {
        FakeAppending(try box(name), flags, date ?? 0)
    }
}

private final class FakeAppending: Appending {
    private let box: FakeStore.Box
    private let flags: [[UInt8]]
    private let date: Int64
    private var bytes: [UInt8] = []

    init(_ box: FakeStore.Box, _ flags: [[UInt8]], _ date: Int64) {
        self.box = box
        self.flags = flags
        self.date = date
    }

    func write(_ bytes: [UInt8]) throws(StoreFailure) { self.bytes += bytes }

    func commit() throws(StoreFailure) -> AppendResult {
        AppendResult(uidValidity: box.validity, uids: [box.add(bytes.filter { $0 != .cr }, flags, date)])
    }
}

private final class FakeMailbox: Mailbox {
    private let box: FakeStore.Box
    private let store: FakeStore
    private var seen: [FakeStore.Box.Message]

    init(_ box: FakeStore.Box, _ store: FakeStore) {
        self.box = box
        self.store = store
        seen = box.messages
    }

    var uidValidity: UInt32 { box.validity }
    var uidNext: UInt32 { box.next }
    var count: Int { seen.count }
    var keywords: [[UInt8]] { [] }
    func uid(_ index: Int) -> UInt32 { seen[index].uid }
    func isRecent(_ index: Int) -> Bool { false }
    func flags(_ index: Int) -> [[UInt8]] { seen[index].flags }
    func size(_ index: Int) throws(StoreFailure) -> Int {
        seen[index].bytes.reduce(0) { $0 + ($1 == .lf ? 2 : 1) }
    }
    func internalDate(_ index: Int) throws(StoreFailure) -> Int64 { seen[index].date }

    func source(_ index: Int) throws(StoreFailure) -> (any MessageBytes)? {
        box.messages.contains { $0.uid == seen[index].uid } ? FakeBytes(seen[index].bytes) : nil
    }

    func refresh() throws(StoreFailure) -> MailboxChanges {
        var changes = MailboxChanges()
        for index in seen.indices.reversed()
        where !box.messages.contains(where: { $0.uid == seen[index].uid }) {
            changes.expunged.append(index)
            seen.remove(at: index)
        }
        for index in seen.indices {
            guard let now = box.messages.first(where: { $0.uid == seen[index].uid }),
                now.flags != seen[index].flags
            else { continue }
            seen[index].flags = now.flags
            changes.flagsChanged.append(index)
        }
        let fresh = box.messages.filter { message in message.uid > (seen.last?.uid ?? 0) }
        seen += fresh
        changes.hasNew = !fresh.isEmpty
        return changes
    }

    func setFlags(_ index: Int, _ flags: [[UInt8]]) throws(StoreFailure) -> Bool {
        guard let place = box.messages.firstIndex(where: { $0.uid == seen[index].uid }) else { return false }
        box.messages[place].flags = flags
        seen[index].flags = flags
        return true
    }

    func expunge(_ indices: [Int]) throws(StoreFailure) {
        for index in indices.sorted(by: >) {
            let uid = seen.remove(at: index).uid
            box.messages.removeAll { $0.uid == uid }
        }
    }

    func synchronize() throws(StoreFailure) {}

    func copy(_ indices: [Int], to name: [UInt8]) throws(StoreFailure) -> AppendResult {
        guard let target = store.boxes[name] else { throw .missing }
        return AppendResult(
            uidValidity: target.validity,
            uids: indices.map { target.add(seen[$0].bytes, seen[$0].flags, seen[$0].date) })
    }
}

private final class FakeBytes: MessageBytes {
    private let bytes: [UInt8]
    init(_ bytes: [UInt8]) { self.bytes = bytes }

    func read(at offset: Int, count: Int) throws(StoreFailure) -> [UInt8] {
        Array(bytes.dropFirst(offset).prefix(count))
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
        session.poll()
        return String(decoding: output, as: UTF8.self)
    }
}
