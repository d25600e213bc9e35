import Delivery
import Queue
import Unix

/// One connection to a deliverer: the jobs that went over it, what came back, and when it is taken for dead.
final class Batch {
    let destination: Job.Destination
    var lane: Dispatcher.Lane
    let sender: JobSender
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
    /// For room in the socket. All others wait as long, but not again and again: where there is none the service is in
    /// trouble, and gets one message at a time.
    private static let patience = Duration.seconds(2)

    /// `longestSilence`: of a deliverer that is at work.
    init(
        to destination: Job.Destination, in lane: Dispatcher.Lane, over socket: consuming Descriptor,
        longestSilence: Duration
    ) {
        self.longestSilence = longestSilence
        sender = JobSender(adopting: socket, patience: Self.patience)
        self.destination = destination
        self.lane = lane
        lastSign = Deadline.monotonicMicroseconds()
        started = .now()
    }

    var hangs: Bool { hasBeenSilent(for: longestSilence) }

    /// Whether nobody has even read what was handed over: the first thing that a deliverer does.
    var isUntaken: Bool { hasBeenSilent(for: Self.longestTaking) && !isTaken }
    var isTaken: Bool { !ServiceSocket.hasUnread(sender.raw) }

    func hasBeenSilent(for patience: Duration) -> Bool {
        Deadline.monotonicMicroseconds() - lastSign > patience.microseconds
    }

    /// Asks the deliverer to stop before its next message is committed; its reports still come.
    func callOff() {
        isCalledOff = true
        sender.giveUp()
    }

    func receive() -> JobSender.Progress {
        lastSign = Deadline.monotonicMicroseconds()
        return sender.receive()
    }

    /// How long it took until something was delivered; once.
    func firstDelay() -> Duration? {
        guard hasDelivered, !delayIsTold else { return nil }
        delayIsTold = true
        return Time.now() - started
    }

    /// Whether a report waits for the end of the batch; any other settles its recipient.
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

    /// Hands everything over; what could not be sent is among `sender.outstanding` afterwards, or in the
    /// result when it never became part of the batch.
    func send(_ all: [Assignment], from queue: QueueDirectory) -> [(assignment: Assignment, reason: String)] {
        var unsent: [(assignment: Assignment, reason: String)] = []
        for assignment in all {
            let file: Descriptor
            do throws(QueueError) {
                file = try queue.openForDelivery(assignment.work.message)
            } catch {
                unsent.append((assignment, "\(error)"))
                continue
            }
            do throws(ExchangeError) {
                try sender.send(job(of: assignment), file: file)
                keep(assignment)
            } catch {
                if error == .timedOut { isBlocked = true }
                // The job counts as sent once it is in the batch; the deliverer's silence defers it.
                if assignments.count < sender.jobCount {
                    keep(assignment)
                } else {
                    unsent.append((assignment, "the deliverer takes no more"))
                }
            }
        }
        do throws(ExchangeError) { try sender.endBatch() } catch {
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
            contentLength: message.head.contentLength,
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
