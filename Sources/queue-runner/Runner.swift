import Bytes
import Delivery
import Program
import Queue
import Unix

/// One pass, or many: claims what is due, hands it to the deliverers in batches, and settles what they report.
///
/// One thread, one `poll`. The queue is read again when a kick came, when the minute changed, and, without a
/// kick socket, once a second while deliveries run.
final class Runner {
    enum Mode: Equatable {
        /// Until nothing due is left.
        case once
        /// The same, then stay a little for more kicks: inetd's `wait` service.
        case kicked
        /// For ever.
        case watch
    }

    let configuration: Configuration
    let queue: QueueDirectory
    let log: Log
    let settlement: Settlement
    private let mode: Mode
    private let kicks: CInt?
    private var destinations: [String: Destination] = [:]
    private var batches: [CInt: Batch] = [:]
    private var localBatches = 0
    private var backlog: [(place: Place, id: MessageID)] = []
    private var backlogStart = 0
    private var inFlight: Set<MessageID> = []
    private let mostInFlight: Int
    private var nextScan = Deadline.after(.zero)
    private var lastMinute: Int64 = 0

    /// inetd counts starts: never linger less than two seconds.
    private static let linger = Duration.seconds(3)
    /// A file that nobody finished, and a lock that its injector keeps, are news after this.
    private static let stale = Duration.seconds(3600)

    init(
        _ configuration: Configuration, queue: QueueDirectory, log: Log, mode: Mode, kicks: CInt?,
        report: @escaping (String) -> Void
    ) {
        self.configuration = configuration
        self.queue = queue
        self.log = log
        self.mode = mode
        self.kicks = kicks
        settlement = Settlement(configuration, queue: queue, log: log, report: report)
        // A claim holds one file, a job in preparation another.
        mostInFlight = max(16, min(4000, raiseFileLimit(to: 8192) / 2))
    }

    func run() throws(QueueError) {
        while true {
            if nextScan.hasPassed { try scan() }
            claimBacklog()
            dispatch()
            if batches.isEmpty, backlogStart == backlog.count {
                guard try stayIdle() else { return }
            } else {
                waitForProgress()
            }
        }
    }

    // MARK: What is due

    /// Drains the kicks, then reads the queue: never the other way round, or a message could be missed.
    private func scan() throws(QueueError) {
        if let kicks { ServiceSocket.drain(kicks) }
        let now = Time.now()
        var places: [Place] = [.incoming]
        if now.seconds / 60 != lastMinute {
            lastMinute = now.seconds / 60
            places += try queue.dueBuckets(at: now, horizon: settlement.schedule.longestInterval)
                .map { .deferred(minute: $0) }
        }
        backlog = []
        backlogStart = 0
        for place in places {
            let (ids, strange) = try queue.names(in: place)
            for name in strange {
                setAside(String(decoding: name, as: UTF8.self), in: place, "its name is no id")
            }
            for id in ids where !inFlight.contains(id) { backlog.append((place, id)) }
            if ids.isEmpty { queue.tidy(place) }
        }
        nextScan = .after(kicks == nil ? .seconds(1) : .seconds(30))
    }

    private func claimBacklog() {
        while backlogStart < backlog.count, inFlight.count < mostInFlight {
            let (place, id) = backlog[backlogStart]
            backlogStart += 1
            do throws(QueueError) {
                switch try queue.claim(id, in: place) {
                case .gone: break
                case .busy(let since):
                    if Time.now() - since > Self.stale {
                        log.warning("\(id): locked by its injector for over an hour")
                    }
                case .unfinished(let since):
                    guard Time.now() - since > Self.stale else { break }
                    log.warning("\(id): removed: never finished, never acknowledged")
                    try queue.removeUnfinished(id, in: place)
                case .invalid(let reason): setAside(id.text, in: place, reason)
                case .claimed(let message): try begin(message)
                }
            } catch {
                log.error("\(id): \(error)")
            }
        }
    }

    private func setAside(_ name: String, in place: Place, _ reason: String) {
        let shown = Array(name.utf8).escaped(limit: 80)
        do throws(QueueError) {
            try queue.setAside(name, in: place)
            log.error("\(shown): moved to corrupt/: \(reason)")
        } catch { log.error("\(shown): \(reason); \(error)") }
    }

    /// Sorts the open recipients of a message into destinations.
    private func begin(_ message: ClaimedMessage) throws(QueueError) {
        let messageLog = try MessageLog.open(for: message, in: queue, creating: false)
        if let messageLog, messageLog.endsInRemoval { return try queue.remove(message, log: messageLog) }
        let work = Work(message, log: messageLog, at: .now())
        settlement.announce(work)
        let delimiter = configuration.recipientDelimiter.utf8.first
        var groups: [String: (name: Job.Destination, recipients: [Int])] = [:]
        for number in work.open {
            let name = Job.Destination(
                work.recipient(number).address, isLocal: { configuration.isLocal(domain: $0) },
                delimiter: delimiter)
            groups[name.key, default: (name, [])].recipients.append(number)
        }
        inFlight.insert(message.id)
        for (key, group) in groups {
            let destination = destinations[key] ?? Destination(group.name)
            destinations[key] = destination
            for start in stride(from: 0, to: group.recipients.count, by: Job.mostRecipients) {
                let part = Array(
                    group.recipients[start..<min(start + Job.mostRecipients, group.recipients.count)])
                work.assignments += 1
                destination.add(Assignment(work: work, recipients: part))
            }
        }
        if work.assignments == 0 { finish(work) }
    }

