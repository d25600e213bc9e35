import Bytes

/// The part for people: what happened, to whom, and what they can do about it.
extension DeliveryStatusNotification {
    var explanation: [UInt8] {
        var text = ReportText.paragraph(Array("This is the mail system at \(reportingMTA).".utf8)) + [.lf]
        for action in [Action.failed, .delayed, .delivered, .relayed, .expanded] {
            let group = recipients.filter { $0.action == action }
            guard !group.isEmpty else { continue }
            text += ReportText.paragraph(Array(introduction(action, group).utf8)) + [.lf]
            for recipient in group { text += paragraphs(of: recipient) }
        }
        let what = original.isHeaderOnly ? "header" : "message"
        return text
            + ReportText.paragraph(Array("The \(what) is attached, and a report for programs.".utf8))
    }

    private func introduction(_ action: Action, _ group: [Recipient]) -> String {
        if audience == .postmaster {
            return
                "A message without a sender, as reports of failures are, could not be delivered. Nobody else "
                + "is told; it is attached for you to look at."
        }
        if audience == .owner {
            return
                "A message could not be delivered because of an alias or list of this host that you answer for. "
                + "Its sender is told, too. Until it is mended, all its mail is returned."
        }
        switch action {
        case .failed:
            return "Your message could not be delivered to the recipients below, and nothing more is tried."
        case .delayed:
            let until = group.compactMap { $0.willRetryUntil }.first.map { " until \($0.text)" } ?? ""
            return "Your message could not be delivered yet to the recipients below. This is only a warning: "
                + "you need not send it again. It is tried\(until), and you hear of it if it fails."
        case .delivered: return "Your message was delivered to the recipients below."
        case .relayed:
            return
                "Your message was handed on for the recipients below to a mail system that does not report "
                + "deliveries. You may hear no more of it unless it fails."
        case .expanded:
            return
                "The addresses below stand for several others. Your message was sent on to all of these; you "
                + "hear of them only if that fails."
        }
    }

    private func paragraphs(of recipient: Recipient) -> [UInt8] {
        let address = ReportText.line(recipient.final, isGlobal: isGlobal)
        var text = [.space, .space, .ascii("<")] + address + [.ascii(">")]
        if let original = recipient.original, !original.address.equalsFolded(recipient.final) {
            text += Array(", for <".utf8) + ReportText.line(original.address) + [.ascii(">")]
        }
        text.append(.lf)
        if !recipient.text.isEmpty {
            text += ReportText.paragraph(ReportText.line(recipient.text), indent: 4)
        }
        if recipient.action == .failed, audience == .sender, let advice = Self.advice(recipient.status) {
            text += ReportText.paragraph(Array("What you can do: \(advice)".utf8), indent: 4)
        }
        return text + [.lf]
    }

    /// What a sender can do about a failure, by its enhanced status code (RFC 3463 §3).
    static func advice(_ status: String) -> String? {
        let parts = status.split(separator: ".")
        guard parts.count == 3, parts[0] == "5" else { return nil }
        switch (parts[1], parts[2]) {
        case ("1", "7"), ("1", "8"): return "have a look at the address that you send from."
        case ("1", "2"), ("1", "10"): return "check the part of the address behind the @."
        case ("1", _): return "check the address for mistakes, or ask the recipient for the right one."
        case ("2", "2"): return "try again when the recipient has had time to make room."
        case ("2", "3"), ("3", "4"): return "send a smaller message, or the large part by another way."
        case ("2", _): return "reach the recipient in another way: this mailbox takes no mail for now."
        case ("4", "7"):
            return
                "it was tried for as long as mail is kept here. Send it again later, or tell the recipient "
                + "in another way."
        case ("4", "6"): return "tell the recipient, or the postmaster there: their mail goes in a circle."
        case ("3", _), ("4", _):
            return "send the message again later; if it fails again, tell the recipient in another way."
        case ("6", _): return "send the message in a plainer form."
        case ("7", _):
            return "ask the recipient, or the postmaster there, why mail like this is not let in."
        default: return nil
        }
    }
}
