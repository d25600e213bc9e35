import Jobs
import Program
import Queue
import Unix

/// The sessions with the deliverers: opens them as the lanes say, and takes what the deliverers report. What follows
/// from that for a message is the caller's to do.
final class Dispatcher {
    let lanes: Lanes
    let services: DelivererServices
    var sessions: [CInt: DelivererSession] = [:]
    private let memory: DestinationMemory
    private var configuration: Configuration
    private var schedule: RetrySchedule
    private let queue: QueueDirectory
    private let clock: any RunnerClock

    /// How long a session takes until its first report where all is well, in microseconds, as a moving
    /// average.
    private var usualDelay: Int64 = 250_000

    /// A session that has reported nothing for so long is in the others' way: what that is depends on how
    /// far away they all are.
    var patience: Duration { .microseconds(min(max(4 * usualDelay, 500_000), 10_000_000)) }

    init(
        _ configuration: Configuration, queue: QueueDirectory, log: Log, clock: any RunnerClock,
        deliverers: any Deliverers
    ) {
        self.configuration = configuration
        self.queue = queue
        self.clock = clock
        schedule = RetrySchedule(configuration)
        services = DelivererServices(configuration, log: log, clock: clock, deliverers: deliverers)
        memory = DestinationMemory(queue: queue.path)
        lanes = Lanes(configuration, memory)
    }

    /// Takes over what relais.conf says now.
    func reconfigure(_ configuration: Configuration) {
        self.configuration = configuration
        schedule = RetrySchedule(configuration)
        services.reconfigure(configuration)
        lanes.reconfigure(configuration)
    }

    var isIdle: Bool { sessions.isEmpty && lanes.count == 0 }

    /// Until when nothing is to be tried there, and why; nil if it may be.
    func pause(of destination: Job.Destination, at now: Time) -> FailingDestination? {
        guard case .remote(let domain) = destination, let failing = memory[domain], now < failing.next else {
            return nil
        }
        return failing
    }

    // MARK: A session begins

    /// Whose turn it is; `start` is to follow.
    func nextTurn() -> Turn? {
        if let turn = lanes.nextTurn() { return turn }
        if sessions.isEmpty { lanes.forgetSlow() }
        return nil
    }

    /// Hands over what there is for it: of some that was parked nothing may be left.
    func start(_ turn: Turn, with assignments: [Assignment]) -> [Happening] {
        var happened: [Happening] = []
        let destination = turn.destination
        let (count, reason) = services.allowance(for: destination)
        for assignment in assignments.dropFirst(count) {
            happened.append(.withheld(assignment, because: reason, quietly: true))
        }
        let assignments = assignments.prefix(count)
        guard !assignments.isEmpty else {
            turn.lane.end(destination, .calledOff)
            return happened
        }
        let session: DelivererSession
        do throws(ServiceFailure) {
            session = DelivererSession(
                with: destination, in: turn.lane, over: try services.connect(for: destination, &happened),
                longestSilence: longestSilence(of: destination), clock: clock)
        } catch {
            for assignment in assignments { happened.append(.withheld(assignment, because: error.text)) }
            turn.lane.end(destination, .calledOff)
            return happened
        }
        sessions[session.raw] = session
        let unsent = session.send(Array(assignments), from: queue)
        if session.isBlocked { withhold(session, services.isSilent(destination, &happened), &happened) }
        for unsent in unsent {
            let (assignment, reason) = (unsent.assignment, unsent.reason)
            guard unsent.isHopeless else {
                happened.append(.withheld(assignment, because: reason))
                continue
            }
            for number in assignment.recipients {
                happened.append(.unreported(number, of: assignment.work, because: reason))
            }
            happened.append(.completed(assignment.work))
        }
        return happened
    }

    /// A deliverer has deadlines of its own, and ends what does not end; one that outlives them hangs. remote-deliver has one
    /// for all that it does. local-deliver has one for each command; between two reports there may be as many as a
    /// `.forward` has, the wait for a mailbox that others have locked, and disks that are slow: who takes it for dead
    /// too soon has the commands run twice. Meanwhile its messages wait, and nobody else's.
    private func longestSilence(of destination: Job.Destination) -> Duration {
        destination.isLocal
            ? max(.seconds(6 * 3600), configuration.programTimeout * 20)
            : configuration.deliveryLimit + configuration.lookupTimeout + configuration.dataTimeout
    }

    // MARK: A session goes on

    /// What has come over a session that can be read.
    func receive(from raw: CInt) -> [Happening] {
        guard let session = sessions[raw] else { return [] }
        var happened: [Happening] = []
        let progress = session.receive()
        var touched: Set<Int> = []
        for report in progress.reports where !session.holdsBack(report) {
            guard let assignment = session.assignments[report.job] else { continue }
            happened.append(.reported(report, of: assignment.work, over: session))
            touched.insert(report.job)
        }
        if progress.reports.contains(where: { !$0.isOfDeliverer }) {
            services.works(session.destination, since: session.started, &happened)
        }
        if let delay = session.firstDelay(), session.lane === lanes.remote {
            usualDelay += (delay.microseconds - usualDelay) / 16
        }
        // Only now: the reports of one job may have come together, and its message ends with the last.
        for job in touched.sorted() {
            if session.unsettled[job].isEmpty {
                if let assignment = session.release(job) { happened.append(.completed(assignment.work)) }
            } else if let assignment = session.assignments[job] {
                happened.append(.progressed(assignment.work))
            }
        }
        if progress.isOver { happened.append(.over(session, progress.failure == nil ? .finished : .died)) }
        return happened
    }

