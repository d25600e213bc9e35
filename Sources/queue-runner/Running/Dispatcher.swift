import Bytes
import Delivery
import Program
import Queue
import Unix

/// What waits for a session with a deliverer.
enum Waiting {
    /// Locked, and its envelope read.
    case claimed(Assignment)
    /// Claimed when its turn comes.
    case parked(ParkedMessage)
}

/// The sessions with the deliverers: opens them as the scheduler says, and takes what they report.
///
/// Destinations that fail, or that were so slow that others had to wait for them, have a quarter of the
/// sessions to themselves, and no more: the others go on as if these were not there.
final class Dispatcher {
    typealias Lane = Scheduler<Job.Destination, [UInt8], Waiting>

    let local: Lane
    let remote: Lane
    /// For destinations that fail or are slow.
    let suspects: Lane
    private(set) var batches: [CInt: Batch] = [:]
    private var slow: Set<Job.Destination> = []
    private let memory: DestinationMemory
    private let configuration: Configuration
    private let settlement: Settlement
    private let queue: QueueDirectory
    private let log: Log
    /// Claims a parked message: what of it goes to the destination.
    var unpark: (ParkedMessage, Job.Destination) -> [Assignment] = { _, _ in [] }
    /// An assignment has come back with all its reports.
    var complete: (Assignment) -> Void = { _ in }
    /// A parked message has to look at its destination again.
    var comeBack: (ParkedMessage) -> Void = { _ in }
    /// What waits in a bucket need not wait for its minute.
    var hurry: (Place) -> Void = { _ in }

    /// How long a session takes until its first report where all is well, in microseconds, as a moving
    /// average.
    private var usualDelay: Int64 = 250_000

    /// A session that has reported nothing for so long is in the others' way: what that is depends on how
    /// far away they all are.
    private var patience: Duration { .microseconds(min(max(4 * usualDelay, 500_000), 10_000_000)) }

    init(_ configuration: Configuration, queue: QueueDirectory, settlement: Settlement, log: Log) {
        self.configuration = configuration
        self.queue = queue
        self.settlement = settlement
        self.log = log
        memory = DestinationMemory(queue: queue.path)
        let sessions = configuration.remoteConcurrency
        let batch = min(Job.mostInBatch, configuration.messagesPerSession)
        func lane(_ total: Int) -> Lane {
            Lane(
                Lane.Limits(
                    total: max(1, total), perDestination: configuration.destinationConcurrency, batch: batch))
        }
        remote = lane(sessions - sessions / 4)
        suspects = lane(sessions / 4)
        local = Lane(
            Lane.Limits(
                total: configuration.localConcurrency, perDestination: configuration.userConcurrency,
                batch: Job.mostInBatch))
    }

    var isIdle: Bool { batches.isEmpty && local.count + remote.count + suspects.count == 0 }

    // MARK: What waits

    /// Until when nothing is to be tried there, and why; nil if it may be.
    func pause(of destination: Job.Destination, at now: Time) -> FailingDestination? {
        guard case .remote(let domain) = destination, let failing = memory[domain], now < failing.next else {
            return nil
        }
        return failing
    }

    /// Whether a message for this destination should be kept claimed while it waits.
    func hasRoom(for destination: Job.Destination) -> Bool {
        lane(of: destination).count(of: destination) < 2 * Job.mostInBatch
    }

    func add(_ waiting: Waiting, from sender: [UInt8], to destination: Job.Destination) {
        let lane = lane(of: destination)
        if lane === suspects, isFailing(destination) { lane.probe(destination) }
        lane.add(waiting, from: sender, to: destination)
    }

    private func lane(of destination: Job.Destination) -> Lane {
        if destination.isLocal { return local }
        return slow.contains(destination) || isFailing(destination) ? suspects : remote
    }

    private func isFailing(_ destination: Job.Destination) -> Bool {
        guard case .remote(let domain) = destination else { return false }
        return memory[domain] != nil
    }

    // MARK: Sessions

    func dispatch() {
        for lane in [local, remote, suspects] {
            while let (destination, items) = lane.next() {
                let assignments = items.flatMap { _, waiting in
                    switch waiting {
                    case .claimed(let assignment): [assignment]
                    case .parked(let message): unpark(message, destination)
                    }
                }
                start(assignments, to: destination, in: lane)
            }
        }
        if batches.isEmpty, suspects.count == 0 { slow.removeAll() }
    }

