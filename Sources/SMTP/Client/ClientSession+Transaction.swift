import Bytes
import Mail

extension ClientSession {
    /// Begins a transaction; only when idle. What this server cannot take at all is decided at once.
    package mutating func begin(_ transaction: ClientTransaction) {
        precondition(isIdle && !transaction.recipients.isEmpty)
        outcomes = Array(repeating: nil, count: transaction.recipients.count)
        self.transaction = transaction
        progress = .mail
        nextRecipient = 0
        accepted = []
        mailWasAccepted = nil
        if let refusal = refusal(of: transaction) {
            outcomes = Array(repeating: refusal, count: outcomes.count)
        }
        for (index, recipient) in transaction.recipients.enumerated()
        where outcomes[index] == nil && !recipient.address.isSafePath {
            outcomes[index] = ClientOutcome(
                .failed, EnhancedStatus(5, 1, 3), "address cannot be used in SMTP")
        }
        guard outcomes.contains(where: { $0 == nil }) else { return }
        phase = .envelope
        if needsReset { send("RSET", as: .reset) }
    }

    private func refusal(of transaction: ClientTransaction) -> ClientOutcome? {
        let host = text(peer)
        if let limit = capabilities.largestMessage, transaction.size > limit {
            return ClientOutcome(
                .failed, EnhancedStatus(5, 3, 4),
                "message size \(transaction.size) exceeds size limit \(limit) of host \(host)")
        }
        if transaction.needsUTF8, !capabilities.smtpUTF8 {
            // RFC 6531 §3.5
            return ClientOutcome(.failed, EnhancedStatus(5, 6, 7), "host \(host) does not support SMTPUTF8")
        }
        if transaction.hasEightBits, !capabilities.eightBitMIME, !transaction.needsUTF8 {
            // RFC 6152 §3: nobody may send it; converting it is for the caller.
            return ClientOutcome(.failed, EnhancedStatus(5, 6, 3), "host \(host) does not support 8BITMIME")
        }
        guard transaction.reversePath.isSafePath else {
            return ClientOutcome(.failed, EnhancedStatus(5, 1, 7), "sender address cannot be used in SMTP")
        }
        return nil
    }

    /// Sends as much of the envelope as may be sent without waiting: a group with PIPELINING (RFC 2920), one
    /// command without.
    mutating func continueEnvelope() {
        guard let transaction else { return }
        let pipelining = capabilities.pipelining
        if progress == .mail {
            send("MAIL FROM:<", arguments(of: transaction), as: .mail)
            needsReset = true
            progress = .recipients
            if !pipelining { return }
        }
        if progress == .recipients, mailWasAccepted != false {
            let sent = nameRecipients(of: transaction, most: pipelining ? Self.mostInGroup : 1)
            if progress == .recipients || (sent > 0 && !pipelining) { return }
            // In a group DATA comes last, before anybody knows who was accepted (RFC 2920 §3.1).
            if sent > 0 || !accepted.isEmpty {
                send("DATA", as: .data)
                progress = .over
                return
            }
        }
        if progress == .data, !accepted.isEmpty {
            send("DATA", as: .data)
            progress = .over
        } else {
            phase = .idle
        }
    }

    /// Names at most `most` recipients; how many. After the last one comes DATA.
    private mutating func nameRecipients(of transaction: ClientTransaction, most: Int) -> Int {
        var sent = 0
        while sent < most, nextRecipient < transaction.recipients.count {
            if outcomes[nextRecipient] == nil {
                send(
                    "RCPT TO:<", arguments(of: transaction.recipients[nextRecipient]),
                    as: .recipient(nextRecipient))
                sent += 1
            }
            nextRecipient += 1
        }
        if nextRecipient == transaction.recipients.count { progress = .data }
        return sent
    }

    /// `reverse-path>` and the parameters that the server understands.
    private func arguments(of transaction: ClientTransaction) -> [UInt8] {
        var text = Address.sendable(transaction.reversePath) + [.ascii(">")]
        if capabilities.declaresSize { text += " SIZE=\(transaction.size)" }
        if capabilities.eightBitMIME, let body = transaction.body {
            text += " BODY=" as StaticString
            text += body
        }
        if capabilities.smtpUTF8, transaction.needsUTF8 || transaction.isDeclaredUTF8 {
            text += " SMTPUTF8" as StaticString
        }
        if capabilities.deliveryStatusNotifications {
            text += Self.text(of: transaction.parameters, keywords: ["RET", "ENVID"])
        }
        return text
    }

    private func arguments(of recipient: ClientTransaction.Recipient) -> [UInt8] {
        let text = Address.sendable(recipient.address) + [.ascii(">")]
        guard capabilities.deliveryStatusNotifications else { return text }
        var parameters = recipient.parameters
        // RFC 3461 §5.2.1: NOTIFY and ORCPT as they came, and an ORCPT of ours where none did.
        if let original = RecipientParameters.OriginalRecipient(
            addedFor: recipient.address, to: parameters)
        {
            parameters.add("ORCPT", original.text)
        }
        return text + Self.text(of: parameters, keywords: ["NOTIFY", "ORCPT"])
    }

    /// Parameters of RFC 3461 as they came; `Parameters` holds nothing but what their grammar allows.
    private static func text(of parameters: Parameters, keywords: [StaticString]) -> [UInt8] {
        keywords.compactMap { parameters.first($0) }
            .flatMap { [.space] + $0.keyword + [.ascii("=")] + ($0.value ?? []) }
    }

    /// All content has been written; `ending` is what the encoder gave for its end. From here on the message
    /// may be delivered.
    package mutating func contentSent(_ ending: [UInt8]) {
        precondition(phase == .content)
        phase = .envelope
        output += ending
        switch dialect {
        case .smtp: awaited.append(.endOfData(accepted))
        case .lmtp: for index in accepted { awaited.append(.endOfData([index])) }
        }
    }
}
