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
            // Nobody is at the other end of a pipe who would wait for the reply.
            guard settings.isOnPipe, octets / 2 > settings.sizeLimit else {
                return Step(consumed: consumed, output: [], next: .proceed)
            }
            return Step(consumed: consumed, output: Reply.tooBig.wire, next: .sendAway)
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
        handler.note(
            Refusal(reply: refusal, verb: "DATA", argument: [], recipient: nil, transaction: transaction))
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
