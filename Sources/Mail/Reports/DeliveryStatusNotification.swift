import Bytes

/// A report on a message: multipart/report of RFC 6522 with the fields of RFC 3464, or, where addresses or the
/// message are internationalised, the forms of RFC 6533. It is made of a `head`, then the original (or its
/// header) as the caller streams it, then a `tail`; lines end in LF.
package struct DeliveryStatusNotification {
    package enum Action: String, Sendable { case failed, delayed, delivered, relayed, expanded }

    /// To whom the words are addressed.
    package enum Audience: Sendable {
        case sender
        /// A report that could not be delivered goes to whoever looks after the host.
        case postmaster
        /// Whoever answers for a list or an alias hears that it is at fault. So does the sender.
        case owner
    }

    package struct Recipient: Equatable {
        /// RFC 3461 §6.3: ORCPT as the sender gave it, if it did.
        package var original: RecipientParameters.OriginalRecipient?
        package var final: [UInt8]
        package var action: Action
        package var status: String
        /// What was said last, for people: our words, or a `RemoteReply`.
        package var text: [UInt8]
        package var lastAttempt: DateTime?
        package var willRetryUntil: DateTime?

        package init(
            original: RecipientParameters.OriginalRecipient? = nil, final: [UInt8], action: Action,
            status: String, text: [UInt8], lastAttempt: DateTime? = nil, willRetryUntil: DateTime? = nil
        ) {
            self.original = original
            self.final = final
            self.action = action
            self.status = status
            self.text = text
            self.lastAttempt = lastAttempt
            self.willRetryUntil = willRetryUntil
        }
    }

    /// What follows the head, and how it is to be declared.
    package struct Original: Equatable {
        /// Whether it is only the header (RFC 3461 §4.3).
        package var isHeaderOnly: Bool
        /// Whether it holds bytes beyond ASCII.
        package var isEightBit: Bool
        /// With its angle brackets; nil where it has none that can be repeated.
        package var messageID: [UInt8]?

        package init(isHeaderOnly: Bool, isEightBit: Bool = false, messageID: [UInt8]? = nil) {
            self.isHeaderOnly = isHeaderOnly
            self.isEightBit = isEightBit
            self.messageID = messageID
        }
    }

    package var reportingMTA: String
    package var audience = Audience.sender
    /// Whom it is sent to: the original's reverse-path, or the postmaster.
    package var to: [UInt8]
    /// Without angle brackets; its part in front of the `@` is also the boundary's.
    package var messageID: String
    package var date: DateTime
    /// RFC 3461 §4.4: ENVID, decoded.
    package var envelopeID: [UInt8]?
    /// `mx.example ([192.0.2.1])`: who gave us the message, if we know.
    package var receivedFrom: [UInt8]?
    package var arrival: DateTime
    package var recipients: [Recipient]
    package var original: Original
    /// Whether the original was sent with SMTPUTF8.
    package var isInternationalised = false

    package init(
        reportingMTA: String, to: [UInt8], messageID: String, date: DateTime, arrival: DateTime,
        recipients: [Recipient], original: Original
    ) {
        self.reportingMTA = reportingMTA
        self.to = to
        self.messageID = messageID
        self.date = date
        self.arrival = arrival
        self.recipients = recipients
        self.original = original
    }

    /// Everything in front of the original.
    package var head: [UInt8] {
        header + part("text/plain; charset=\(isGlobal ? "utf-8" : "us-ascii")", isEightBit: isGlobal)
            + explanation + [.lf]
            + part(
                isGlobal ? "message/global-delivery-status" : "message/delivery-status", isEightBit: isGlobal)
            + statusFields + [.lf] + part(originalType, isEightBit: original.isEightBit)
    }

    package var tail: [UInt8] { Array("\n--\(boundary)--\n".utf8) }

    /// Whether the forms of RFC 6533 are needed: then whoever carries the report must do SMTPUTF8 (RFC 6533 §4).
    package var isGlobal: Bool {
        isInternationalised || !to.allSatisfy { $0.isASCII }
            || recipients.contains { !$0.final.allSatisfy({ $0.isASCII }) }
    }

    /// Whether whoever carries the report must do 8BITMIME.
    package var isEightBit: Bool { isGlobal || original.isEightBit }

    package func has(_ action: Action) -> Bool { recipients.contains { $0.action == action } }

    private var boundary: String { "\(messageID.prefix { $0 != "@" })/relais" }

    private var header: [UInt8] {
        var text = ReportText.field("From", "Mail Delivery System <MAILER-DAEMON@\(reportingMTA)>")
        text += ReportText.field("To", ReportText.line(to, isGlobal: isGlobal))
        text += ReportText.field("Subject", subject)
        text += ReportText.field("Date", date.text)
        text += ReportText.field("Message-ID", "<\(messageID)>")
        if let id = original.messageID {
            // RFC 3834 §3.1.5.
            text += ReportText.field("In-Reply-To", ReportText.line(id))
            text += ReportText.field("References", ReportText.line(id))
        }
        // RFC 3834 §5: no robot answers it.
        text += ReportText.field("Auto-Submitted", "auto-replied")
        text += ReportText.field("MIME-Version", "1.0")
        text += "Content-Type: multipart/report; report-type=delivery-status;\n\tboundary=\"\(boundary)\"\n"
        // RFC 2045 §6.4: a multipart is as wide as the widest of its parts.
        if isEightBit { text += ReportText.field("Content-Transfer-Encoding", "8bit") }
        return text + [.lf]
    }

    private var subject: String {
        switch audience {
        case .postmaster: "Undeliverable Report of an Undelivered Mail"
        case .owner: "Mail Returned, for an Alias Is at Fault"
        case .sender where has(.failed): "Undelivered Mail Returned to Sender"
        case .sender where has(.delayed): "Delayed Mail, Still Being Tried"
        case .sender: "Mail Delivery Report"
        }
    }

    /// RFC 6522 §3 for what was ASCII, RFC 6533 §6 for what was not.
    private var originalType: String {
        switch (isGlobal, original.isHeaderOnly) {
        case (false, false): "message/rfc822"
        case (false, true): "text/rfc822-headers"
        case (true, false): "message/global"
        case (true, true): "message/global-headers"
        }
    }

    private func part(_ type: String, isEightBit: Bool) -> [UInt8] {
        var text = Array("--\(boundary)\nContent-Type: \(type)\n".utf8)
        if isEightBit { text += "Content-Transfer-Encoding: 8bit\n" }
        return text + [.lf]
    }
}
