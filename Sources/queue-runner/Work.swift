import Bytes
import Delivery
import Queue
import Unix

/// A claimed message on its way through one attempt: which recipients are still out, what came back, and
/// what has to be written down before the next step.
final class Work {
    let message: ClaimedMessage
    let claimed: Time
    var log: MessageLog?
    /// What each recipient's last event was, by number from 1; absent: never tried.
    private(set) var states: [Int: LogEvent]
    /// Events that the log does not have yet.
    private(set) var unwritten: [LogEvent] = []
    /// Assignments that have not come back.
    var assignments = 0
    private var failures: [Int: Int] = [:]

    init(_ message: ClaimedMessage, log: MessageLog?, at now: Time) {
        self.message = message
        self.log = log
        claimed = now
        states = log?.states ?? [:]
        for event in log?.events ?? [] where event.kind == .deferred {
            failures[event.recipient, default: 0] += 1
        }
    }

    /// Recipients that are neither delivered nor given up.
    var open: [Int] {
        (1...message.envelope.recipients.count).filter { number in
            guard let state = states[number] else { return true }
            return state.kind == .deferred
        }
    }

    /// Recipients that failed and whose sender does not know it yet.
    var owed: [LogEvent] {
        states.values.filter { $0.kind == .failed }.sorted { $0.recipient < $1.recipient }
    }

    /// When the first of the open recipients is to be tried again.
    var nextAttempt: Time? { open.compactMap { states[$0]?.next }.min() }

    func recipient(_ number: Int) -> Envelope.Recipient { message.envelope.recipients[number - 1] }

    /// How many attempts for this recipient have failed, the one that is being recorded included.
    func failures(of recipient: Int) -> Int { failures[recipient, default: 0] + 1 }

    func record(_ event: LogEvent) {
        states[event.recipient] = event
        unwritten.append(event)
        if event.kind == .deferred { failures[event.recipient, default: 0] += 1 }
    }

    /// Brings the log up to date. Nothing is written for a message that is done at its first attempt: its
    /// removal says it all.
    func writeDown(in queue: QueueDirectory) throws(QueueError) {
        guard !unwritten.isEmpty else { return }
        if log == nil {
            if open.isEmpty, unwritten.allSatisfy({ $0.kind == .delivered }) { return }
            log = try MessageLog.open(for: message, in: queue, creating: true)
        }
        try log?.append(unwritten)
        unwritten.removeAll()
    }
}

/// Some recipients of one message that go to one destination.
struct Assignment {
    let work: Work
    let recipients: [Int]
}

/// Where recipients go together: one user of this host, or one domain.
final class Destination {
    let name: Job.Destination
    private var waiting: [Assignment] = []
    private var first = 0
    var connections = 0
    /// When the last connection was begun: another one begins only if that one takes long.
    var lastStart = Deadline.never

    init(_ name: Job.Destination) { self.name = name }

    var count: Int { waiting.count - first }
    var isEmpty: Bool { count == 0 }

    func add(_ assignment: Assignment) { waiting.append(assignment) }

    func take(upTo limit: Int) -> [Assignment] {
        let end = min(first + limit, waiting.count)
        defer {
            first = end
            if first == waiting.count {
                waiting.removeAll()
                first = 0
            }
        }
        return Array(waiting[first..<end])
    }
}

extension Job.Destination {
    /// Which destination an address belongs to.
    init(_ address: [UInt8], isLocal: (ArraySlice<UInt8>) -> Bool, delimiter: UInt8?) {
        let at = address.lastIndex(of: .ascii("@"))
        let domain = at.map { address[($0 + 1)...] } ?? []
        guard at == nil || isLocal(domain) else {
            self = .remote(domain.folded())
            return
        }
        let localPart = address[..<(at ?? address.endIndex)]
        let base = delimiter.flatMap { localPart.dropFirst().firstIndex(of: $0) }
        self = .local(localPart[..<(base ?? localPart.endIndex)].folded())
    }

    var key: String {
        switch self {
        case .local(let user): "local " + String(decoding: user, as: UTF8.self)
        case .remote(let domain): "remote " + String(decoding: domain, as: UTF8.self)
        }
    }

    var isLocal: Bool { if case .local = self { true } else { false } }
}
