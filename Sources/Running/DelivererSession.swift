import Jobs
import Queue
import Unix

/// One session with a deliverer: the jobs that went over it, what came back, and when it is taken for dead.
final class DelivererSession {
    enum Ending {
        /// The deliverer said that it has no more to say.
        case finished
        /// It ended without that, or said what is no report.
        case died
        /// It gave no sign for longer than any that is at work.
        case hung
        /// Nobody has even read what was handed over.
        case untaken

        /// For recipients on whom there is no report.
        var inWords: String {
            switch self {
            case .finished: "the deliverer did not report on it"
            case .died: "the deliverer went away"
            case .hung: "the deliverer gave no sign for too long"
            case .untaken: "nobody took it"
            }
        }
    }

    let destination: Job.Destination
    var lane: Lane
    private let connection: any DelivererConnection
    private let clock: any RunnerClock
    let started: Time
    /// By the number of the job. What is settled is let go of: with it goes the message's lock, as nobody else could
    /// take the message as long as this session has others.
    private(set) var assignments: [Assignment?] = []
    /// For each job the recipients that nothing has been done about yet.
    private(set) var unsettled: [Set<Int>] = []
    /// Reports that say nothing of their message, only of the destination: kept until the end shows what to
    /// make of them.
    private(set) var refusals: [Report] = []
    /// What the deliverer said of itself: it is not what it must be, and tried nothing.
    private(set) var incapacity: Report?
    private(set) var hasDelivered = false
    private var delayIsTold = false
    private(set) var isCalledOff = false
    /// Whether the lane knows that nothing comes from here.
    var isStalled = false
    /// Whether it goes on beside the lanes, since it is in the others' way.
    var isSetAside = false
    /// Whether it had no room for what was handed over: nobody reads there.
    private(set) var isBlocked = false
    private var lastSign: Int64
    private let longestSilence: Duration

    private static let longestTaking = Duration.seconds(30)

    /// `longestSilence`: of a deliverer that is at work.
    init(
        with destination: Job.Destination, in lane: Lane, over connection: any DelivererConnection,
        longestSilence: Duration, clock: any RunnerClock
    ) {
        self.longestSilence = longestSilence
        self.connection = connection
        self.clock = clock
        self.destination = destination
        self.lane = lane
        lastSign = clock.monotonic
        started = clock.now
    }

    /// What to wait for.
    var raw: CInt { connection.raw }

    var hangs: Bool { hasBeenSilent(for: longestSilence) }

    /// Whether nobody has even read what was handed over: the first thing that a deliverer does.
    var isUntaken: Bool { hasBeenSilent(for: Self.longestTaking) && !isTaken }
    var isTaken: Bool { connection.isTaken }

    func hasBeenSilent(for patience: Duration) -> Bool {
        clock.monotonic - lastSign > patience.microseconds
    }

    /// Asks the deliverer to stop before its next message is committed; its reports still come.
    func callOff() {
        isCalledOff = true
        connection.giveUp()
    }

    func receive() -> JobSender.Progress {
        lastSign = clock.monotonic
        return connection.receive()
    }

    /// How long it took until something was delivered; once.
    func firstDelay() -> Duration? {
        guard hasDelivered, !delayIsTold else { return nil }
        delayIsTold = true
        return clock.now - started
    }

    /// Whether a report waits for the end of the session; any other settles its recipient.
    func holdsBack(_ report: Report) -> Bool {
        if report.isOfDeliverer {
            incapacity = report
            return true
        }
        if report.isOfDestination {
            refusals.append(report)
            return true
        }
        unsettled[report.job].remove(report.recipient)
        if report.verdict == .delivered || report.verdict == .relayed { hasDelivered = true }
        return false
    }

    /// Hands a job out for good.
    func release(_ job: Int) -> Assignment? {
        defer { assignments[job] = nil }
        return assignments[job]
    }

    /// What never became part of a batch.
    struct Unsent {
        let assignment: Assignment
        let reason: String
        /// Whether it never will, so that this was an attempt: it must not wait for ever.
        let isHopeless: Bool

        init(_ assignment: Assignment, _ reason: String, isHopeless: Bool = false) {
            self.assignment = assignment
            self.reason = reason
            self.isHopeless = isHopeless
        }
    }

    /// Hands everything over; what could not be sent is in the result when it never became part of the
    /// batch, else `unsettled`.
    func send(_ all: [Assignment], from queue: QueueDirectory) -> [Unsent] {
        var unsent: [Unsent] = []
        for assignment in all {
            let job = job(of: assignment)
            guard job.isWithinLimits else {
                let reason = "an address or its parameters are longer than a deliverer takes"
                unsent.append(Unsent(assignment, reason, isHopeless: true))
                continue
            }
            let file: Descriptor
            do throws(QueueError) {
                file = try queue.openForDelivery(assignment.work.message)
            } catch {
                unsent.append(Unsent(assignment, "\(error)"))
                continue
            }
            do throws(ExchangeError) {
                try connection.send(job, file: file)
                keep(assignment)
            } catch {
                if error == .timedOut { isBlocked = true }
                // The job counts as sent once it is in the batch; the deliverer's silence defers it.
                if assignments.count < connection.jobCount {
                    keep(assignment)
                } else {
                    unsent.append(Unsent(assignment, "the deliverer takes no more"))
                }
            }
        }
        do throws(ExchangeError) { try connection.endBatch() } catch {
            if error == .timedOut { isBlocked = true }
        }
        return unsent
    }

    private func job(of assignment: Assignment) -> Job {
        let message = assignment.work.message
        return Job(
            id: message.id.bytes, arrival: message.arrival,
            reversePath: message.envelope.reversePath, parameters: message.envelope.parameters,
            destination: destination, contentOffset: message.contentOffset,
            contentLength: message.head.contentLength, topLength: message.head.topLength,
            recipients: assignment.recipients.map { number in
                let recipient = assignment.work.recipient(number).believed(injectedBy: message.injector)
                return Job.Recipient(
                    address: recipient.address, parameters: recipient.parameters, index: number)
            })
    }

    private func keep(_ assignment: Assignment) {
        assignments.append(assignment)
        unsettled.append(Set(assignment.recipients))
    }
}
