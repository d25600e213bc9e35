import Bytes
import Program
import Queue
import Running
import Unix

/// One operator's command, done to each message that was chosen. It waits for nobody: a message that a runner has
/// locked right now is left alone, and said to be busy.
final class Operation {
    private let command: OperatorCommand
    private let selection: Selection
    private let queue: QueueDirectory
    private let configuration: Configuration
    private let log: Log
    /// Those that need not be looked at again.
    private var handled: Set<MessageID> = []
    private var busy: Set<MessageID> = []
    private var done = 0
    private var status = ExitStatus.ok
    /// The last that was moved: what makes it durable makes all of them.
    private var last: ClaimedMessage?
    /// Written out, and not yet removed.
    private var exported: [ClaimedMessage] = []

    /// Mail that moves is met at last: no runner moves it that often while we look.
    private static let mostRounds = 20
    /// So many are written out before they are removed: each is an open file.
    private static let mostExported = 200
    /// For what was exported: whoever has it may lose it.
    private static let leastTrashLifetime = Duration.seconds(86400)
    /// Where messages are exported to.
    private static let output: CInt = 1

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

    /// Not 0 unless it was done to all that were meant, and there were any.
    func run() throws(QueueError) -> ExitStatus {
        do throws(QueueError) {
            for id in selection.ids { try find(id) }
            if selection.isSearch { try search() }
            try removeExported()
        } catch {
            try? finish()
            throw error
        }
        try finish()
        return status
    }

    /// What was said to be done is made durable, and the lock of the last one goes before a runner is woken for it.
    private func finish() throws(QueueError) {
        exported.removeAll()
        try last?.synchronize()
        last = nil
        if done > 0, command.isWorthAKick { ServiceSocket.kick(configuration.serviceSocket("kick")) }
    }

    // MARK: Choosing

    private func find(_ id: MessageID) throws(QueueError) {
        // Twice: it may move meanwhile.
        for _ in 0..<2 where !handled.contains(id) {
            for place in try command.places(queue) {
                guard let message = try queue.look(at: id, in: place) else { continue }
                try visit(message, try selection.recipients(of: message, in: queue) ?? [])
                if handled.contains(id) { break }
            }
        }
        if busy.contains(id) {
            complain("\(id): is being delivered or written right now; try again", .noInput)
        } else if !handled.contains(id) {
            complain("\(id): no such message \(command.placesInWords)", .noInput)
        }
    }

    /// Until a round over all places finds nothing new: what a runner moves from one to another while we look is met
    /// in the next.
    private func search() throws(QueueError) {
        let before = handled.count
        for _ in 0..<Self.mostRounds {
            let count = handled.count
            var hasMoved = false
            for place in try command.places(queue) {
                for id in try queue.names(in: place).ids where !handled.contains(id) {
                    guard let message = try queue.look(at: id, in: place) else {
                        hasMoved = true
                        continue
                    }
                    guard let numbers = try selection.recipients(of: message, in: queue) else { continue }
                    try visit(message, numbers)
                    if !handled.contains(id), !busy.contains(id) { hasMoved = true }
                }
            }
            if handled.count == count, !hasMoved { break }
        }
        for id in busy.subtracting(selection.ids).sorted() {
            complain("\(id): is being delivered right now: left alone; try again", .noInput)
        }
        if handled.count == before, busy.isEmpty {
            complain("nothing \(command.placesInWords) is like that", .noInput)
        }
    }

    private func complain(_ text: String, _ status: ExitStatus) {
        if self.status == .ok { self.status = status }
        Main.tool.complain(text)
    }

    // MARK: Doing

    private func visit(_ chosen: QueuedMessage, _ numbers: [Int]) throws(QueueError) {
        let id = chosen.id
        if case .purge = command {
            if try queue.destroy(id, in: chosen.place) { report(id, "removed for good") }
            return
        }
        switch try queue.claim(id, in: chosen.place) {
        case .busy: busy.insert(id)
        case .gone, .unfinished, .invalid: break
        case .claimed(let message):
            busy.remove(id)
            handled.insert(id)
            do throws(QueueError) {
                guard let text = try apply(to: message, numbers) else { return }
                last = message
                report(id, text)
            } catch {
                // What one message has need not be so with the next, but for where all of them go.
                if case .export = error { throw error }
                complain("\(id): \(error)", .temporaryFailure)
            }
        }
    }

