import Bytes
import Mail
import Program
import Queue
import Reception
import Running
import Unix

/// Where recipients go instead.
enum RerouteTarget {
    /// To this address.
    case address([UInt8])
    /// To the same local part in another domain.
    case domain([UInt8])
    /// To the same address, by way of this host and not of the domain's mail exchangers.
    case route([UInt8])

    /// `user@domain`, `@domain`, `host`, `host:port`, `[192.0.2.1]`, `[2001:db8::1]:port` or `smtps://login@host`.
    init?(_ text: String) {
        let bytes = Array(text.utf8)
        if RelayHost.hasScheme(bytes) {
            guard let relay = RelayHost(text) else { return nil }
            self = .route(relay.name)
        } else if bytes.first == .ascii("@") {
            guard Address([.ascii("x")] + bytes) != nil else { return nil }
            self = .domain(Array(bytes.dropFirst()))
        } else if bytes.contains(.ascii("@")) {
            guard Address(bytes) != nil else { return nil }
            self = .address(bytes)
        } else {
            guard RelayHost.isRoute(bytes) else { return nil }
            self = .route(bytes.folded())
        }
    }

    var inWords: String {
        switch self {
        case .address(let address): "to <\(address.escaped())>"
        case .domain(let domain): "to @\(domain.escaped())"
        case .route(let route): "by way of \(route.escaped())"
        }
    }

    /// The recipient that takes another's place. Whom the sender wrote to stays known (RFC 3461 §5.2.1).
    func applied(to recipient: Envelope.Recipient) -> Envelope.Recipient {
        var parameters = Parameters(kept: recipient.withoutRoute.parameters)
        var address = recipient.address
        switch self {
        case .address(let other): address = other
        case .domain(let domain):
            let localPart = address.lastIndex(of: .ascii("@")).map { address[..<$0] } ?? address[...]
            address = localPart + [.ascii("@")] + domain
        case .route(let route): parameters.add(RecipientParameters.route, route)
        }
        if address != recipient.address,
            let original = RecipientParameters.OriginalRecipient(addedFor: recipient.address, to: parameters)
        {
            parameters.add("ORCPT", original.text)
        }
        return Envelope.Recipient(address, parameters: parameters.text)
    }
}

/// Sends recipients of a claimed message elsewhere. A message file is never rewritten: a copy for the new recipients
/// goes into the queue, then the old ones are written down as done.
struct Reroute {
    private let target: RerouteTarget
    private let queue: QueueDirectory
    private let configuration: Configuration

    init(to target: RerouteTarget, _ queue: QueueDirectory, _ configuration: Configuration) {
        self.target = target
        self.queue = queue
        self.configuration = configuration
    }

    /// Of the numbers above a message's recipients, which are for what a queue makes of it: see `Notifier`.
    private static let number = 3_000_000

    /// Several recipients that become one address are one recipient, whose sender hears of it once.
    private func recipients(_ numbers: [Int], of message: ClaimedMessage) -> [Envelope.Recipient] {
        var result: [Envelope.Recipient] = []
        for recipient in numbers.map({ target.applied(to: message.envelope.recipients[$0 - 1]) }) {
            if case .route = target {
                result.append(recipient)
                continue
            }
            if let index = result.firstIndex(where: { $0.address.equalsFolded(recipient.address) }) {
                if result[index] != recipient { result[index].parameters = [] }
            } else {
                result.append(recipient)
            }
        }
        return result
    }

    enum Outcome {
        /// In words, with the copy.
        case done(String, copy: MessageID?)
        /// The copy was not taken: nothing is changed.
        case refused(because: String)
    }

    /// A crash between the copy and the log leaves both; the same command then meets its
    /// own trace, for as long as the copy is in the queue.
    func apply(
        to message: ClaimedMessage, recipients wanted: [Int]
    ) throws(QueueError) -> Outcome {
        try queue.checkRoom()
        guard let log = try MessageLog.open(for: message, in: queue, creating: true) else {
            return .done("", copy: nil)
        }
        let numbers = wanted.filter(RecipientStates(log.events).isOpen)
        guard !numbers.isEmpty else { return .done("has no recipient left to send elsewhere", copy: nil) }
        let parameters = ForwardedWishes.mail(Parameters(kept: message.envelope.parameters), by: .single)
        let envelope = Envelope(
            reversePath: message.envelope.reversePath, parameters: parameters.text,
            recipients: recipients(numbers, of: message))
        // Another command makes another copy.
        let meant =
            numbers.map { Array("\($0) ".utf8) } + envelope.recipients.map { $0.address + $0.parameters }
        let id = message.id.derived(Self.number, of: Array(meant.joined()), at: message.arrival)
        if try queue.find(id).map({ $0.place == .incoming }) ?? true {
            let isHeld = message.place == .hold
            let reception = Reception(configuration, from: .reroute(of: message.id), through: [])
            do throws(ReceptionFailure) {
                try reception.takeOnce(envelope, id, in: queue, wakes: false, held: isHeld) {
                    copy throws(QueueError) in try copy.append(message)
                }
            } catch {
                switch error {
                case .queue(let error): throw error
                case .rejected: return .refused(because: "\(error)")
                }
            }
        }
        let text = "rerouted \(target.inWords) as \(id)"
        try log.append(
            numbers.map { number in
                LogEvent(time: .now(), recipient: number, kind: .delivered, status: "2.1.5", text: text)
            })
        try log.synchronize()
        try end(message, log)
        let count = message.envelope.recipients.count
        return .done(
            numbers.count == count ? text : "\(numbers.count) of \(count) recipients \(text)", copy: id)
    }

    /// A message with whose recipients nothing is left to do goes, unless somebody is to be told of it.
    private func end(_ message: ClaimedMessage, _ log: MessageLog) throws(QueueError) {
        let states = RecipientStates(log.events)
        guard !(1...message.envelope.recipients.count).contains(where: states.isOpen) else { return }
        if states.last.values.contains(where: { $0.kind.isOwed }) {
            if message.place != .incoming { try queue.move(message, to: .incoming) }
        } else {
            try queue.remove(message, log: log)
        }
    }
}
