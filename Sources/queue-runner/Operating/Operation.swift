import Bytes
import Program
import Queue
import Unix

/// One operator's command, done to each message that was chosen. It waits for nobody: a message that a runner has
/// locked right now is left alone, and said to be busy.
final class Operation {
    private let command: OperatorCommand
    private let selection: Selection
    private let queue: QueueDirectory
    private let configuration: Configuration
    private let log: Log
    /// Where messages are exported to; what is done is not said there then.
    private static let output: CInt = 1
    private var done = 0
    private var complaints = 0
    /// The last that was moved: what makes it durable makes all of them.
    private var last: ClaimedMessage?

    init(
        _ command: OperatorCommand, _ selection: Selection, _ queue: QueueDirectory,
        _ configuration: Configuration
    ) {
        self.command = command
        self.selection = selection
        self.queue = queue
        self.configuration = configuration
        log = configuration.openLog("queue-runner")
    }

    /// Whether it was done to all that were meant, and there were any.
    func run() throws(QueueError) -> Bool {
        for id in selection.ids { try find(id) }
        if selection.isSearch { try search() }
        if case .export = command { try synchronizeOutput() }
        // Before anybody is told that all is done; and the lock of the last goes before a runner is woken for it.
        try last?.synchronize()
        last = nil
        if done > 0, command.isWorthAKick { ServiceSocket.kick(configuration.serviceSocket("kick")) }
        return complaints == 0
    }

    private func synchronizeOutput() throws(QueueError) {
        do throws(SystemError) { try File.synchronize(Self.output) } catch { throw .export(error) }
    }

    // MARK: Choosing

    private func find(_ id: MessageID) throws(QueueError) {
        for place in try command.places(queue) {
            guard let message = try queue.look(at: id, in: place) else { continue }
            let numbers = try selection.recipients(of: message, in: queue) ?? []
            switch try apply(to: message, numbers) {
            case .done: return
            case .busy: return complain("\(id): is being delivered or written right now; try again")
            case .gone: continue
            }
        }
        complain("\(id): no such message \(command.placesInWords)")
    }

    private func search() throws(QueueError) {
        let before = done
        let named = Set(selection.ids)
        for place in try command.places(queue) {
            // All names before the first is moved: none comes twice.
            for id in try queue.names(in: place).ids where !named.contains(id) {
                guard let message = try queue.look(at: id, in: place),
                    let numbers = try selection.recipients(of: message, in: queue)
                else { continue }
                if try apply(to: message, numbers) == .busy {
                    complain("\(id): is being delivered right now: left alone; try again")
                }
            }
        }
        if done == before, complaints == 0 { complain("nothing \(command.placesInWords) is like that") }
    }

    private func complain(_ text: String) {
        complaints += 1
        try? File.writeAll(2, "queue-runner: \(text)\n".utf8)
    }

    // MARK: Doing

    private enum Result { case done, busy, gone }

    private func apply(to chosen: QueuedMessage, _ numbers: [Int]) throws(QueueError) -> Result {
        let id = chosen.id
        if case .purge = command {
            guard try queue.destroy(id, in: chosen.place) else { return .busy }
            return report(id, "removed for good")
        }
        switch try queue.claim(id, in: chosen.place) {
        case .busy: return .busy
        case .gone, .unfinished, .invalid: return .gone
        case .claimed(let message):
            do throws(QueueError) {
                let text = try apply(to: message, numbers)
                last = message
                return report(id, text)
            } catch {
                // What one message has need not be so with the next, but for where all of them go.
                if case .export = error { throw error }
                complain("\(id): \(error)")
                return .done
            }
        }
    }

    private func report(_ id: MessageID, _ text: String) -> Result {
        done += 1
        log.info("\(id): \(text), by the operator")
        if case .export = command { return .done }
        try? File.writeAll(Self.output, "\(id): \(text)\n".utf8)
        return .done
    }

    /// What was done, in words.
    private func apply(to message: ClaimedMessage, _ numbers: [Int]) throws(QueueError) -> String {
        switch command {
        case .hold:
            try queue.move(message, to: .hold)
            return "placed on hold"
        case .release:
            try hurry(message)
            return "released from hold"
        case .retry:
            try hurry(message)
            return "due now"
        case .remove: return try remove(message)
        case .undo:
            try queue.restore(message)
            return message.place == .hold ? "back, and on hold as it was" : "back, and due now"
        case .export:
            try message.export(to: Self.output, recipients: try openRecipients(of: message))
            try remove(message)
            return "exported"
        case .reroute(let target):
            return try Reroute(to: target, queue, configuration).apply(to: message, recipients: numbers)
        case .purge: return "removed for good"
        }
    }

    /// Where every pass looks first, whatever the minute, and whatever is known of its destinations.
    private func hurry(_ message: ClaimedMessage) throws(QueueError) {
        let memory = DestinationMemory(queue: queue.path)
        for recipient in message.envelope.recipients {
            if let destination = recipient.route ?? recipient.domain { memory[destination]?.next = .now() }
        }
        if message.place != .incoming { try queue.move(message, to: .incoming) }
    }

    @discardableResult
    private func remove(_ message: ClaimedMessage) throws(QueueError) -> String {
        guard configuration.trashLifetime > .zero else {
            try queue.remove(message, log: try MessageLog.open(for: message, in: queue, creating: true))
            return "removed"
        }
        let end = Time.now() + configuration.trashLifetime
        try queue.discard(message, until: end)
        return "removed, in the trash until \(end.inWords)"
    }

    private func openRecipients(of message: ClaimedMessage) throws(QueueError) -> [Int] {
        let events = try MessageLog.open(for: message, in: queue, creating: false)?.events ?? []
        let states = RecipientStates(events)
        return (1...message.envelope.recipients.count).filter(states.isOpen)
    }
}
