import Jobs
package import Program
package import Queue
import Unix

/// One pass, or many: claims what is due, has it delivered, and settles what the deliverers report.
///
/// One thread, one `poll`. What is due comes from the intake; it is read on even when a destination has
/// enough waiting already: what has no room there is let go and claimed again in its turn (parked), so that
/// the first thousands in the queue are in nobody's way.
///
/// A message in flight, and what it is called there:
///
///     Candidate         an id, and where it is: a knock or a scan has found it      Intake
///     ClaimedMessage    locked, its envelope read                                   QueueDirectory.claim
///     Work              that with its history: one attempt at all that is due       Runner.begin
///     Assignment        those of its recipients that go to one destination          Runner.assign
///     Waiting           that in its lane; or, where enough wait, a ParkedMessage,   Lanes
///                       which is let go, and a Candidate again in its turn
///     Turn              what one session is to take                                 Lanes.nextTurn
///     Job               an assignment on its way, in a DelivererSession             Dispatcher.start
///     Report            what became of one recipient                                Dispatcher.receive
///     Happening         that and all else that follows, for the runner to act on    Runner.act
///     LogEvent          a recipient's new state, in the Work, then on disk          Settlement
///
/// Behind the last assignment `Settlement.finish` ends the message, or lets it wait. The parts know nothing of each
/// other: each returns what happened or what is to be done, and only the runner knows all of them.
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
    var configuration: Configuration
    /// Whether this process is to end: what it works on is not what relais.conf says any more.
    private var isOver = false
    let queue: QueueDirectory
    private let mode: Mode
    private let kicks: CInt?
    let lock: RunnerLock
    let log: Log
    let clock: any RunnerClock
    private let activity: Activity
    let settlement: Settlement
    let intake: Intake
    let dispatcher: Dispatcher
    /// Messages that are locked, and how many may be: each is an open file, and another while it is handed
    /// over.
    var claimed = 0
    var mostClaimed: Int
    private var lastMinute: Int64 = 0

    /// inetd counts starts: never linger less than two seconds.
    private static let linger = Duration.seconds(3)

    package init(
        _ source: ConfigurationSource, queue: QueueDirectory, lock: RunnerLock, log: Log, mode: Mode,
        kicks: CInt?, knocks: [[UInt8]], activity: Activity, clock: any RunnerClock = SystemClock(),
        deliverers: any Deliverers = ServiceSockets()
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
        self.clock = clock
        settlement = Settlement(configuration, queue: queue, log: log, activity: activity, clock: clock)
        intake = Intake(
            queue: queue, log: log, kicks: kicks, horizon: settlement.schedule.longestInterval, clock: clock)
        dispatcher = Dispatcher(
            configuration, queue: queue, log: log, clock: clock, deliverers: deliverers)
        mostClaimed = max(16, min(4000, raiseFileLimit(to: 8192) / 2))
        intake.hear(knocks)
    }

    package func run() throws(QueueError) {
        while try goRound() {}
        activity.summary()
    }

    /// Does what is to be done now, and waits for more; false when it is time to end.
    func goRound() throws(QueueError) -> Bool {
        try intake.look()
        // Behind the knock: what it is about was accepted by what the file said then.
        lookAtConfiguration()
        if intake.minute != lastMinute {
            lastMinute = intake.minute
            dispatcher.services.forgetWaiting()
            // Not more than mail can wait for.
            emptyTrash(limit: 50)
            removeLeftLogs()
        }
        for candidate in dispatcher.services.askAgain() { intake.comeBack(candidate) }
        if !isOver { takeMessages() }
        dispatch()
        lock.beat()
        if isOver || intake.isEmpty, dispatcher.isIdle { return try stayIdle() }
        waitForProgress()
        return true
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

    private func dispatch() {
        while let turn = dispatcher.nextTurn() {
            let assignments = turn.waiting.flatMap { _, waiting in
                switch waiting {
                case .claimed(let assignment): [assignment]
                case .parked(let message): unpark(message, for: turn.destination)
                }
            }
            act(on: dispatcher.start(turn, with: assignments))
        }
    }

    private func waitForProgress() {
        activity.isWaiting(sessions: dispatcher.sessions.count)
        let sockets = Array(dispatcher.sessions.keys) + (kicks.map { [$0] } ?? [])
        let isDone = isOver || intake.isEmpty
        let until = isDone ? min(intake.deadline, clock.after(.seconds(1))) : clock.after(.zero)
        for raw in clock.wait(for: sockets, until: until) where raw != kicks {
            act(on: dispatcher.receive(from: raw))
        }
        act(on: dispatcher.look())
        dispatcher.makeRoom()
    }

    // MARK: Nothing to do

    private func emptyTrash(limit: Int) {
        do throws(QueueError) {
            let count = try queue.emptyTrash(at: clock.now, limit: limit)
            if count > 0 { log.info("trash: \(count) message\(count == 1 ? "" : "s") gone for good") }
        } catch { log.error("trash: \(error)") }
    }

    private func removeLeftLogs() {
        do throws(QueueError) { try queue.removeLeftLogs() } catch { log.error("\(error)") }
    }

    /// Waits for a kick, or for the next minute; false when it is time to end.
    private func stayIdle() throws(QueueError) -> Bool {
        intake.invalidate()
        if mode != .kicked { emptyTrash(limit: 1000) }
        guard mode != .once, !isOver, let kicks else { return false }
        let toNextMinute = Duration.seconds(60) - .microseconds(clock.now.microseconds % 60_000_000)
        var end = clock.after(mode == .kicked ? Self.linger : toNextMinute)
        // One that stays for ever asks again, too; one that was kicked leaves that to cron.
        if mode == .watch, let next = dispatcher.services.nextAsking { end = min(end, next) }
        let isKicked = !clock.wait(for: [kicks], until: end).isEmpty
        return isKicked || mode == .watch
    }
}
