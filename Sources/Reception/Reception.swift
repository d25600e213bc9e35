import Bytes
package import Mail
package import Program
package import Queue
package import Unix

/// The one door into the queue, for what comes by SMTP and by sendmail, for what is sent on, and for reports. Whoever is at
/// it asks for sender and recipients one by one, or all at once, and then begins the message.
package struct Reception {
    package let origin: Origin
    private let queue: String
    private let kick: String
    private let filters: [any Filter]

    /// The longest header of a stranger's that is held back until it is whole.
    package static let usualHeaderLimit = 1 << 17

    package init(_ configuration: Configuration, from origin: Origin, through filters: [any Filter]) {
        self.origin = origin
        self.filters = filters
        queue = configuration.queueDirectory
        kick = configuration.serviceSocket("kick")
    }

    /// A message is about to come from this sender.
    package func sender(_ reversePath: [UInt8], _ parameters: Parameters) throws(Rejection) {
        for filter in filters {
            try filter.begin(origin)
            try filter.sender(reversePath, parameters)
        }
    }

    package func recipient(_ recipient: Envelope.Recipient) throws(Rejection) {
        for filter in filters { try filter.recipient(recipient) }
    }

    /// Sender and recipients at once.
    package func admit(_ envelope: Envelope) throws(Rejection) {
        try sender(envelope.reversePath, Parameters(kept: envelope.parameters))
        for recipient in envelope.recipients { try self.recipient(recipient) }
    }

    /// Opens the queue's file for a message whose sender and recipients were asked for. `id`: where a repeated step must
    /// meet its own trace. `blank`: where one is ready.
    package func begin(
        _ envelope: Envelope, id: MessageID? = nil, at arrival: Time = .now(),
        on blank: consuming Blank? = nil,
        headerLimit: Int = usualHeaderLimit
    ) throws(QueueError) -> IncomingMessage {
        let injection = try Injection(
            queue: queue, envelope: envelope, id: id, arrival: arrival, blank: blank)
        return IncomingMessage(
            injection, arrival: arrival, origin: origin, envelope: envelope, filters: filters,
            headerLimit: headerLimit, queue: queue, kick: kick)
    }

    /// Both, for who has the envelope whole.
    package func take(
        _ envelope: Envelope, id: MessageID? = nil, at arrival: Time = .now(),
        headerLimit: Int = usualHeaderLimit
    ) throws(ReceptionFailure) -> IncomingMessage {
        do throws(Rejection) { try admit(envelope) } catch { throw .rejected(error) }
        do throws(QueueError) {
            return try begin(envelope, id: id, at: arrival, headerLimit: headerLimit)
        } catch { throw .queue(error) }
    }
}

extension Reception {
    /// What the queue makes of a message that it has, under an id that is the same at each attempt: one that got through is
    /// enough (`QueueDirectory.once`). `write` gives the text.
    package func takeOnce(
        _ envelope: Envelope, _ id: MessageID, isFirst: Bool = false, in queue: QueueDirectory,
        wakes: Bool = true, held: Bool = false, _ write: (IncomingMessage) throws(QueueError) -> Void
    ) throws(ReceptionFailure) {
        var rejection: Rejection?
        do throws(QueueError) {
            try queue.once(id, isFirst: isFirst) { () throws(QueueError) in
                do throws(ReceptionFailure) {
                    let message = try take(envelope, id: id)
                    do throws(QueueError) { try write(message) } catch { throw .queue(error) }
                    try message.commit(wakes: wakes, held: held)
                } catch {
                    switch error {
                    case .queue(let error): throw error
                    case .rejected(let why): rejection = why
                    }
                }
            }
        } catch { throw .queue(error) }
        if let rejection { throw .rejected(rejection) }
    }
}

/// Why nothing of a message is in the queue.
package enum ReceptionFailure: Error, Equatable, CustomStringConvertible {
    case queue(QueueError)
    case rejected(Rejection)

    package var description: String {
        switch self {
        case .queue(let error): error.description
        case .rejected(let rejection): rejection.cause ?? rejection.text
        }
    }
}
