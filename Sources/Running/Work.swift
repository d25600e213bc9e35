import Bytes
import Jobs
import Recipients
import Mail
import Program
package import Queue
package import Unix

/// A claimed message on its way through one attempt: which recipients are still out, what came back, and
/// what has to be written down before the next step.
package final class Work {
    package let message: ClaimedMessage
    package let claimed: Time
    package var log: MessageLog?
    /// What each recipient's last event was, by number from 1; absent: never tried.
    private(set) var states: [Int: LogEvent]
    /// Events that the log does not have yet.
    private(set) var unwritten: [LogEvent] = []
    /// Assignments that have not come back.
    var assignments = 0
    private var failures: [Int: Int] = [:]
    /// Whether somebody may have been told of what is owed: what is on disk when the message is claimed was put there
    /// before anybody is told.
    let mayBeTold: Bool
    /// It came while this runner was running, who has written down all that he did for it: nobody can have made a copy or a report.
    var isOwn = false
    /// Whether the sender knows that the message waits, or is not to know.
    private(set) var isWarned: Bool

    package init(_ message: ClaimedMessage, log: MessageLog?, at now: Time) {
        self.message = message
        self.log = log
        claimed = now
        states = log?.states ?? [:]
        let events = log?.events ?? []
        isWarned = events.contains { $0.kind == .warned }
        for event in events where event.kind == .deferred { failures[event.recipient, default: 0] += 1 }
        mayBeTold = states.values.contains { $0.kind.isOwed }
    }

    /// Recipients that are neither delivered nor given up.
    package var open: [Int] { open(among: Array(1...message.envelope.recipients.count)) }

    package func open(among numbers: [Int]) -> [Int] {
        numbers.filter { states[$0].map { $0.kind == .deferred } ?? true }
    }

    /// Those of the open recipients whose time has come, give or take what is left of the minute.
    func due(at now: Time) -> [Int] {
        open.filter { number in (states[number]?.next).map { $0 <= now + .seconds(60) } ?? true }
    }

    /// Recipients that are done with and whose sender does not know it yet.
    package var owed: [LogEvent] {
        states.values.filter { $0.kind.isOwed }.sorted { $0.recipient < $1.recipient }
    }

    /// When the first of the open recipients is to be tried again.
    var nextAttempt: Time? { open.compactMap { suspended[$0]?.next ?? states[$0]?.next }.min() }

    /// Recipients that were not tried because their destination is failing.
    var suspended: [Int: FailingDestination] = [:]
    /// Who has the message by copies that recipients asked for in this attempt, and who gets it directly. Made when
    /// the first of them asks.
    var coverage: Coverage?
    /// Whether it failed and nobody hears of it, so that the message itself is what is left to tell.
    package var isUntold = false
    /// Recipients for whom no deliverer can be had: the message stays due.
    var withheld: Set<Int> = []
    /// Recipients whose destinations had no room, and have the message waiting: each takes its own as its turn comes.
    var waiting: [Job.Destination: [Int]] = [:]
    /// With whom this go has not come to yet.
    var parked: ParkedMessage?

    func recipient(_ number: Int) -> Envelope.Recipient { message.envelope.recipients[number - 1] }

    /// Whether what is put into the queue for it is the first of its id: nobody need look for another.
    func isFirst(in queue: QueueDirectory) -> Bool { isOwn && !queue.hasOtherRunners }

    /// How many attempts for this recipient have failed, the one that is being recorded included.
    func failures(of recipient: Int) -> Int { failures[recipient, default: 0] + 1 }

    func record(_ event: LogEvent) {
        if event.recipient > 0 { states[event.recipient] = event }
        unwritten.append(event)
        if event.kind == .deferred { failures[event.recipient, default: 0] += 1 }
        if event.kind == .warned { isWarned = true }
    }

    /// What the sender wants to hear of this recipient; nil where nothing was said.
    func notify(_ number: Int) -> RecipientParameters.Notify? {
        let text = recipient(number).parameters
        return text.isEmpty ? nil : (try? RecipientParameters(Parameters(text)))?.notify
    }

    /// Brings the log up to date. Nothing is written for a message that is done at its first attempt: its
    /// removal says it all.
    package func writeDown(in queue: QueueDirectory) throws(QueueError) {
        guard !unwritten.isEmpty else { return }
        if log == nil {
            if open.isEmpty, unwritten.allSatisfy({ $0.kind == .delivered }) { return }
            log = try MessageLog.open(for: message, in: queue, creating: true)
        }
        try log?.append(unwritten)
        unwritten.removeAll()
    }
}

/// A message that waits at destinations, because enough others were waiting there already. Each of them has an entry in its
/// lane, and takes its own recipients in its turn, whatever the others do: out of the runner's hands, where
/// another has it there just then, else claimed anew.
final class ParkedMessage {
    let id: MessageID
    var place: Place
    /// Of the recipients that were due, or asked for, when this go began, those that it has not come to yet;
    /// empty while it has come to none: then the place tells, and what the operator asks for meanwhile counts.
    var rest: [Int] = []
    /// Where it waits. An entry of another's is void.
    var destinations: Set<Job.Destination> = []
    /// While it is in hand.
    var work: Work?

    init(_ message: ClaimedMessage) { (id, place) = (message.id, message.place) }
}

/// A message that is to be claimed.
struct Candidate {
    let id: MessageID
    let place: Place
    /// What of it waits already.
    var parked: ParkedMessage?
}

/// Some recipients of one message that go to one destination.
struct Assignment {
    let work: Work
    let recipients: [Int]
}

extension Job.Destination {
    /// Which destination a recipient belongs to. `relay`: by way of whom mail for another host's domain goes.
    init(
        _ recipient: Envelope.Recipient, injectedBy user: UInt32, isLocal: (ArraySlice<UInt8>) -> Bool,
        relay: (ArraySlice<UInt8>) -> RelayHost?, sharesUsers: (ArraySlice<UInt8>) -> Bool, delimiter: UInt8?
    ) {
        if let route = recipient.route(injectedBy: user) {
            self = .remote(route)
            return
        }
        let address = recipient.address
        let at = address.lastIndex(of: .ascii("@"))
        var domain = at.map { address[($0 + 1)...] } ?? []
        guard at == nil || isLocal(domain) else {
            // Whatever goes by way of one host goes over its sessions, and waits for it together.
            if let relay = relay(domain) {
                self = .remote(relay.name)
                return
            }
            // `example.org.` is the same destination as `example.org`.
            self = .remote((domain.last == .dot ? domain.dropLast() : domain).folded())
            return
        }
        let localPart = address[..<(at ?? address.endIndex)]
        let base = delimiter.flatMap { localPart.dropFirst().firstIndex(of: $0) }
        let name = localPart[..<(base ?? localPart.endIndex)].folded()
        if domain.last == .dot { domain.removeLast() }
        // Two users with one local part in two domains are two.
        let isShared = domain.isEmpty || sharesUsers(domain)
        self = .local(isShared ? name : name + [.ascii("@")] + domain.folded())
    }

    /// The domain, or the user.
    var name: [UInt8] {
        switch self {
        case .local(let name), .remote(let name): name
        }
    }

    var isLocal: Bool { if case .local = self { true } else { false } }
}