    // MARK: A session ends

    /// What comes of that for its recipients without a report, and for its destination.
    func end(_ session: DelivererSession, _ ending: DelivererSession.Ending) -> [Happening] {
        var happened: [Happening] = []
        if ending == .untaken {
            withhold(session, services.isSilent(session.destination, &happened), &happened)
            return happened
        }
        if let incapacity = session.incapacity {
            let reason = String(decoding: incapacity.text, as: UTF8.self)
            services.refused(session.destination, reason, &happened)
            withhold(session, reason, &happened)
            return happened
        }
        services.works(session.destination, since: session.started, &happened)
        sessions[session.raw] = nil
        let lane = session.lane
        let destination = session.destination
        let outcome: Lane.Ending =
            session.isCalledOff ? .calledOff : session.refusals.isEmpty ? .well : .badly
        lane.end(destination, outcome, stalled: session.isStalled)
        if outcome == .well { recover(session, &happened) }
        var failure: Failure?
        if outcome == .badly, !session.hasDelivered, lane.running(of: destination) == 0,
            let first = session.refusals.min(by: { $0.job < $1.job })
        {
            failure = Failure(state: remember(destination, first), attempted: first.job)
        }
        for (job, recipients) in session.unsettled.enumerated() where !recipients.isEmpty {
            takeBack(recipients.sorted(), of: job, from: session, failure, ending, &happened)
        }
        if let failure { suspendAll(for: destination, in: lane, by: failure.state, &happened) }
        return happened
    }

    /// The destination is failing: the first job has had its attempt, the others wait without one.
    private struct Failure {
        let state: FailingDestination
        let attempted: Int
    }

    /// Takes everything back from a session that could do nothing, whatever the mail.
    private func withhold(_ session: DelivererSession, _ reason: String, _ happened: inout [Happening]) {
        sessions[session.raw] = nil
        session.lane.end(session.destination, .calledOff, stalled: session.isStalled)
        for (job, recipients) in session.unsettled.enumerated() where !recipients.isEmpty {
            guard let work = session.release(job)?.work else { continue }
            let assignment = Assignment(work: work, recipients: recipients.sorted())
            happened.append(.withheld(assignment, because: reason))
        }
    }

    /// Recipients of a job about whom the deliverer has said nothing that holds for them. Whom another session is to try
    /// waits for it.
    private func takeBack(
        _ recipients: [Int], of job: Int, from session: DelivererSession, _ failure: Failure?,
        _ ending: DelivererSession.Ending, _ happened: inout [Happening]
    ) {
        guard let assignment = session.release(job) else { return }
        let work = assignment.work
        var left: [Int] = []
        for recipient in recipients {
            let report = session.refusals.first { $0.job == job && $0.recipient == recipient }
            switch (report, failure) {
            case (nil, _) where !session.isCalledOff:
                happened.append(.unreported(recipient, of: work, because: ending.inWords))
            case (let report?, let failure?) where failure.attempted == job:
                happened.append(.reported(report, of: work, over: session))
            case (_?, let failure?): happened.append(.suspended(recipient, of: work, by: failure.state))
            default: left.append(recipient)
            }
        }
        if left.isEmpty {
            happened.append(.completed(work))
        } else {
            lanes.add(
                .claimed(Assignment(work: work, recipients: left)), from: work.message.envelope.reversePath,
                to: session.destination)
        }
    }

    private func remember(_ destination: Job.Destination, _ report: Report) -> FailingDestination {
        let now = clock.now
        let domain = destination.name
        let before = memory[domain]
        let failures = (before?.failures ?? 0) + 1
        let state = FailingDestination(
            since: before?.since ?? now, failures: failures,
            next: schedule.nextProbe(afterFailures: failures, now: now),
            text: String(decoding: report.text, as: UTF8.self))
        memory[domain] = state
        return state
    }

    /// Everything else that waits for it waits until the destination is tried again.
    private func suspendAll(
        for destination: Job.Destination, in lane: Lane, by state: FailingDestination,
        _ happened: inout [Happening]
    ) {
        for (_, item) in lane.removeAll(for: destination) {
            switch item {
            case .claimed(let assignment):
                for number in assignment.recipients {
                    happened.append(.suspended(number, of: assignment.work, by: state))
                }
                happened.append(.completed(assignment.work))
            case .parked(let message):
                happened.append(.turnedAway(message, from: destination, by: state))
            }
        }
    }

    private func recover(_ session: DelivererSession, _ happened: inout [Happening]) {
        let destination = session.destination
        if !session.isStalled, !session.isSetAside { lanes.isQuick(destination) }
        guard session.lane === lanes.suspects, let state = memory[destination.name] else { return }
        memory[destination.name] = nil
        happened.append(.recovered(destination, after: state))
        lanes.isWell(destination)
    }
}
