import Bytes
import Program
import Queue
import Running
import Unix

/// What waits in the queue: as Postfix's mailq prints it, byte for byte but for the width of an id, so that
/// what reads that reads this; or as `postqueue -j` does, an object a line, with what we know besides.
struct Listing {
    enum Form { case mailq, json }

    private let queue: QueueDirectory
    private let form: Form
    private let output: OutputBuffer
    private let active: Set<UInt64>
    private var reasons: Reasons

    init(
        _ queue: QueueDirectory, _ configuration: Configuration, _ form: Form, to output: OutputBuffer
    ) throws(QueueError) {
        self.queue = queue
        self.form = form
        self.output = output
        active = try queue.activeInodes()
        reasons = try Reasons(queue, configuration)
    }

    /// Writes message by message: what is in memory is one message, and the names of one directory.
    mutating func write(_ selection: Selection, fromTrash: Bool) throws(QueueError) {
        var count = 0
        var bytes = 0
        for place in try fromTrash ? queue.trashPlaces() : queue.waitingPlaces() {
            for id in try queue.names(in: place).ids {
                guard !output.hasFailed else { return }
                guard let message = try queue.look(at: id, in: place) else { continue }
                if !selection.isEmpty, try selection.recipients(of: message, in: queue) == nil { continue }
                let entry = ListingEntry(
                    message, states: try states(of: message), isActive: active.contains(message.inode),
                    reasons: &reasons)
                switch form {
                case .json: output.write(entry.json)
                case .mailq: output.write((count == 0 ? ListingEntry.heading : "\n") + entry.mailq)
                }
                count += 1
                bytes += message.head.length
            }
        }
        guard form == .mailq else { return }
        output.write(
            count == 0
                ? selection.isEmpty && !fromTrash ? "Mail queue is empty\n" : "Nothing like that is there\n"
                : "\n-- \(bytes / 1024) Kbytes in \(count) Request\(count == 1 ? "" : "s").\n")
    }

    private func states(of message: QueuedMessage) throws(QueueError) -> RecipientStates {
        RecipientStates(try queue.history(of: message))
    }
}

/// What a message's log says of each recipient in the end.
struct RecipientStates {
    private(set) var last: [Int: LogEvent] = [:]
    /// Those that failed for now.
    private(set) var attempts: [Int: Int] = [:]

    init(_ events: [LogEvent]) {
        for event in events where event.recipient > 0 {
            last[event.recipient] = event
            if event.kind == .deferred { attempts[event.recipient, default: 0] += 1 }
        }
    }

    /// Whether something is still to be done for a recipient.
    func isOpen(_ number: Int) -> Bool { last[number].map { $0.kind == .deferred } ?? true }
}

/// Why recipients wait that were never tried: what is known of their destinations, and of the deliverers. The recipients
/// of a message, and messages that came together, often share one.
struct Reasons {
    private let memory: DestinationMemory
    private let configuration: Configuration
    private let sign: RunnerSign?
    private let now = Time.now()
    private var latest: (domain: [UInt8], state: FailingDestination?) = ([], nil)

    init(_ queue: QueueDirectory, _ configuration: Configuration) throws(QueueError) {
        memory = DestinationMemory(queue: queue.path)
        self.configuration = configuration
        sign = try RunnerSign.ofThisHost(in: queue)
    }

    /// What this host's runner said of the deliverer, where a recipient, of whom `last` was the last event, is due.
    func deliverer(
        of recipient: Envelope.Recipient, in message: QueuedMessage, _ last: LogEvent?
    ) -> String? {
        let isDue =
            switch message.place {
            case .incoming: true
            case .deferred(let minute):
                minute <= now.seconds / 60 && (last.map { $0.next <= now + .seconds(60) } ?? true)
            case .hold, .corrupt, .trash: false
            }
        guard isDue, let sign else { return nil }
        let isLocal =
            recipient.route(injectedBy: message.injector) == nil
            && recipient.domain.map { configuration.isLocal(domain: $0[...]) } ?? true
        return isLocal ? sign.localTrouble : sign.remoteTrouble
    }

    mutating func destination(
        of recipient: Envelope.Recipient, in message: QueuedMessage
    ) -> FailingDestination? {
        guard
            let domain = configuration.nextHop(
                of: recipient, from: message.envelope.reversePath, injectedBy: message.injector)
        else { return nil }
        if domain != latest.domain { latest = (domain, memory[domain]) }
        return latest.state
    }
}