    // MARK: Deliverers

    private func dispatch() {
        for (key, destination) in destinations {
            while !destination.isEmpty, mayStart(destination) { start(destination) }
            if destination.isEmpty, destination.connections == 0 { destinations[key] = nil }
        }
    }

    /// Another connection begins when there is none, or when those that run have taken a second: so that
    /// what comes meanwhile gathers, and goes over one.
    private func mayStart(_ destination: Destination) -> Bool {
        let isLocal = destination.name.isLocal
        let running = isLocal ? localBatches : batches.count - localBatches
        guard running < (isLocal ? configuration.localConcurrency : configuration.remoteConcurrency) else {
            return false
        }
        if destination.connections == 0 { return true }
        guard destination.connections < (isLocal ? 2 : configuration.destinationConcurrency) else {
            return false
        }
        return destination.lastStart.hasPassed
    }

    private func start(_ destination: Destination) {
        let isLocal = destination.name.isLocal
        let limit = isLocal ? Job.mostInBatch : min(Job.mostInBatch, configuration.messagesPerSession)
        let assignments = destination.take(upTo: limit)
        let service = configuration.serviceSocket(isLocal ? "queue/local" : "queue/remote")
        let batch: Batch
        do throws(SystemError) { batch = try Batch(to: destination, service: service) } catch {
            let reason = "\(error): is there a line for it in inetd.conf? (queue-runner --check)"
            log.error(reason)
            for assignment in assignments { giveBack(assignment, reason) }
            return
        }
        destination.connections += 1
        destination.lastStart = .after(.seconds(1))
        if isLocal { localBatches += 1 }
        batches[batch.sender.raw] = batch
        for (assignment, reason) in batch.send(assignments, from: queue) { giveBack(assignment, reason) }
    }

    /// Nothing was tried for these recipients: they wait.
    private func giveBack(_ assignment: Assignment, _ reason: String) {
        for number in assignment.recipients {
            settlement.postpone(number, of: assignment.work, status: "4.3.5", reason)
        }
        complete(assignment)
    }

    private func waitForProgress() {
        let sockets = Array(batches.keys)
        let ready =
            (try? Poll.wait(
                anyOf: sockets + (kicks.map { [$0] } ?? []), until: min(nextScan, .after(.seconds(1))))) ?? []
        for raw in ready {
            if raw == kicks {
                nextScan = .after(.zero)
            } else if let batch = batches[raw] {
                receive(from: batch)
            }
        }
        for batch in batches.values where batch.isOverdue {
            end(batch, "the deliverer gave no sign for hours")
        }
    }

    private func receive(from batch: Batch) {
        let progress = batch.sender.receive()
        for report in progress.reports {
            settlement.settle(report, of: batch.assignments[report.job].work, batch: batch)
        }
        // Only now: all reports of one job may have come at once, and a message ends when every one of
        // them is settled.
        for job in Set(progress.reports.map(\.job)).sorted() {
            let assignment = batch.assignments[job]
            if batch.sender.isComplete(job) { complete(assignment) }
            if assignment.work.assignments > 0 { writeDown(assignment.work) }
        }
        if progress.isOver {
            end(
                batch,
                progress.failure == nil ? "the deliverer did not report on it" : "the deliverer went away")
        }
    }

    private func end(_ batch: Batch, _ reason: String) {
        var unreported: Set<Int> = []
        for (job, recipient) in batch.sender.outstanding {
            settlement.postpone(recipient, of: batch.assignments[job].work, status: "4.3.0", reason)
            unreported.insert(job)
        }
        batches[batch.sender.raw] = nil
        batch.destination.connections -= 1
        if batch.destination.name.isLocal { localBatches -= 1 }
        for job in unreported.sorted() { complete(batch.assignments[job]) }
    }

    private func complete(_ assignment: Assignment) {
        assignment.work.assignments -= 1
        if assignment.work.assignments == 0 { finish(assignment.work) }
    }

    private func writeDown(_ work: Work) {
        do throws(QueueError) { try work.writeDown(in: queue) } catch {
            log.error("\(work.message.id): \(error)")
        }
    }

    private func finish(_ work: Work) {
        settlement.finish(work)
        inFlight.remove(work.message.id)
    }

    // MARK: Nothing to do

    /// Waits for a kick, or for the next minute; false when it is time to end.
    private func stayIdle() throws(QueueError) -> Bool {
        nextScan = .after(.zero)
        guard mode != .once, let kicks else { return false }
        let wait: Duration =
            mode == .kicked ? Self.linger : .seconds(60) - .microseconds(Time.now().microseconds % 60_000_000)
        let kicked =
            (try? Poll.wait(kicks, for: .reading, until: .after(wait))) ?? false
        return kicked || mode == .watch
    }
}
