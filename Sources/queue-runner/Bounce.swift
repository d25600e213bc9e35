import Bytes
import Mail
import Program
import Queue
import Unix

/// The report that goes to a message's sender for recipients that failed for good.
struct Bounce {
    private let work: Work
    private let failures: [LogEvent]
    private let configuration: Configuration

    init(of work: Work, failures: [LogEvent], configuration: Configuration) {
        self.work = work
        self.failures = failures
        self.configuration = configuration
    }

    /// Puts the report into the queue under an id that is the same each time this is tried.
    func inject(into queue: String, id: MessageID) throws(QueueError) {
        let message = work.message
        let envelope = Envelope(
            reversePath: [], recipients: [Envelope.Recipient(message.envelope.reversePath)])
        let original = try originalPart()
        let notification = notification(id: id, isHeadersOnly: original.isHeadersOnly)
        let copy = try Injection(queue: queue, envelope: envelope, id: id)
        try copy.append(notification.head)
        try Settlement.copyContent(of: message, to: copy, limit: original.length)
        try copy.append(notification.tail)
        try copy.commit(kick: configuration.serviceSocket("kick"))
    }

    private func notification(id: MessageID, isHeadersOnly: Bool) -> DeliveryStatusNotification {
        let message = work.message
        let parameters = try? Parameters(message.envelope.parameters)
        return DeliveryStatusNotification(
            reportingMTA: configuration.hostname, to: message.envelope.reversePath,
            messageID: "\(id)@\(configuration.hostname)", date: DateTime(seconds: Time.now().seconds),
            boundary: "\(id)/\(configuration.hostname)",
            envelopeID: parameters?.first("ENVID")?.value.flatMap { XText.decode($0) },
            arrival: DateTime(seconds: message.arrival.seconds), recipients: failures.map(recipient),
            isHeadersOnly: isHeadersOnly)
    }

    private func recipient(_ event: LogEvent) -> DeliveryStatusNotification.Recipient {
        let recipient = work.recipient(event.recipient)
        let parameters = try? Parameters(recipient.parameters)
        return DeliveryStatusNotification.Recipient(
            original: parameters?.first("ORCPT")?.value.flatMap { XText.decode($0) },
            final: recipient.address,
            action: .failed, status: event.status, diagnostic: event.text)
    }

    /// How much of the original goes along: all of a small message, the header of a large one or where the
    /// sender asked for that (RFC 3461 §4.3).
    private func originalPart() throws(QueueError) -> (length: Int, isHeadersOnly: Bool) {
        let length = work.message.head.contentLength
        let wanted = (try? Parameters(work.message.envelope.parameters))?.first("RET")?.value
        if length <= configuration.bounceSizeLimit, wanted?.equalsFolded("HDRS") != true {
            return (length, false)
        }
        let front = try work.message.content(at: 0, upTo: 65536)
        return (min(MessageHeader(front).size, length), true)
    }
}
