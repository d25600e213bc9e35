import Bytes
import Mail

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
