import Bytes
import Mail

/// What each command does to the transaction, and what it is answered.
extension ServerSession {
    mutating func answer(_ command: Command) -> Reply {
        switch command {
        case .hello(let name, let isExtended): return hello(name, isExtended)
        case .mail(let sender, let parameters): return mail(sender, parameters)
        case .recipient(let recipient, let parameters): return self.recipient(recipient, parameters)
        case .data: return data()
        case .reset:
            forgetTransaction()
            return .ok
        case .noop: return .ok
        case .verify: return .cannotVerify
        case .help:
            return Reply(
                214, EnhancedStatus(2, 0, 0), "EHLO HELO MAIL RCPT DATA RSET NOOP QUIT VRFY HELP STARTTLS")
        case .notImplemented: return .notImplemented
        case .quit, .startTLS, .foreign: return .ok
        }
    }

    /// RFC 5321 §4.1.1.1 and §4.1.4: a new greeting resets everything.
    private mutating func hello(_ name: [UInt8], _ isExtended: Bool) -> Reply {
        helo = name
        self.isExtended = isExtended
        forgetTransaction()
        guard isExtended else { return Reply(250, nil, settings.hostname) }
        var lines = [
            settings.hostname, "PIPELINING", "SIZE \(settings.sizeLimit)", "8BITMIME", "ENHANCEDSTATUSCODES",
            "DSN",
        ]
        if settings.offersTLS, !isEncrypted { lines.append("STARTTLS") }
        return Reply(250, nil, lines: lines)
    }

    private mutating func mail(_ sender: Address?, _ raw: Parameters) -> Reply {
        guard !helo.isEmpty else { return .helloFirst }
        guard transaction == nil else { return .nestedMail }
        envelopeWasRefused = true
        // AUTH is not offered, but who it names decides nothing here: RFC 4954 §5 wants it read as `<>` then.
        guard isOffered(raw, ["SIZE", "BODY", "RET", "ENVID", "AUTH"]) else { return .unknownParameter }
        let parameters: MailParameters
        do throws(SyntaxError) { parameters = try MailParameters(raw) } catch { return .badParameter }
        // BINARYMIME needs BDAT (RFC 3030 §3), which is not offered.
        guard parameters.body != .binaryMIME else { return .unknownParameter }
        if let size = parameters.size, size > UInt64(settings.sizeLimit) { return .tooBig }
        if let refusal = handler.refuseSender(sender, parameters) { return refusal }
        envelopeWasRefused = false
        transaction = Transaction(sender: sender, parameters: parameters)
        return .senderOk
    }

    private mutating func recipient(_ address: Address, _ raw: Parameters) -> Reply {
        guard let current = transaction else { return .mailFirst }
        // RFC 3461 §4.1, §4.2.
        guard isOffered(raw, ["NOTIFY", "ORCPT"]) else { return .unknownParameter }
        let parameters: RecipientParameters
        do throws(SyntaxError) { parameters = try RecipientParameters(raw) } catch { return .badParameter }
        // RFC 5321 §4.5.3.1.10: the client has the others taken in another transaction.
        guard current.recipients.count < settings.recipientLimit else {
            recipientsBeyondLimit += 1
            return .tooManyRecipients
        }
        let reply = handler.judgeRecipient(address, parameters)
        if !reply.isPositive { envelopeWasRefused = true }
        // Named again with other wishes it is another recipient: each has a right to its own notification.
        let recipient = Transaction.Recipient(address: address, parameters: parameters)
        if reply.isPositive, !current.recipients.contains(recipient) {
            transaction?.recipients.append(recipient)
        }
        return reply
    }

    /// Whether every parameter belongs to an extension that EHLO has announced.
    private func isOffered(_ parameters: Parameters, _ keywords: [StaticString]) -> Bool {
        parameters.all.allSatisfy { parameter in isExtended && keywords.contains { parameter.isNamed($0) } }
    }

    private mutating func data() -> Reply {
        guard let transaction else {
            envelopeWasRefused = false
            return .mailFirst
        }
        guard !transaction.recipients.isEmpty else {
            envelopeWasRefused = false
            return .noRecipients
        }
        if let refusal = handler.begin(transaction) { return refusal }
        state = .data
        dots = DotReader(lfEndsLines: settings.isOnPipe)
        octets = 0
        return .goAhead
    }
}
