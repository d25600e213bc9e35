import Mail
import Unix

@testable import Jobs
@testable import Running

/// What is around a runner: a clock that goes on when somebody waits, to what comes next, and deliverers that answer
/// as they are told.
final class World: RunnerClock, Deliverers {
    /// The beginning of a minute.
    private(set) var now: Time
    private(set) var monotonic: Int64 = 1_000_000
    private var events: [(at: Int64, action: () throws -> Void)] = []
    private var failure: (any Error)?

    /// What a deliverer does that has read its batch; without any it delivers all of it.
    var behaviour: (Connection) -> Void = { $0.deliverAll() }
    /// What is so from the beginning.
    var whenConnected: (Connection) -> Void = { _ in }
    /// Why there is no deliverer, by its socket's name.
    var absence: [String: Errno] = [:]
    private(set) var connections: [Connection] = []
    /// How often somebody wanted one.
    private(set) var attempts = 0

    init() { now = Time(seconds: Time.now().seconds / 60 * 60) }

    // MARK: The clock

    /// What others do, when so much time has passed.
    func after(_ duration: Duration, do action: @escaping () throws -> Void) {
        events.append((monotonic + duration.microseconds, action))
    }

    func goOn(_ duration: Duration) {
        monotonic += duration.microseconds
        now = now + duration
    }

    /// Somebody sets the clock of the day.
    func setClock(_ time: Time) { now = time }

    func wait(for descriptors: [CInt], until deadline: Deadline) -> [CInt] {
        while true {
            runEvents()
            let ready = descriptors.filter(canBeRead)
            if !ready.isEmpty || monotonic >= deadline.microseconds { return ready }
            let answers = connections.filter { descriptors.contains($0.raw) }.compactMap { $0.nextAnswer }
            let next = min(deadline.microseconds, (answers + events.map { $0.at }).min() ?? .max)
            precondition(next < .max, "nothing will ever happen")
            goOn(.microseconds(next - monotonic))
        }
    }

    private func runEvents() {
        while let index = events.firstIndex(where: { $0.at <= monotonic }) {
            let action = events.remove(at: index).action
            do { try action() } catch { failure = failure ?? error }
        }
    }

    /// What an action could not do.
    func check() throws { if let failure { throw failure } }

    private func canBeRead(_ raw: CInt) -> Bool {
        if let connection = connections.first(where: { $0.raw == raw }) {
            return connection.nextAnswer.map { $0 <= monotonic } ?? false
        }
        return (try? Poll.wait(raw, for: .reading, until: Deadline(microseconds: 0))) ?? false
    }

    // MARK: The deliverers

    func connect(to path: String) throws(SystemError) -> any DelivererConnection {
        attempts += 1
        for (name, code) in absence where path.hasSuffix(name) { throw SystemError("connect", code, path) }
        let connection = Connection(in: self, number: connections.count, to: path)
        connections.append(connection)
        whenConnected(connection)
        return connection
    }

    /// All jobs of all sessions, in the order in which they were handed over: id and recipients.
    var jobs: [Job] { connections.flatMap { $0.jobs } }
}

/// A session in memory.
final class Connection: DelivererConnection {
    private unowned let world: World
    let path: String
    let raw: CInt
    private(set) var jobs: [Job] = []
    /// What the files were that went along.
    private(set) var contents: [[UInt8]] = []
    private(set) var hasEnded = false
    private(set) var isCalledOff = false
    var isTaken = true
    /// How the sending of a job fails.
    var fails: ExchangeError?
    /// The same, when some of it may be with the deliverer.
    var failsOnTheWay: ExchangeError?
    /// Told when the runner calls it off.
    var whenCalledOff: (Connection) -> Void = { _ in }
    private var answers: [(at: Int64, progress: JobSender.Progress)] = []

    init(in world: World, number: Int, to path: String) {
        self.world = world
        self.path = path
        raw = 10_000 + CInt(number)
    }

    var nextAnswer: Int64? { answers.first?.at }

    // MARK: As the runner sees it

    var jobCount: Int { jobs.count }

    func send(_ job: Job, file: borrowing Descriptor) throws(ExchangeError) {
        if let fails { throw fails }
        jobs.append(job)
        contents.append((try? file.read(upTo: job.contentLength, at: job.contentOffset)) ?? [])
        if let failsOnTheWay { throw failsOnTheWay }
    }

    func endBatch() throws(ExchangeError) {
        if let fails { throw fails }
        hasEnded = true
        if jobs.isEmpty { finish() } else { world.behaviour(self) }
    }

    func giveUp() {
        isCalledOff = true
        whenCalledOff(self)
    }

    func receive() -> JobSender.Progress {
        var all = JobSender.Progress()
        while let first = answers.first, first.at <= world.monotonic {
            answers.removeFirst()
            all.reports += first.progress.reports
            (all.isOver, all.failure) = (first.progress.isOver, first.progress.failure)
        }
        return all
    }

    // MARK: As the test does

    private func answer(_ progress: JobSender.Progress, after delay: Duration) {
        let at = max(world.monotonic + delay.microseconds, answers.last?.at ?? 0)
        answers.append((at, progress))
    }

    /// Reports on all recipients of a job.
    func report(
        _ job: Int, _ verdict: Report.Verdict, _ text: String = "said so", isOfDestination: Bool = false,
        isOfDeliverer: Bool = false, forward: Report.Forward? = nil, only: [Int]? = nil,
        answerable: [UInt8]? = nil, timing: (connecting: Int, transmitting: Int) = (0, 0),
        after delay: Duration = .milliseconds(1)
    ) {
        let reports = jobs[job].recipients.filter { only?.contains($0.index) ?? true }.map { recipient in
            var report = Report(
                job: job, recipient: recipient.index, verdict, Self.status(verdict), text.utf8,
                relay: "relay[192.0.2.1]:25".utf8, connecting: timing.connecting,
                transmitting: timing.transmitting, isOfDestination: isOfDestination, forward: forward,
                answerable: answerable)
            report.isOfDeliverer = isOfDeliverer
            return report
        }
        answer(JobSender.Progress(reports: reports), after: delay)
    }

    func finish(after delay: Duration = .zero) { answer(JobSender.Progress(isOver: true), after: delay) }

    /// Leaves off.
    func stop() {
        answers.removeAll()
        finish()
    }

    func die(after delay: Duration = .zero) {
        answer(JobSender.Progress(isOver: true, failure: .ended), after: delay)
    }

    func answerAll(
        _ verdict: Report.Verdict, _ text: String = "said so", isOfDestination: Bool = false,
        isOfDeliverer: Bool = false, after delay: Duration = .milliseconds(1)
    ) {
        for job in jobs.indices {
            report(
                job, verdict, text, isOfDestination: isOfDestination, isOfDeliverer: isOfDeliverer,
                after: delay)
        }
        finish()
    }

    func deliverAll() { answerAll(.delivered) }

    private static func status(_ verdict: Report.Verdict) -> EnhancedStatus {
        switch verdict {
        case .delivered, .relayed, .forwarded: EnhancedStatus(2, 0, 0)
        case .deferred: EnhancedStatus(4, 2, 0)
        case .failed: EnhancedStatus(5, 1, 1)
        }
    }
}
