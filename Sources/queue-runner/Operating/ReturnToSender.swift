import Bytes
import Program
import Queue
import Running
import Unix

/// Gives up recipients of a claimed message, and tells its sender so at once: as if each had failed for good. What a crash
/// leaves is what a runner leaves that dies there (S5 of queue(5)): whoever comes to the message next tells.
struct ReturnToSender {
    /// What the sender reads: one line.
    struct Reason {
        let text: String

        static let longest = 500

        init?(_ text: String) {
            guard !text.isEmpty, text.utf8.count <= Self.longest, !text.utf8.contains(where: { $0.isControl })
            else { return nil }
            self.text = text
        }
    }

    static let usualReason = "returned by the administrator of the mail system before it could be delivered"

    private let reason: Reason
    private let queue: QueueDirectory
    private let configuration: Configuration
    private let settlement: Settlement

    init(_ reason: Reason, _ queue: QueueDirectory, _ configuration: Configuration, _ log: Log) {
        self.reason = reason
        self.queue = queue
        self.configuration = configuration
        settlement = Settlement(
            configuration, queue: queue, log: log, activity: Activity(isVerbose: false))
    }

    /// What was done, in words. Recipients who were not chosen go on waiting where the message is.
    func apply(to message: ClaimedMessage, recipients wanted: [Int]) throws(QueueError) -> String {
        try queue.checkRoom()
        guard let log = try MessageLog.open(for: message, in: queue, creating: true) else { return "" }
        let work = Work(message, log: log, at: .now())
        let numbers = work.open(among: wanted)
        for number in numbers { settlement.giveUp(number, of: work, reason.text) }
        // One that was cut short has left this to be told.
        guard !work.owed.isEmpty else {
            return "has no recipient left to be given up"
        }
        try work.writeDown(in: queue)
        let isTold = try settlement.tell(work)
        let count = message.envelope.recipients.count
        let sender = message.envelope.reversePath
        var text =
            !isTold
            ? "given up, and nobody is told"
            : sender.isEmpty
                ? "given up, and the postmaster is told" : "returned to <\(sender.escapedInAngles())>"
        if !numbers.isEmpty, numbers.count < count {
            text = "\(numbers.count) of \(count) recipients \(text)"
        }
        if work.open.isEmpty, work.isUntold, configuration.trashLifetime > .zero {
            try queue.discard(message, until: .now() + configuration.trashLifetime, forgetting: work.log)
            text += ", in the trash"
        } else if work.open.isEmpty {
            try queue.remove(message, log: work.log)
        } else {
            try work.log?.synchronize()
        }
        return text
    }
}
