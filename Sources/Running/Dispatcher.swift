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
/// sessions to themselves, and no more: the others go on as if these were not there. So have users whose
/// commands take long; what has begun of theirs goes on beside.
final class Dispatcher {
    typealias Lane = Scheduler<Job.Destination, [UInt8], Waiting>

    let local: Lane
    let remote: Lane
    /// For destinations that fail or are slow.
    let suspects: Lane
    /// For users whose commands are.
    let slowLocal: Lane
    private(set) var batches: [CInt: Batch] = [:]
    private var slow: Set<Job.Destination> = []
    let services: DelivererServices
    private let memory: DestinationMemory
    private var configuration: Configuration
    private let settlement: Settlement
    private let queue: QueueDirectory
    private let log: Log
    /// What of a parked message goes to the destination.
    var unpark: (ParkedMessage, Job.Destination) -> [Assignment] = { _, _ in [] }
    /// An assignment has come back with all its reports.
    var complete: (Assignment) -> Void = { _ in }
    /// A parked message is not to wait for this destination any longer.
    var suspend: (ParkedMessage, Job.Destination, FailingDestination) -> Void = { _, _, _ in }
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
        services = DelivererServices(configuration, log: log)
        memory = DestinationMemory(queue: queue.path)
        let limits = Self.limits(configuration)
        remote = Lane(limits.remote)
        suspects = Lane(limits.suspects)
        local = Lane(limits.local)
        slowLocal = Lane(limits.slowLocal)
    }

    /// Takes over what relais.conf says now.
    func reconfigure(_ configuration: Configuration) {
        self.configuration = configuration
        services.reconfigure(configuration)
        let limits = Self.limits(configuration)
        (remote.limits, suspects.limits) = (limits.remote, limits.suspects)
        (local.limits, slowLocal.limits) = (limits.local, limits.slowLocal)
    }

    private static func limits(
        _ configuration: Configuration
    ) -> (remote: Lane.Limits, suspects: Lane.Limits, local: Lane.Limits, slowLocal: Lane.Limits) {
        let sessions = configuration.remoteConcurrency
        let processes = configuration.localConcurrency
        func remote(_ total: Int) -> Lane.Limits {
            Lane.Limits(
                total: max(1, total), perDestination: configuration.destinationConcurrency,
                batch: min(Job.mostInBatch, configuration.messagesPerSession))
        }
        func local(_ total: Int) -> Lane.Limits {
            Lane.Limits(
                total: max(1, total), perDestination: configuration.userConcurrency, batch: Job.mostInBatch)
        }
        return (
            remote(sessions - sessions / 4), remote(sessions / 4), local(processes - processes / 4),
            local(processes / 4)
        )
    }

    var isIdle: Bool {
        batches.isEmpty && local.count + remote.count + suspects.count + slowLocal.count == 0
    }

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
        if destination.isLocal { return slow.contains(destination) ? slowLocal : local }
        return slow.contains(destination) || isFailing(destination) ? suspects : remote
    }

    private func isFailing(_ destination: Job.Destination) -> Bool {
        guard case .remote(let domain) = destination else { return false }
        return memory[domain] != nil
    }

    // MARK: Sessions

    func dispatch() {
        for lane in [local, remote, suspects, slowLocal] {
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
        if batches.isEmpty, suspects.count + slowLocal.count == 0 { slow.removeAll() }
    }

    private func start(_ assignments: [Assignment], to destination: Job.Destination, in lane: Lane) {
        let (count, reason) = services.allowance(for: destination)
        for assignment in assignments.dropFirst(count) { withhold(assignment, reason, quietly: true) }
        let assignments = assignments.prefix(count)
        guard !assignments.isEmpty else { return lane.end(destination, .calledOff) }
        let batch: Batch
        do throws(ServiceFailure) {
            batch = Batch(
                to: destination, in: lane, over: try services.connect(for: destination),
                longestSilence: longestSilence(to: destination))
        } catch {
            for assignment in assignments { withhold(assignment, error.text) }
            return lane.end(destination, .calledOff)
        }
        batches[batch.sender.raw] = batch
        let unsent = batch.send(Array(assignments), from: queue)
        if batch.isBlocked { withhold(batch, services.isSilent(destination)) }
        for (assignment, reason) in unsent { withhold(assignment, reason) }
    }

    /// Nothing was tried for these recipients: the message stays due.
    private func withhold(_ assignment: Assignment, _ reason: String, quietly: Bool = false) {
        for number in assignment.recipients {
            settlement.withhold(number, of: assignment.work, reason, quietly: quietly)
        }
        complete(assignment)
    }

    /// Sessions that say nothing: others may begin beside them, and, where every session is taken, in their
    /// place. A deliverer that is called off stops before its next message is committed, and says so.
    func look() {
        for batch in batches.values
        where !batch.isStalled
            && batch.hasBeenSilent(for: batch.destination.isLocal ? Self.localPatience : patience)
        {
            batch.isStalled = true
            batch.lane.stall(batch.destination)
            // It is at work, as far as can be seen.
            if batch.isTaken { services.works(batch.destination, since: batch.started) }
        }
        for batch in batches.values {
            if batch.hangs {
                end(batch, "the deliverer gave no sign for too long")
            } else if batch.isUntaken {
                withhold(batch, services.isSilent(batch.destination))
            }
        }
        if local.isFull { setAside(local.readyCount) { $0.lane === local && $0.isStalled } }
        guard remote.isFull else { return }
        // One that does not even end when it is called off gives up its place, and keeps its messages.
        setAside(remote.readyCount) {
            $0.lane === remote && $0.isCalledOff && $0.hasBeenSilent(for: Self.longestFarewell)
        }
        let stalled = batches.values.filter { $0.lane === remote && $0.isStalled }
        let needed = remote.readyCount - stalled.filter { $0.isCalledOff }.count
        for batch in stalled.filter({ !$0.isCalledOff }).prefix(max(0, needed)) {
            batch.callOff()
            suspect(batch.destination)
        }
    }

    /// A deliverer has deadlines of its own, and ends what does not end; one that outlives them hangs. remote-deliver has one
    /// for all that it does. local-deliver has one for each command; between two reports there may be as many as a
    /// `.forward` has, the wait for a mailbox that others have locked, and disks that are slow: who takes it for dead
    /// too soon has the commands run twice. Meanwhile its messages wait, and nobody else's.
    private func longestSilence(to destination: Job.Destination) -> Duration {
        destination.isLocal
            ? max(.seconds(6 * 3600), configuration.programTimeout * 20)
            : configuration.deliveryLimit + configuration.lookupTimeout + configuration.dataTimeout
    }

    /// What waits for this destination goes where it is in nobody's way.
    private func suspect(_ destination: Job.Destination) {
        slow.insert(destination)
        let (usual, other) = destination.isLocal ? (local, slowLocal) : (remote, suspects)
        for (sender, item) in usual.removeAll(for: destination) {
            other.add(item, from: sender, to: destination)
        }
    }

    /// Lets sessions that say nothing go on beside the others, whose places they had: a command cannot be called off.
    private func setAside(_ needed: Int, _ isInTheWay: (Batch) -> Bool) {
        let room = Self.mostSetAside - batches.values.count { $0.isSetAside }
        for batch in batches.values.filter(isInTheWay).prefix(max(0, min(needed, room))) {
            let destination = batch.destination
            batch.isSetAside = true
            batch.lane.end(destination, .calledOff, stalled: batch.isStalled)
            batch.lane = destination.isLocal ? slowLocal : suspects
            batch.lane.adopt(destination, stalled: batch.isStalled)
            suspect(destination)
        }
    }

    private static let localPatience = Duration.seconds(1)
    private static let longestFarewell = Duration.seconds(10)
    /// Each is a process.
    private static let mostSetAside = 200

    // MARK: Reports

    func receive(from raw: CInt) {
        guard let batch = batches[raw] else { return }
        let progress = batch.receive()
        var touched: Set<Int> = []
        for report in progress.reports where !batch.holdsBack(report) {
            guard let assignment = batch.assignments[report.job] else { continue }
            settlement.settle(report, of: assignment.work, batch: batch)
            touched.insert(report.job)
        }
        if progress.reports.contains(where: { !$0.isOfDeliverer }) {
            services.works(batch.destination, since: batch.started)
        }
        if let delay = batch.firstDelay(), batch.lane === remote {
            usualDelay += (delay.microseconds - usualDelay) / 16
        }
        // Only now: the reports of one job may have come together, and its message ends with the last.
        for job in touched.sorted() {
            if batch.unsettled[job].isEmpty {
                if let assignment = batch.release(job) { complete(assignment) }
            } else if let assignment = batch.assignments[job] {
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

    /// Takes everything back from a session that could do nothing, whatever the mail.
    private func withhold(_ batch: Batch, _ reason: String) {
        batches[batch.sender.raw] = nil
        batch.lane.end(batch.destination, .calledOff, stalled: batch.isStalled)
        for (job, recipients) in batch.unsettled.enumerated() where !recipients.isEmpty {
            guard let work = batch.release(job)?.work else { continue }
            withhold(Assignment(work: work, recipients: recipients.sorted()), reason)
        }
    }

    private func end(_ batch: Batch, _ silence: String) {
        if let incapacity = batch.incapacity {
            let reason = String(decoding: incapacity.text, as: UTF8.self)
            services.refused(batch.destination, reason)
            return withhold(batch, reason)
        }
        services.works(batch.destination, since: batch.started)
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
        guard let assignment = batch.release(job) else { return }
        let work = assignment.work
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
            complete(assignment)
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
            case .parked(let message): suspend(message, destination, state)
            }
        }
    }

    private func recovered(_ batch: Batch) {
        let destination = batch.destination
        if !batch.isStalled, !batch.isSetAside, slow.remove(destination) != nil, destination.isLocal {
            for (sender, item) in slowLocal.removeAll(for: destination) {
                local.add(item, from: sender, to: destination)
            }
        }
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
