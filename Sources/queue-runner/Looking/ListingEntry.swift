import Bytes
import Queue
import Unix

/// One message of the listing, with the recipients for whom something is still to be done.
struct ListingEntry {
    private struct Waiting {
        let address: [UInt8]
        let route: [UInt8]?
        /// Empty where nothing is known.
        let reason: String
        let last: LogEvent?
        let attempts: Int
    }

    private let message: QueuedMessage
    private let isActive: Bool
    private let waiting: [Waiting]
    private let next: Time?

    init(_ message: QueuedMessage, states: RecipientStates, isActive: Bool, reasons: inout Reasons) {
        self.message = message
        self.isActive = isActive
        var waiting: [Waiting] = []
        for (index, recipient) in message.envelope.recipients.enumerated() where states.isOpen(index + 1) {
            let last = states.last[index + 1]
            waiting.append(
                Waiting(
                    address: recipient.address, route: recipient.route(injectedBy: message.injector),
                    reason: reasons.deliverer(of: recipient, in: message, last) ?? last?.text
                        ?? reasons.destination(of: recipient, in: message)?.text ?? "",
                    last: last, attempts: states.attempts[index + 1] ?? 0))
        }
        self.waiting = waiting
        next = message.place.minute.map { Time(seconds: $0 * 60) }
    }

    // MARK: mailq

    /// Postfix's columns for long ids, with room for ours. Readers look for `-Queue ID-` and for `^-`.
    static let heading =
        row(
            "-Queue ID----------------", "--Size--", stamp: "---Arrival Time----")
        + " --Sender/Recipient------\n"

    private static let idWidth = MessageID.length + 1
    private static let stampWidth = 19
    /// A reason ends where the line of a terminal does.
    private static let reasonWidth = 76

    private static func row(_ id: String, _ size: String, stamp: String) -> String {
        id.padded(to: idWidth) + " " + size.rightAligned(in: 8) + " " + stamp.padded(to: stampWidth)
    }

    private static let recipientIndent = row("", "", stamp: "") + " "

    /// The message's line, then its recipients, each under the reason why it waits unless the one before has
    /// the same.
    var mailq: String {
        let mark = isActive ? "*" : message.place == .hold ? "!" : ""
        let sender = message.envelope.reversePath
        var text = Self.row(
            "\(message.id)\(mark)", String(message.head.length),
            stamp: LocalTime(message.arrival).listStamp)
        text += " " + (sender.isEmpty ? "MAILER-DAEMON" : sender.escaped()) + "\n"
        var shown = ""
        for recipient in waiting {
            if recipient.reason != shown {
                shown = recipient.reason
                let reason = shown.isEmpty ? "reason unavailable" : Array(shown.utf8).escaped(limit: 1000)
                text += "(\(reason))".rightAligned(in: Self.reasonWidth + 2) + "\n"
            }
            text += Self.recipientIndent + recipient.address.escaped() + "\n"
        }
        return text
    }

    // MARK: JSON

    private var queueName: String {
        switch message.place {
        case .hold: "hold"
        case _ where isActive: "active"
        case .incoming: "incoming"
        case .deferred: "deferred"
        case .corrupt: "corrupt"
        case .trash: "trash"
        }
    }

    /// The members of `postqueue -j` first, then our own.
    var json: [UInt8] {
        var text = JSONText()
        text.element { object in
            object.member("queue_name", queueName)
            object.member("queue_id", message.id.text)
            object.member("arrival_time", message.arrival.seconds)
            object.member("message_size", message.head.length)
            object.member("forced_expire", false)
            object.member("sender", message.envelope.reversePath)
            object.member(
                "recipients",
                array: { array in
                    for recipient in waiting { array.element { Self.describe(recipient, in: &$0) } }
                })
            object.member("recipients_done", message.envelope.recipients.count - waiting.count)
            object.member("injector_uid", Int64(message.injector))
            if let next {
                object.member(message.place.isTrash ? "removed_until" : "next_attempt", next.seconds)
            }
        }
        return text.bytes + [.lf]
    }

    private static func describe(_ recipient: Waiting, in object: inout JSONText) {
        object.member("address", recipient.address)
        if let route = recipient.route { object.member("route", route) }
        if !recipient.reason.isEmpty { object.member("delay_reason", recipient.reason) }
        object.member("attempts", recipient.attempts)
        guard let last = recipient.last else { return }
        object.member("dsn", last.status)
        object.member("last_attempt", last.time.seconds)
        object.member("next_attempt", last.next.seconds)
    }
}

extension String {
    /// With spaces behind it, for columns of ASCII.
    func padded(to width: Int) -> String { self + String(repeating: " ", count: max(0, width - utf8.count)) }

    func rightAligned(in width: Int) -> String {
        String(repeating: " ", count: max(0, width - utf8.count)) + self
    }
}
