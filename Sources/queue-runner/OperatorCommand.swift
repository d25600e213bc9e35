import Bytes
import Queue
import Unix

/// What an operator does to single messages. Each waits for nobody: a message that a runner has locked right
/// now is left alone and said to be busy.
enum OperatorCommand: String, CaseIterable {
    case hold, release, remove, retry

    /// Whether it was done; says what was done, or why not.
    func apply(to name: String, in queue: QueueDirectory) throws(QueueError) -> (done: Bool, text: String) {
        guard let id = MessageID(name) else {
            return (false, "\(name): not a message id; queue-runner --list shows them")
        }
        for place in try places(queue) {
            switch try queue.claim(id, in: place) {
            case .claimed(let message): return (true, try apply(to: message, queue))
            case .busy: return (false, "\(id): is being delivered or written right now; try again")
            case .gone, .unfinished, .invalid: continue
            }
        }
        return (false, "\(id): no such message\(self == .release ? " on hold" : " in the queue")")
    }

    private func places(_ queue: QueueDirectory) throws(QueueError) -> [Place] {
        let waiting = [.incoming] + (try queue.buckets().map { Place.deferred(minute: $0) })
        return switch self {
        case .hold, .retry: waiting
        case .release: [.hold]
        case .remove: waiting + [.hold]
        }
    }

    private func apply(to message: ClaimedMessage, _ queue: QueueDirectory) throws(QueueError) -> String {
        switch self {
        case .hold:
            try queue.move(message, to: .hold)
            return "\(message.id): on hold"
        case .release, .retry:
            let memory = DestinationMemory(queue: queue.path)
            for recipient in message.envelope.recipients {
                guard let at = recipient.address.lastIndex(of: .ascii("@")) else { continue }
                memory[recipient.address[(at + 1)...].folded()]?.next = .now()
            }
            // Where every pass looks first, whatever the minute.
            if message.place != .incoming { try queue.move(message, to: .incoming) }
            return "\(message.id): due now"
        case .remove:
            try queue.remove(message, log: try MessageLog.open(for: message, in: queue, creating: true))
            return "\(message.id): removed"
        }
    }
}
