import Bytes

/// A report to a message's sender: multipart/report of RFC 6522 with the fields of RFC 3464. It is made of a
/// `head`, then the original (or its header) as the caller streams it, then a `tail`.
package struct DeliveryStatusNotification {
    package enum Action: String, Sendable { case failed, delayed, delivered, relayed, expanded }

    package struct Recipient: Equatable {
        /// ORCPT as it came, `rfc822;…`, if it came.
        package var original: [UInt8]?
        package var final: [UInt8]
        package var action: Action
        package var status: String
        package var remoteMTA: String?
        package var diagnostic: String

        package init(
            original: [UInt8]? = nil, final: [UInt8], action: Action, status: String,
            remoteMTA: String? = nil,
            diagnostic: String
        ) {
            self.original = original
            self.final = final
            self.action = action
            self.status = status
            self.remoteMTA = remoteMTA
            self.diagnostic = diagnostic
        }
    }

    package var reportingMTA: String
    package var to: [UInt8]
    package var messageID: String
    package var date: DateTime
    package var boundary: String
    package var envelopeID: [UInt8]?
    package var arrival: DateTime
    package var recipients: [Recipient]
    /// Whether only the original's header follows (RFC 3461 §4.3).
    package var isHeadersOnly: Bool

    package init(
        reportingMTA: String, to: [UInt8], messageID: String, date: DateTime, boundary: String,
        envelopeID: [UInt8]? = nil, arrival: DateTime, recipients: [Recipient], isHeadersOnly: Bool
    ) {
        self.reportingMTA = reportingMTA
        self.to = to
        self.messageID = messageID
        self.date = date
        self.boundary = boundary
        self.envelopeID = envelopeID
        self.arrival = arrival
        self.recipients = recipients
        self.isHeadersOnly = isHeadersOnly
    }

    /// Everything in front of the original, LF line ends.
    package var head: [UInt8] {
        header + explanation + deliveryStatus
            + Array(
                "--\(boundary)\nContent-Type: \(isHeadersOnly ? "text/rfc822-headers" : "message/rfc822")\n\n"
                    .utf8)
    }

    package var tail: [UInt8] { Array("\n--\(boundary)--\n".utf8) }

    private var isFailure: Bool { recipients.contains { $0.action == .failed } }

    private var header: [UInt8] {
        var text: [UInt8] = []
        text += "From: Mail Delivery System <MAILER-DAEMON@\(reportingMTA)>\nTo: "
        text += Self.line(to)
        text += "\nSubject: \(isFailure ? "Undelivered Mail Returned to Sender" : "Mail Delivery Status")\n"
        text += "Date: \(date.text)\nMessage-ID: <\(messageID)>\n"
        // RFC 3834 §5: no robot answers it.
        text += "Auto-Submitted: auto-replied\nMIME-Version: 1.0\n"
        text += "Content-Type: multipart/report; report-type=delivery-status;\n\tboundary=\"\(boundary)\"\n\n"
        return text
    }

    private var explanation: [UInt8] {
        var text: [UInt8] = []
        text += "--\(boundary)\nContent-Type: text/plain; charset=us-ascii\n\n"
        text += "This is the mail system at \(reportingMTA).\n\n"
        text +=
            isFailure
            ? "Your message could not be delivered to one or more recipients.\nIt is attached below.\n\n"
            : "This is the status of your message; nothing needs to be done.\n\n"
        for recipient in recipients {
            text += "<"
            text += Self.line(recipient.final)
            text += ">: \(Self.line(recipient.diagnostic))\n"
        }
        text += "\n"
        return text
    }

    /// RFC 3464 §2: per-message fields, then a group a recipient.
    private var deliveryStatus: [UInt8] {
        var text: [UInt8] = []
        text += "--\(boundary)\nContent-Type: message/delivery-status\n\n"
        if let envelopeID {
            text += "Original-Envelope-Id: "
            text += Self.line(envelopeID)
            text += "\n"
        }
        text += "Reporting-MTA: dns; \(reportingMTA)\nArrival-Date: \(arrival.text)\n"
        for recipient in recipients {
            text += "\n"
            if let original = recipient.original {
                text += "Original-Recipient: "
                text += Self.line(original)
                text += "\n"
            }
            text += "Final-Recipient: rfc822; "
            text += Self.line(recipient.final)
            text += "\nAction: \(recipient.action.rawValue)\nStatus: \(recipient.status)\n"
            if let remote = recipient.remoteMTA { text += "Remote-MTA: dns; \(Self.line(remote))\n" }
            let type = recipient.remoteMTA == nil ? "x-relais" : "smtp"
            text += "Diagnostic-Code: \(type); \(Self.line(recipient.diagnostic))\n"
        }
        text += "\n"
        return text
    }

    /// What others said, as one line of printable ASCII that fits SMTP's line limit (T64, T81).
    private static func line(_ bytes: some Collection<UInt8>) -> [UInt8] {
        Array(Array(bytes).escapedKeepingBackslash(limit: 800).utf8)
    }

    private static func line(_ text: String) -> String {
        Array(text.utf8).escapedKeepingBackslash(limit: 800)
    }
}

extension Array where Element == UInt8 {
    fileprivate func escapedKeepingBackslash(limit: Int) -> String {
        prefix(limit).split(separator: .backslash, omittingEmptySubsequences: false)
            .map { $0.escaped(limit: limit) }.joined(separator: "\\")
    }
}
