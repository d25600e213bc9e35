import SASL
import Bytes
import IMAP
import MIME
import Mail

extension FuzzTarget {
    static let imap = [FuzzTarget(name: "imap-login", run: login), FuzzTarget(name: "imap", run: mailbox)]

    private static func login(_ input: [UInt8], _ seen: inout Findings) throws(Violation) {
        var first: [UInt8]?
        for pieces in input.cuts {
            let output = try converse(pieces)
            try promise("pieces make no difference", first == nil || first == output)
            first = output
        }
        seen.note("said", ifAny: first)
    }

    private static func converse(_ pieces: [ArraySlice<UInt8>]) throws(Violation) -> [UInt8] {
        var session = LoginSession(offersTLS: true, allowsPlaintext: true, isEncrypted: false)
        var output: [UInt8] = []
        var buffer: [UInt8] = []
        for piece in pieces {
            buffer += piece
            while true {
                let step = session.step(buffer[...])
                try promise("no more is read than came", step.consumed <= buffer.count)
                output += step.output
                buffer.removeFirst(step.consumed)
                var failed: [UInt8]?
                switch step.next {
                case .proceed: break
                case .close: return output
                case .startTLS: session.startedTLS()
                case .login(let tag, let user, let password):
                    output += user + [.nul] + password
                    failed = tag
                }
                if let failed {
                    let (text, isOver) = session.refused(failed, .wrong)
                    output += text
                    if isOver { return output }
                }
                if step.consumed == 0 || buffer.isEmpty { break }
            }
        }
        return output
    }

    /// After the login, in a mailbox of three messages.
    private static func mailbox(_ input: [UInt8], _ seen: inout Findings) throws(Violation) {
        var first: [UInt8]?
        for pieces in input.cuts {
            var output: [UInt8] = []
            let session = MailboxSession(
                SmallStore(), charsets: CharsetDecoder(), messageSizeLimit: 1000, report: { _ in }
            ) { output += $0 }
            var buffer = Array("0 SELECT INBOX\r\n".utf8)
            var isOpen = true
            for piece in [[]] + pieces where isOpen {
                buffer += piece
                while isOpen, !buffer.isEmpty {
                    let (consumed, next) = session.step(buffer[...])
                    try promise("no more is read than came", consumed <= buffer.count)
                    buffer.removeFirst(consumed)
                    isOpen = next != .close
                    if consumed == 0 { break }
                }
            }
            try promise("an answer is bounded", output.count < 10_000_000)
            try promise("pieces make no difference", first == nil || first == output)
            first = output
        }
        seen.note("said", ifAny: first)
    }
}

/// Mailboxes in memory for one session: INBOX, and what it creates.
private final class SmallStore: MailboxStore {
    final class Box: Mailbox, Appending {
        struct Message {
            var uid: UInt32
            var bytes: [UInt8]
        }

        var messages: [Message] = []
        private(set) var list = MessageList()
        private(set) var keywords = KeywordNames()
        private var incoming: [UInt8] = []
        let isWritable = true
        let keepsUIDs = true
        let uidValidity: UInt32 = 7
        var uidNext: UInt32 = 1
        let store: SmallStore

        init(_ store: SmallStore) { self.store = store }

        func add(_ bytes: [UInt8]) -> UInt32 {
            messages.append(Message(uid: uidNext, bytes: bytes))
            uidNext += 1
            return uidNext - 1
        }

        func write(_ bytes: [UInt8]) throws(StoreFailure) { incoming += bytes }
        func commit() throws(StoreFailure) -> AppendResult {
            defer { incoming = [] }
            return AppendResult(uidValidity: uidValidity, uids: [add(incoming)])
        }

        func size(_ index: Int) throws(StoreFailure) -> Int {
            stored(index).bytes.reduce(0) { $0 + ($1 == .lf ? 2 : 1) }
        }
        func internalDate(_ index: Int) throws(StoreFailure) -> Int64 { 1_577_872_800 }
        func source(_ index: Int) throws(StoreFailure) -> (any MessageBytes)? {
            Stored(stored(index).bytes)
        }
        private func stored(_ index: Int) -> Message {
            messages.first { $0.uid == list[index].uid } ?? Message(uid: 0, bytes: [])
        }
        func refresh(thoroughly: Bool, expunges: Bool) throws(StoreFailure) -> MessageList.Changes {
            var changes = MessageList.Changes()
            let known = Dictionary(uniqueKeysWithValues: list.messages.map { ($0.uid, $0.flags) })
            list.merge(
                messages.map {
                    ListedMessage(uid: $0.uid, flags: known[$0.uid] ?? [], isRecent: $0.uid == 1)
                },
                expunges: expunges, into: &changes)
            return changes
        }
        func refreshKeywords() throws(StoreFailure) {}

