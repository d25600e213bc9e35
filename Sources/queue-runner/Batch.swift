import Delivery
import Queue
import Unix

/// One connection to a deliverer: the jobs that went over it, and when it is taken for dead.
final class Batch {
    let destination: Destination
    let sender: JobSender
    let started: Time
    private(set) var assignments: [Assignment] = []
    private let deadline: Deadline

    /// A deliverer has deadlines of its own; one that outlives this has lost them.
    private static let longest = Duration.seconds(6 * 3600)

    /// Connects to the deliverer's service; ENOENT or ECONNREFUSED when inetd has no such line.
    init(to destination: Destination, service: String) throws(SystemError) {
        sender = JobSender(adopting: try ServiceSocket.connect(service))
        self.destination = destination
        started = .now()
        deadline = .after(Self.longest)
    }

    var isOverdue: Bool { deadline.hasPassed }

    /// Hands everything over; what could not be sent is among `sender.outstanding` afterwards, or in the
    /// result when it never became part of the batch.
    func send(_ all: [Assignment], from queue: QueueDirectory) -> [(assignment: Assignment, reason: String)] {
        var unsent: [(assignment: Assignment, reason: String)] = []
        for assignment in all {
            do {
                try send(assignment, from: queue)
            } catch let error as QueueError {
                unsent.append((assignment, "\(error)"))
            } catch {
                // The job counts as sent once it is in the batch; the deliverer's silence defers it.
                if assignments.count < sender.jobCount {
                    assignments.append(assignment)
                } else {
                    unsent.append((assignment, "the deliverer takes no more"))
                }
            }
        }
        try? sender.endBatch()
        return unsent
    }

    private func send(_ assignment: Assignment, from queue: QueueDirectory) throws {
        let message = assignment.work.message
        let file = try queue.openForDelivery(message)
        let job = Job(
            id: Array(message.id.text.utf8), arrival: message.arrival,
            reversePath: message.envelope.reversePath, parameters: message.envelope.parameters,
            destination: destination.name, contentOffset: message.contentOffset,
            contentLength: message.head.contentLength,
            recipients: assignment.recipients.map { number in
                let recipient = assignment.work.recipient(number)
                return Job.Recipient(
                    address: recipient.address, parameters: recipient.parameters, index: number)
            })
        try sender.send(job, file: file)
        assignments.append(assignment)
    }
}