    private func report(_ id: MessageID, _ text: String) {
        done += 1
        handled.insert(id)
        log.info("\(id): \(text), by the operator")
        let isExport = if case .export = command { true } else { false }
        try? File.writeAll(isExport ? 2 : 1, "\(id): \(text)\n".utf8)
    }

    /// What was done, in words; nil where that is yet to be said, or was said to be impossible.
    private func apply(to message: ClaimedMessage, _ numbers: [Int]) throws(QueueError) -> String? {
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
        case .remove: return try remove(message, keepingFor: configuration.trashLifetime)
        case .undo:
            try queue.restore(message)
            if message.place == .incoming { askDestinations(of: message) }
            return message.place == .hold ? "back, and on hold as it was" : "back, and due now"
        case .export:
            try export(message)
            return nil
        case .reroute(let target):
            switch try Reroute(to: target, queue, configuration).apply(to: message, recipients: numbers) {
            case .refused(let reason):
                complain("\(message.id): left as it is: the copy is refused: \(reason)", .unavailable)
                return nil
            case .done(let text, let copy):
                // It is like what was chosen, perhaps, and is not to go round again.
                if let copy { handled.insert(copy) }
                return text
            }
        case .giveBack(let reason):
            return try ReturnToSender(reason, queue, configuration, log).apply(
                to: message, recipients: numbers)
        case .purge: return nil
        }
    }

    /// Where every pass looks first, whatever the minute, and whatever is known of its destinations.
    private func hurry(_ message: ClaimedMessage) throws(QueueError) {
        askDestinations(of: message)
        if message.place != .incoming { try queue.move(message, to: .incoming) }
    }

    private func askDestinations(of message: ClaimedMessage) {
        let memory = DestinationMemory(queue: queue.path)
        for recipient in message.envelope.recipients {
            guard
                let destination = configuration.nextHop(
                    of: recipient, from: message.envelope.reversePath, injectedBy: message.injector)
            else { continue }
            memory[destination]?.next = .now()
        }
    }

    private func remove(
        _ message: ClaimedMessage, keepingFor lifetime: Duration
    ) throws(QueueError) -> String {
        guard lifetime > .zero else {
            try queue.remove(message, log: try MessageLog.open(for: message, in: queue, creating: false))
            return "removed"
        }
        let end = Time.now() + lifetime
        do throws(QueueError) { try queue.discard(message, until: end) } catch {
            guard error.isOutOfSpace else { throw error }
            complain(
                "there is no room for the trash: --purge makes some, or trash-lifetime = 0", .temporaryFailure
            )
            throw error
        }
        return "removed, in the trash until \(end.inWords)"
    }

    // MARK: Exporting

    /// Writes it out; it is removed when that is safe.
    private func export(_ message: ClaimedMessage) throws(QueueError) {
        let events = try MessageLog.open(for: message, in: queue, creating: false)?.events ?? []
        let states = RecipientStates(events)
        let open = (1...message.envelope.recipients.count).filter(states.isOpen)
        guard !open.isEmpty, !states.last.values.contains(where: { $0.kind.isOwed }) else {
            return complain(
                "\(message.id): left here: its sender is yet to be told of something; try again when a runner has done so",
                .noInput)
        }
        try message.export(to: Self.output, recipients: open)
        exported.append(message)
        if exported.count >= Self.mostExported { try removeExported() }
    }

    private func removeExported() throws(QueueError) {
        guard !exported.isEmpty else { return }
        do throws(SystemError) { try File.synchronize(Self.output) } catch { throw .export(error) }
        for message in exported {
            let lifetime = max(configuration.trashLifetime, Self.leastTrashLifetime)
            _ = try remove(message, keepingFor: lifetime)
            last = message
            report(message.id, "exported")
        }
        exported.removeAll()
    }
}
