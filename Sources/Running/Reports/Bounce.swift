import Bytes
import Mail
import Program
import Queue
import Unix

/// One report on one message, made of what the message's log says.
struct Bounce {
    private let work: Work
    private let events: [LogEvent]
    private let configuration: Configuration
    private let parameters: MailParameters?

    /// What stands in front of the last reason where time was up.
    static let expired = "not delivered within the queue lifetime; last: "
    /// As much of the original as can hold the header that is returned.
    private static let longestHeader = 65536

    /// `events`: what is to be told, one a recipient.
    init(of work: Work, telling events: [LogEvent], configuration: Configuration) {
        self.work = work
        self.events = events
        self.configuration = configuration
        parameters = try? MailParameters(Parameters(work.message.envelope.parameters))
    }

    /// What goes into the queue: an envelope, and a text that has the first `length` bytes of the original in its middle.
    struct Report {
        let envelope: Envelope
        let head: [UInt8]
        let length: Int
        let tail: [UInt8]
    }

    /// The same each time it is made.
    func report(
        _ id: MessageID, to recipient: [UInt8], for audience: DeliveryStatusNotification.Audience
    ) throws(QueueError) -> Report {
        let header = MessageHeader(try work.message.front(upTo: Self.longestHeader))
        let (length, isHeaderOnly) = originalPart(header)
        var notification = try notification(id, recipient, header, length, isHeaderOnly)
        notification.audience = audience
        return Report(
            envelope: envelope(recipient, notification, audience), head: notification.head, length: length,
            tail: notification.tail)
    }

    /// RFC 3461 §6.1: from nobody, with no wish for reports.
    private func envelope(
        _ recipient: [UInt8], _ notification: DeliveryStatusNotification,
        _ audience: DeliveryStatusNotification.Audience
    ) -> Envelope {
        var parameters = Parameters()
        if notification.isEightBit { parameters.add("BODY", Array("8BITMIME".utf8)) }
        if notification.isGlobal { parameters.add("SMTPUTF8", nil) }
        if audience == .postmaster { parameters.add(MailParameters.doubleBounce, nil) }
        return Envelope(
            reversePath: [], parameters: parameters.text, recipients: [Envelope.Recipient(recipient)])
    }

    /// How much of the original goes along: all of a small message that failed, the header of a large one, or
    /// where the sender asked for that, or where nothing failed (RFC 3461 §4.3).
    private func originalPart(_ header: MessageHeader) -> (length: Int, isHeaderOnly: Bool) {
        let length = work.message.head.length
        let hasFailed = events.contains { $0.kind == .failed }
        let isWhole =
            hasFailed && length <= configuration.bounceSizeLimit && parameters?.returning != .headers
        return (isWhole ? length : min(header.size, length), !isWhole)
    }

    private func notification(
        _ id: MessageID, _ recipient: [UInt8], _ header: MessageHeader, _ length: Int, _ isHeaderOnly: Bool
    ) throws(QueueError) -> DeliveryStatusNotification {
        let message = work.message
        let original = DeliveryStatusNotification.Original(
            isHeaderOnly: isHeaderOnly, isEightBit: try isEightBit(upTo: length),
            messageID: Self.messageID(header))
        var notification = DeliveryStatusNotification(
            reportingMTA: configuration.hostname, to: recipient,
            messageID: "\(id)@\(configuration.hostname)", date: DateTime(seconds: Time.now().seconds),
            arrival: DateTime(seconds: message.arrival.seconds), recipients: events.map(self.recipient),
            original: original)
        notification.envelopeID = parameters?.envelopeID
        notification.isInternationalised = parameters?.smtpUTF8 ?? false
        notification.receivedFrom = header.first("Received").flatMap {
            TraceField.origin($0.value, id: message.id.text)
        }
        return notification
    }

    private func isEightBit(upTo length: Int) throws(QueueError) -> Bool {
        var isEightBit = false
        try work.message.forEachPart(upTo: length) { part in
            isEightBit = isEightBit || part[...].hasEightBits
        }
        return isEightBit
    }

    /// What a mail reader finds the original by; only where it is one word that another header can hold.
    private static func messageID(_ header: MessageHeader) -> [UInt8]? {
        guard let value = header.first("Message-ID")?.value, (3...500).contains(value.count),
            value.first == .ascii("<"), value.last == .ascii(">"), value.allSatisfy({ $0.isVisible })
        else { return nil }
        return value
    }

    private func recipient(_ event: LogEvent) -> DeliveryStatusNotification.Recipient {
        let recipient = work.recipient(event.recipient)
        var text = event.text
        if text.hasPrefix(Self.expired) { text.removeFirst(Self.expired.count) }
        return DeliveryStatusNotification.Recipient(
            original: (try? RecipientParameters(Parameters(recipient.parameters)))?.original,
            final: recipient.address, action: Self.action(event.kind), status: event.status,
            text: Array(text.utf8),
            lastAttempt: event.time > work.message.arrival ? DateTime(seconds: event.time.seconds) : nil,
            willRetryUntil: DateTime(
                seconds: (work.message.arrival + configuration.queueLifetime).seconds))
    }

    private static func action(_ kind: LogEvent.Kind) -> DeliveryStatusNotification.Action {
        switch kind {
        case .failed, .settled, .removed: .failed
        case .deferred, .warned: .delayed
        case .succeeded, .delivered: .delivered
        case .relayed: .relayed
        case .expanded: .expanded
        }
    }
}
