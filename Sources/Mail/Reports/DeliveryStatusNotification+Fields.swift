import Bytes

/// The part for machines.
extension DeliveryStatusNotification {
    /// RFC 3464 §2.1: fields of the message, then a group of fields a recipient, an empty line in front of
    /// each.
    var statusFields: [UInt8] {
        var text: [UInt8] = []
        // RFC 3464 §2.2.1.
        if let envelopeID {
            text += ReportText.field("Original-Envelope-Id", ReportText.line(envelopeID))
        }
        text += ReportText.field("Reporting-MTA", "dns; \(reportingMTA)")
        // RFC 3464 §2.2.4.
        if let receivedFrom {
            text += ReportText.field("Received-From-MTA", Array("dns; ".utf8) + ReportText.line(receivedFrom))
        }
        text += ReportText.field("Arrival-Date", arrival.text)
        for recipient in recipients { text += [.lf] + fields(of: recipient) }
        return text
    }

    private func fields(of recipient: Recipient) -> [UInt8] {
        var text: [UInt8] = []
        // RFC 3464 §2.3.1.
        if let original = recipient.original {
            let value = original.type + [.ascii(";"), .space] + original.address
            text += ReportText.field("Original-Recipient", ReportText.line(value))
        }
        text += ReportText.field("Final-Recipient", typed(recipient.final))
        text += ReportText.field("Action", recipient.action.rawValue)
        text += ReportText.field("Status", recipient.status)
        let reply = RemoteReply(recipient.text)
        if let reply {
            // RFC 3464 §2.3.5.
            text += ReportText.field("Remote-MTA", Array("dns; ".utf8) + ReportText.line(reply.hostName))
        }
        // RFC 3464 §2.3.6; ours are no other host's words, and have a type of their own.
        if let reply {
            text += ReportText.field("Diagnostic-Code", Array("smtp; ".utf8) + ReportText.line(reply.reply))
        } else if !recipient.text.isEmpty {
            text += ReportText.field(
                "Diagnostic-Code", Array("x-relais; ".utf8) + ReportText.line(recipient.text))
        }
        if let date = recipient.lastAttempt { text += ReportText.field("Last-Attempt-Date", date.text) }
        // RFC 3464 §2.3.9: only of what is delayed.
        if let date = recipient.willRetryUntil, recipient.action == .delayed {
            text += ReportText.field("Will-Retry-Until", date.text)
        }
        return text
    }

    /// An address with its type: `rfc822`, or `utf-8` of RFC 6533 §3, embedded or as it is.
    private func typed(_ address: [UInt8]) -> [UInt8] {
        if address.allSatisfy({ $0.isASCII }) { return Array("rfc822; ".utf8) + ReportText.line(address) }
        guard let embedded = ReportText.addressXText(address) else {
            return Array("unknown; ".utf8) + ReportText.line(address)
        }
        return Array("utf-8; ".utf8) + (isGlobal ? ReportText.line(address, isGlobal: true) : embedded)
    }
}
