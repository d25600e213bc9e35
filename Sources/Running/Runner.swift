import Bytes
import Delivery
package import Program
package import Queue
import Unix

/// One pass, or many: claims what is due, has it delivered, and settles what the deliverers report.
///
/// One thread, one `poll`. What is due comes from the intake; it is read on even when a destination has
/// enough waiting already: what has no room there is let go and claimed again in its turn (parked), so that
/// the first thousands in the queue are in nobody's way.
package final class Runner {
    package enum Mode: Equatable {
        /// Until nothing due is left.
        case once
        /// The same, then stay a little for more kicks: inetd's `wait` service.
        case kicked
        /// For ever.
        case watch
    }

    private let source: ConfigurationSource
    private var configuration: Configuration
    /// Whether this process is to end: what it works on is not what relais.conf says any more.
    private var isOver = false
    private let queue: QueueDirectory
    private let mode: Mode
    private let kicks: CInt?
    private let lock: RunnerLock
    private let log: Log
    private let settlement: Settlement
    private let activity: Activity
    private let intake: Intake
    private let dispatcher: Dispatcher
    /// Messages that are locked, and how many may be: each is an open file, and another while it is handed
    /// over.
    private var claimed = 0
    private var lastMinute: Int64 = 0
    private let mostClaimed: Int

    /// inetd counts starts: never linger less than two seconds.
    private static let linger = Duration.seconds(3)

    package init(
        _ source: ConfigurationSource, queue: QueueDirectory, lock: RunnerLock, log: Log, mode: Mode,
        kicks: CInt?, knocks: [[UInt8]], activity: Activity
    ) {
        self.source = source
        let configuration = source.current
        self.configuration = configuration
        self.queue = queue
        self.lock = lock
        self.log = log
        self.mode = mode
        self.kicks = kicks
        self.activity = activity
        settlement = Settlement(configuration, queue: queue, log: log, activity: activity)
        intake = Intake(
            queue: queue, log: log, kicks: kicks, horizon: settlement.schedule.longestInterval)
        dispatcher = Dispatcher(configuration, queue: queue, settlement: settlement, log: log)
        intake.hear(knocks)
        mostClaimed = max(16, min(4000, raiseFileLimit(to: 8192) / 2))
        // The dispatcher keeps the runner, and both last as long as the process.
        dispatcher.complete = { [self] in complete($0) }
        dispatcher.suspend = { [self] in suspend($0, at: $1, by: $2) }
        dispatcher.services.comeBack = { [intake] in intake.comeBack($0) }
        dispatcher.services.tell = { [lock] in lock.note(local: $0, remote: $1) }
        dispatcher.hurry = { [self] in try? intake.read($0) }
        dispatcher.unpark = { [self] in unpark($0, for: $1) }
    }

    package func run() throws(QueueError) {
        while true {
            try intake.look()
            // Behind the knock: what it is about was accepted by what the file said then.
            lookAtConfiguration()
            if intake.minute != lastMinute {
                lastMinute = intake.minute
                dispatcher.services.forgetWaiting()
                // Not more than mail can wait for.
                emptyTrash(limit: 50)
            }
            dispatcher.services.askAgain()
            if !isOver { takeMessages() }
            dispatcher.dispatch()
            lock.beat()
            if isOver || intake.isEmpty, dispatcher.isIdle {
                guard try stayIdle() else { return activity.summary() }
            } else {
                waitForProgress()
            }
        }
    }

    private func lookAtConfiguration() {
        switch source.refresh() {
        case .none: return
        case .damaged(let error): return log.error("\(error); what was read before still holds")
        case .changed: break
        }
        let before = configuration
        configuration = source.current
        log.continueAs(configuration.openLog("queue-runner"))
        log.info("relais.conf has changed and was read again")
        settlement.reconfigure(configuration)
        dispatcher.reconfigure(configuration)
        intake.horizon = settlement.schedule.longestInterval
        // Another queue is another runner's.
        isOver =
            isOver || before.queueDirectory != configuration.queueDirectory
            || before.serviceDirectory != configuration.serviceDirectory
    }

    /// Reads on for a while, then looks what the deliverers say.
    private func takeMessages() {
        for _ in 0..<100 {
            guard let (message, parked) = intake.next() else { return }
            _ = begin(message, parked, for: nil)
        }
    }

    private func waitForProgress() {
        activity.isWaiting(sessions: dispatcher.batches.count)
        let sockets = Array(dispatcher.batches.keys) + (kicks.map { [$0] } ?? [])
        let until: Deadline = intake.isEmpty ? min(intake.deadline, .after(.seconds(1))) : .after(.zero)
        let ready = (try? Poll.wait(anyOf: sockets, until: until)) ?? []
        for raw in ready where raw != kicks { dispatcher.receive(from: raw) }
        dispatcher.look()
    }

    // MARK: One message

    /// Sorts the open recipients of a message into destinations. Those for `wanted` are the result, and
    /// have a session waiting; the others wait for theirs. `parked`: what waits already, where this go has begun.
    private func begin(
        _ message: ClaimedMessage, _ parked: ParkedMessage?, for wanted: Job.Destination?
    ) -> [Assignment] {
        guard let work = work(message) else {
            parked?.destinations = []
            return []
        }
        claimed += 1
        let parked = parked ?? ParkedMessage(message)
        var taken: [Assignment] = []
        var assigned: Set<Int> = []
        let numbers = recipients(of: work, parked.rest)
        for (destination, recipients) in Dictionary(grouping: numbers, by: { destination(of: $0, work) }) {
            if let trouble = dispatcher.services.trouble(for: destination) {
                for number in recipients {
                    settlement.withhold(number, of: work, trouble, quietly: true)
                }
                parked.destinations.remove(destination)
            } else if let failing = dispatcher.pause(of: destination, at: work.claimed) {
                for number in recipients { settlement.suspend(number, of: work, by: failing) }
                parked.destinations.remove(destination)
            } else if destination == wanted {
                taken += assign(recipients, of: work)
                assigned.formUnion(recipients)
            } else if parked.destinations.contains(destination) {
                work.waiting[destination] = recipients
            } else if claimed <= mostClaimed, dispatcher.hasRoom(for: destination) {
                for assignment in assign(recipients, of: work) {
                    dispatcher.add(
                        .claimed(assignment), from: message.envelope.reversePath, to: destination)
                }
                assigned.formUnion(recipients)
            } else {
                work.waiting[destination] = recipients
                parked.destinations.insert(destination)
                dispatcher.add(.parked(parked), from: message.envelope.reversePath, to: destination)
            }
        }
        if !work.waiting.isEmpty {
            // As long as nobody was tried, the place tells who is to be.
            let hasBegun = !parked.rest.isEmpty || !assigned.isEmpty
            parked.rest = hasBegun ? numbers.filter { !assigned.contains($0) } : []
            (parked.work, work.parked) = (work, parked)
        }
        if work.assignments > 0 { settlement.announce(work) } else { finish(work) }
        return taken
    }

    /// A message with what is known of it; nil when it is done with, or cannot be worked on.
    private func work(_ message: ClaimedMessage) -> Work? {
        do throws(QueueError) {
            let log = try MessageLog.open(for: message, in: queue, creating: false)
            if let log, log.endsInRemoval {
                intake.release(message.id)
                try queue.remove(message, log: log)
                return nil
            }
            // Recipients who have it would get it again if that could not be written down.
            if log == nil, message.envelope.recipients.count > 1 { try queue.checkRoom() }
            let work = Work(message, log: log, at: .now())
            work.isOwn = settlement.isOwn(message, at: work.claimed)
            return work
        } catch {
            settlement.complain(of: message.id, error)
            intake.leave(message.id)
            return nil
        }
    }

    /// Whom this go is for. `rest`: whom it has not come to yet, where it has begun.
    private func recipients(of work: Work, _ rest: [Int]) -> [Int] {
        if !rest.isEmpty { return work.open(among: rest) }
        // In `incoming/` is what is new, and what the operator wants tried now.
        return work.message.place == .incoming ? work.open : work.due(at: work.claimed)
    }

    /// What of a parked message goes to a destination whose turn it is.
    private func unpark(_ parked: ParkedMessage, for destination: Job.Destination) -> [Assignment] {
        guard parked.destinations.remove(destination) != nil else { return [] }
        if let work = parked.work {
            let recipients = work.waiting.removeValue(forKey: destination) ?? []
            parked.rest.removeAll { recipients.contains($0) }
            return assign(recipients, of: work)
        }
        guard let message = intake.claimAgain(parked) else { return [] }
        return begin(message, parked, for: destination)
    }

    /// Its destination fails: the recipients wait until it is tried again.
    private func suspend(
        _ parked: ParkedMessage, at destination: Job.Destination, by state: FailingDestination
    ) {
        guard parked.destinations.remove(destination) != nil else { return }
        if let work = parked.work {
            for number in work.waiting.removeValue(forKey: destination) ?? [] {
                settlement.suspend(number, of: work, by: state)
            }
        } else {
            intake.comeBack(Candidate(id: parked.id, place: parked.place, parked: parked))
        }
    }

    private func destination(of recipient: Int, _ work: Work) -> Job.Destination {
        Job.Destination(
            work.recipient(recipient), injectedBy: work.message.injector,
            isLocal: { configuration.isLocal(domain: $0) },
            delimiter: configuration.recipientDelimiter.utf8.first)
    }

    private func assign(_ recipients: [Int], of work: Work) -> [Assignment] {
        stride(from: 0, to: recipients.count, by: Job.mostRecipients).map { start in
            work.assignments += 1
            let end = min(start + Job.mostRecipients, recipients.count)
            return Assignment(work: work, recipients: Array(recipients[start..<end]))
        }
    }

    private func complete(_ assignment: Assignment) {
        assignment.work.assignments -= 1
        if assignment.work.assignments == 0 { finish(assignment.work) }
    }

    private func finish(_ work: Work) {
        claimed -= 1
        let message = work.message
        work.parked?.work = nil
        // It is let go; where it waits it is claimed again.
        if !work.waiting.isEmpty { return settlement.writeDown(work) }
        work.parked?.destinations = []
        if settlement.finish(work) { intake.release(message.id) } else { intake.leave(message.id) }
        for destination in Set(work.withheld.map { self.destination(of: $0, work) }) {
            dispatcher.services.keep(Candidate(id: message.id, place: message.place), for: destination)
        }
    }

    // MARK: Nothing to do

    private func emptyTrash(limit: Int) {
        do throws(QueueError) {
            let count = try queue.emptyTrash(at: .now(), limit: limit)
            if count > 0 { log.info("trash: \(count) message\(count == 1 ? "" : "s") gone for good") }
        } catch { log.error("trash: \(error)") }
    }

    /// Waits for a kick, or for the next minute; false when it is time to end.
    private func stayIdle() throws(QueueError) -> Bool {
        intake.invalidate()
        if mode != .kicked { emptyTrash(limit: 1000) }
        guard mode != .once, !isOver, let kicks else { return false }
        let toNextMinute = Duration.seconds(60) - .microseconds(Time.now().microseconds % 60_000_000)
        var end = Deadline.after(mode == .kicked ? Self.linger : toNextMinute)
        // One that stays for ever asks again, too; one that was kicked leaves that to cron.
        if mode == .watch, let next = dispatcher.services.nextAsking { end = min(end, next) }
        let kicked = (try? Poll.wait(kicks, for: .reading, until: end)) ?? false
        return kicked || mode == .watch
    }
}