        func flags(of keywords: [[UInt8]]) throws(StoreFailure) -> MessageFlags {
            for name in keywords where self.keywords.add(name, taken: []) == nil { throw .tooManyKeywords }
            return self.keywords.flags(of: keywords) ?? []
        }
        func change(_ indices: [Int], by change: FlagChange) throws(StoreFailure) -> [Int] {
            for index in indices { list.setFlags(change.applied(to: list[index].flags), at: index) }
            return []
        }
        func expunge(_ indices: [Int], marked: Bool) throws(StoreFailure) -> [Int] {
            let gone = indices.filter { !marked || list[$0].flags.contains(.deleted) }
            let uids = gone.map { list[$0].uid }
            messages.removeAll { uids.contains($0.uid) }
            return list.remove(gone)
        }
        func copy(_ indices: [Int], to name: [UInt8]) throws(StoreFailure) -> AppendResult {
            let target = try store.box(name)
            return AppendResult(
                uidValidity: uidValidity, uids: indices.map { target.add(stored($0).bytes) })
        }
    }

    final class Stored: MessageBytes {
        let bytes: [UInt8]
        init(_ bytes: [UInt8]) { self.bytes = bytes }
        func read(at offset: Int, count: Int) throws(StoreFailure) -> [UInt8] {
            Array(bytes.dropFirst(offset).prefix(count))
        }
    }

    private static let messages = [
        "From: Ann <ann@x>\nTo: b@y\nSubject: =?utf-8?q?caf=C3=A9?=\nDate: Mon, 1 Jan 2024 00:00:00 +0000\n\nhello\n",
        "Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b\nContent-Type: message/rfc822\n\n"
            + "Subject: in\n\nx\n--b--\n",
        "",
    ]

    var boxes: [[UInt8]: Box] = [:]
    var subscribed: Set<[UInt8]> = []
    let separator = UInt8.dot
    let mailboxesHaveChildren = true

    init() {
        let inbox = Box(self)
        for message in Self.messages { _ = inbox.add(Array(message.utf8)) }
        boxes[Array("INBOX".utf8)] = inbox
    }

    func box(_ name: [UInt8]) throws(StoreFailure) -> Box {
        guard let box = boxes[name] else { throw .missing }
        return box
    }
    private static func sorted(_ names: some Sequence<[UInt8]>) -> [[UInt8]] {
        names.sorted { $0.lexicographicallyPrecedes($1) }
    }
    func names() throws(StoreFailure) -> [[UInt8]] {
        Self.sorted(boxes.keys.filter { $0 != Array("INBOX".utf8) })
    }
    func create(_ name: [UInt8]) throws(StoreFailure) {
        guard boxes[name] == nil else { throw .exists }
        boxes[name] = Box(self)
    }
    func delete(_ name: [UInt8]) throws(StoreFailure) {
        _ = try box(name)
        boxes[name] = nil
    }
    func rename(_ name: [UInt8], to newName: [UInt8]) throws(StoreFailure) {
        guard boxes[newName] == nil else { throw .exists }
        boxes[newName] = try box(name)
        boxes[name] = nil
    }
    func subscriptions() throws(StoreFailure) -> [[UInt8]] { Self.sorted(subscribed) }
    func setSubscribed(_ name: [UInt8], _ isSubscribed: Bool) throws(StoreFailure) {
        if isSubscribed { subscribed.insert(name) } else { subscribed.remove(name) }
    }
    func open(_ name: [UInt8], readOnly: Bool) throws(StoreFailure) -> any Mailbox {
        let box = try box(name)
        _ = try box.refresh(thoroughly: true, expunges: true)
        return box
    }
    func append(
        to name: [UInt8], flags: MessageFlags, keywords: [[UInt8]], date: Int64?
    ) throws(StoreFailure) -> any Appending {
        try box(name)
    }
}