    private func start(_ assignments: [Assignment], to destination: Job.Destination, in lane: Lane) {
        guard !assignments.isEmpty else { return lane.end(destination, .calledOff) }
        let service = configuration.serviceSocket(destination.isLocal ? "queue/local" : "queue/remote")
        let batch: Batch
        do throws(SystemError) { batch = try Batch(to: destination, in: lane, service: service) } catch {
            let reason = "\(error): is there a line for it in inetd.conf? (queue-runner --check)"
            log.error(reason)
            for assignment in assignments { giveBack(assignment, reason) }
            return lane.end(destination, .calledOff)
        }
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

    /// Sessions that say nothing: others may begin beside them, and, where every session is taken, in their
    /// place. A deliverer that is called off stops before its next message is committed, and says so.
    func look() {
        for batch in batches.values where !batch.isStalled && batch.hasBeenSilent(for: patience) {
            batch.isStalled = true
            batch.lane.stall(batch.destination)
        }
        for batch in batches.values where batch.isOverdue {
            end(batch, "the deliverer gave no sign for hours")
        }
        guard remote.isFull else { return }
        let stalled = batches.values.filter { $0.lane === remote && $0.isStalled }
        let needed = remote.readyCount - stalled.filter { $0.isCalledOff }.count
        for batch in stalled.filter({ !$0.isCalledOff }).prefix(max(0, needed)) {
            batch.callOff()
            suspect(batch.destination)
        }
    }

    /// What waits for this destination goes where it is in nobody's way.
    private func suspect(_ destination: Job.Destination) {
        slow.insert(destination)
        for (sender, item) in remote.removeAll(for: destination) {
            suspects.add(item, from: sender, to: destination)
        }
    }

    // MARK: Reports

    func receive(from raw: CInt) {
        guard let batch = batches[raw] else { return }
        let progress = batch.receive()
        var touched: Set<Int> = []
        for report in progress.reports where !batch.holdsBack(report) {
            settlement.settle(report, of: batch.assignments[report.job].work, batch: batch)
            touched.insert(report.job)
        }
        if let delay = batch.firstDelay(), batch.lane === remote {
            usualDelay += (delay.microseconds - usualDelay) / 16
        }
        // Only now: the reports of one job may have come together, and its message ends with the last.
        for job in touched.sorted() {
            let assignment = batch.assignments[job]
            if batch.unsettled[job].isEmpty {
                complete(assignment)
            } else {
                settlement.writeDown(assignment.work)
            }
        }
        if progress.isOver {
            end(
                batch,
                progress.failure == nil ? "the deliverer did not report on it" : "the deliverer went away")
        }
    }

    /// What is to be done with recipients whose destination could not be made use of.
    private enum Refusal {
        /// Another session is to try them.
        case again
        /// The destination is failing: the first job has had its attempt, the others wait without one.
        case failing(FailingDestination, attempted: Int)
    }

    private func end(_ batch: Batch, _ silence: String) {
        batches[batch.sender.raw] = nil
        let lane = batch.lane
        let destination = batch.destination
        let ending: Lane.Ending = batch.isCalledOff ? .calledOff : batch.refusals.isEmpty ? .well : .badly
        lane.end(destination, ending, stalled: batch.isStalled)
        if ending == .well { recovered(batch) }
        let refusal: Refusal =
            if let first = batch.refusals.min(by: { $0.job < $1.job }), ending == .badly,
                !batch.hasDelivered, lane.running(of: destination) == 0
            { .failing(remember(destination, first), attempted: first.job) } else { .again }
        for (job, recipients) in batch.unsettled.enumerated() where !recipients.isEmpty {
            settle(recipients.sorted(), of: job, in: batch, refusal, silence)
        }
        if case .failing(let state, _) = refusal { suspendAll(for: destination, in: lane, by: state) }
    }

    private func settle(
        _ recipients: [Int], of job: Int, in batch: Batch, _ refusal: Refusal, _ silence: String
    ) {
        let work = batch.assignments[job].work
        var left: [Int] = []
        for recipient in recipients {
            let report = batch.refusals.first { $0.job == job && $0.recipient == recipient }
            switch (report, refusal) {
            case (nil, _) where !batch.isCalledOff:
                settlement.postpone(recipient, of: work, status: "4.3.0", silence)
            case (let report?, .failing(_, attempted: job)): settlement.settle(report, of: work, batch: batch)
            case (_?, .failing(let state, _)): settlement.suspend(recipient, of: work, by: state)
            default: left.append(recipient)
            }
        }
        if left.isEmpty {
            complete(batch.assignments[job])
        } else {
            add(
                .claimed(Assignment(work: work, recipients: left)), from: work.message.envelope.reversePath,
                to: batch.destination)
        }
    }

    private func remember(_ destination: Job.Destination, _ report: Report) -> FailingDestination {
        let now = Time.now()
        let domain = destination.name
        let before = memory[domain]
        let failures = (before?.failures ?? 0) + 1
        let state = FailingDestination(
            since: before?.since ?? now, failures: failures,
            next: settlement.schedule.nextProbe(afterFailures: failures, now: now),
            text: String(decoding: report.text, as: UTF8.self))
        memory[domain] = state
        return state
    }

    /// Everything else that waits for it waits until the destination is tried again.
    private func suspendAll(for destination: Job.Destination, in lane: Lane, by state: FailingDestination) {
        for (_, item) in lane.removeAll(for: destination) {
            switch item {
            case .claimed(let assignment):
                for number in assignment.recipients {
                    settlement.suspend(number, of: assignment.work, by: state)
                }
                complete(assignment)
            case .parked(let message): comeBack(message)
            }
        }
    }

    private func recovered(_ batch: Batch) {
        let destination = batch.destination
        guard batch.lane === suspects, let state = memory[destination.name] else { return }
        memory[destination.name] = nil
        hurry(.deferred(minute: state.bucket))
        log.info("\(destination.name.escaped(limit: 300)): takes mail again")
        guard !slow.contains(destination) else { return }
        for (sender, item) in suspects.removeAll(for: destination) {
            remote.add(item, from: sender, to: destination)
        }
    }
}
