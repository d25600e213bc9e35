import Bytes
import Mail
import SASL

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
        case .quit, .startTLS, .authenticate, .foreign: return .ok
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
        if offersLogin { lines.append("AUTH" + Mechanism.allCases.map { " \($0.name)" }.joined()) }
        return Reply(250, nil, lines: lines)
    }

    private mutating func mail(_ sender: Address?, _ raw: Parameters) -> Reply {
        guard !helo.isEmpty else { return .helloFirst }
        if let refusal = refusalBeforeLogin {
            envelopeWasRefused = true
            return refusal
        }
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

/// The content of a message, from 354 to its end.
extension ServerSession {
    /// Whether the client is sending content that is not refused so far.
    package var isReceiving: Bool { state == .data && dots.fault == nil && dots.size <= settings.sizeLimit }

    mutating func readData(_ input: ArraySlice<UInt8>) -> Step {
        var content: [UInt8] = []
        content.reserveCapacity(input.count)
        let consumed = dots.read(input, into: &content)
        if isReceiving { handler.append(content) }
        octets += consumed
        guard dots.isAtEnd else {
            guard octets > mostOctets else { return Step(consumed: consumed, output: [], next: .proceed) }
            state = .command
            return Step(
                consumed: consumed, output: refuseData(.tooBig).wire + Reply.tooManyErrors.wire,
                next: .sendAway)
        }
        state = .command
        let reply = endOfData()
        forgetTransaction()
        if reply.isPositive {
            messages += 1
            tolerance.messageWasTaken()
        }
        return Step(consumed: consumed, output: reply.wire, next: .proceed)
    }

    private mutating func endOfData() -> Reply {
        let refusal: Reply? =
            switch dots.fault {
            case .bareLineEnd: .bareLineEnd
            case .nul: .nulInMessage
            case nil: dots.size > settings.sizeLimit ? .tooBig : nil
            }
        guard let refusal else { return handler.commit() }
        return refuseData(refusal)
    }

    /// How much is read of content that is refused. What it has been sent to its end tells a client that its message
    /// is too large, and to try no more; what has no end is no message (RFC 5321 §7.8).
    private var mostOctets: Int { max(4 * settings.sizeLimit, Self.leastOctets) }

    private static let leastOctets = 16 << 20

    private func refuseData(_ refusal: Reply) -> Reply {
        handler.note(
            RefusedCommand(
                reply: refusal, verb: "DATA", argument: [], recipient: nil, transaction: transaction))
        handler.abandon()
        return refusal
    }

    /// The next command begins anew.
    mutating func forgetTransaction() {
        transaction = nil
        envelopeWasRefused = false
        recipientsBeyondLimit = 0
    }
}
