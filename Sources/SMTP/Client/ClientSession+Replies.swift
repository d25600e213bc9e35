import Bytes
import Mail

extension ClientSession {
    mutating func handle(_ reply: ServerReply, to command: Command) {
        // RFC 5321 §3.8: the server is closing, whatever the command was.
        if reply.code == 421, command != .quit {
            end(refusal(reply, command.stage))
            return
        }
        switch command {
        case .greeting: handleGreeting(reply)
        case .extendedHello: handleExtendedHello(reply)
        case .hello: handleHello(reply)
        case .startTLS: handleStartTLS(reply)
        case .authenticate: handleAuthenticate(reply)
        case .mail: handleMail(reply)
        case .recipient(let index): handleRecipient(reply, index)
        case .data: handleData(reply)
        case .endOfData(let recipients): handleEndOfData(reply, recipients)
        case .reset:
            if reply.severity == .done { needsReset = false } else { end(refusal(reply, .reset)) }
        case .quit: phase = .closed
        }
    }

    /// A refusal that concerns the session, not a recipient: never permanent, another host may know better.
    func refusal(_ reply: ServerReply, _ stage: ClientStage) -> ClientOutcome {
        ClientOutcome(.deferred, Self.temporary(reply.status), said(reply, to: stage))
    }

    private static func temporary(_ status: EnhancedStatus) -> EnhancedStatus {
        switch status.kind {
        case .persistentTransientFailure: status
        case .permanentFailure: EnhancedStatus(4, status.subject, status.detail)
        // A positive reply where none fits: invalid command or protocol (RFC 3463 §3.6).
        case .success: EnhancedStatus(4, 5, 0)
        }
    }

    /// A reply that answers another question than ours: from here on nothing fits any more.
    private mutating func confusion(_ reply: ServerReply, _ stage: ClientStage) {
        end(refusal(reply, stage))
    }

    // MARK: - Opening

    private mutating func handleGreeting(_ reply: ServerReply) {
        guard reply.severity == .done else {
            end(refusal(reply, .greeting))
            return
        }
        sayHello()
    }

    mutating func sayHello() {
        phase = .opening
        switch dialect {
        case .smtp: send("EHLO ", name, as: .extendedHello)
        case .lmtp: send("LHLO ", name, as: .extendedHello)
        }
    }

    private mutating func handleExtendedHello(_ reply: ServerReply) {
        switch reply.severity {
        case .done:
            capabilities = Capabilities(reply)
            secure()
        case .permanent where dialect == .smtp:
            // RFC 5321 §3.2: an old server; it will not offer TLS either.
            send("HELO ", name, as: .hello)
        default: end(refusal(reply, .hello))
        }
    }

    private mutating func handleHello(_ reply: ServerReply) {
        switch reply.severity {
        case .done: secure()
        // RFC 5321 §4.2.1: not to be said again. The one refusal of a session that is for good, if no host left says better.
        case .permanent: end(ClientOutcome(.failed, reply.status, said(reply, to: .hello)))
        case .goOn, .temporary: end(refusal(reply, .hello))
        }
    }

    /// Asks for TLS if it is wanted and offered, or is ready.
    private mutating func secure() {
        if isEncrypted || security == .off {
            logIn()
        } else if capabilities.startTLS {
            send("STARTTLS", as: .startTLS)
        } else if security == .required {
            let reason = "TLS is required, but was not offered by host \(text(peer))"
            end(ClientOutcome(.deferred, EnhancedStatus(4, 7, 4), reason))
        } else {
            logIn()
        }
    }

    private mutating func handleStartTLS(_ reply: ServerReply) {
        if reply.severity == .done {
            parser.discard()
            phase = .handshake
        } else if security == .required {
            end(refusal(reply, .startTLS))
        } else {
            refusalOfTLS = reply.text
            logIn()
        }
    }

    // MARK: - Envelope

    private mutating func handleMail(_ reply: ServerReply) {
        if isLoginMissing(reply, .mail) { return }
        mailWasAccepted = reply.severity == .done
        switch reply.severity {
        case .done: break
        case .temporary: settle(undecidedRecipients, .later, reply, .mail)
        case .permanent: settle(undecidedRecipients, .failed, reply, .mail)
        case .goOn: confusion(reply, .mail)
        }
    }

    private mutating func handleRecipient(_ reply: ServerReply, _ index: Int) {
        // After a refused MAIL the replies to pipelined recipients say nothing new.
        guard mailWasAccepted == true, !isLoginMissing(reply, .recipient) else { return }
        switch reply.severity {
        case .done: accepted.append(index)
        // RFC 5321 §4.5.3.1.10: too many recipients; older servers say 552 and mean the same.
        case .temporary where reply.code == 452 && !accepted.isEmpty,
            .permanent where reply.code == 552 && !accepted.isEmpty:
            settle([index], .tooMany, reply, .recipient)
        case .temporary: settle([index], .later, reply, .recipient)
        case .permanent: settle([index], .failed, reply, .recipient)
        case .goOn: confusion(reply, .recipient)
        }
    }

    // MARK: - Data

    private mutating func handleData(_ reply: ServerReply) {
        switch reply.severity {
        case .goOn:
            if accepted.isEmpty {
                // RFC 2920 §3.1: nobody wants it, and still the server waits for a message: it gets none.
                output += ".\r\n" as StaticString
                awaited.append(.endOfData([]))
            } else {
                phase = .content
            }
        case .temporary: settle(accepted, .later, reply, .data)
        case .permanent: settle(accepted, .failed, reply, .data)
        case .done: confusion(reply, .data)
        }
    }

    private mutating func handleEndOfData(_ reply: ServerReply, _ recipients: [Int]) {
        switch reply.severity {
        case .done: settle(recipients, .delivered, reply, .endOfData)
        case .temporary: settle(recipients, .later, reply, .endOfData)
        case .permanent: settle(recipients, .failed, reply, .endOfData)
        case .goOn:
            settle(recipients, .deferred, reply, .endOfData)
            confusion(reply, .endOfData)
        }
        // LMTP: a reply for each recipient (RFC 2033 §4.2).
        guard awaited.isEmpty, phase != .closed else { return }
        needsReset = false
        phase = .idle
    }

    private var undecidedRecipients: [Int] { outcomes.indices.filter { outcomes[$0] == nil } }

    mutating func settle(
        _ recipients: [Int], _ verdict: ClientOutcome.Verdict, _ reply: ServerReply, _ stage: ClientStage
    ) {
        let text = verdict == .delivered ? reply.text : said(reply, to: stage)
        let status = verdict == .deferred ? Self.temporary(reply.status) : reply.status
        for index in recipients { outcomes[index] = ClientOutcome(verdict, status, text) }
    }
}
