import Bytes
import Mail
package import SASL

/// A host that somebody of ours chose to send mail by way of.
package struct ClientRelay {
    /// Who we are there.
    package struct Login {
        package let credentials: Credentials
        /// Random and printable, for one exchange.
        package let nonce: [UInt8]
        package let functions: SCRAMFunctions

        package init(_ credentials: Credentials, nonce: [UInt8], _ functions: SCRAMFunctions) {
            self.credentials = credentials
            self.nonce = nonce
            self.functions = functions
        }
    }

    package let login: Login?

    package init(login: Login?) { self.login = login }
}

/// RFC 4954, the client's side.
extension ClientSession {
    /// What an older server can take on a line (RFC 5321 §4.5.3.1.4); what is longer follows behind the server's challenge.
    static let longestCommand = 510

    /// In the strongest way that is offered, where there is a password; else the session is open.
    mutating func logIn() {
        guard let login = relay?.login else {
            phase = .idle
            return
        }
        guard isEncrypted else {
            return refuseToLogIn("a password is not sent to host \(text(peer)) without TLS")
        }
        guard let mechanism = ClientMechanism.allCases.first(where: { capabilities.mechanisms.contains($0) })
        else { return refuseToLogIn("host \(text(peer)) offers no way to log in that is known here") }
        var exchange = ClientExchange(mechanism, login.credentials, nonce: login.nonce, login.functions)
        var command = Array(mechanism.name)
        pendingResponse = exchange.initialResponse()
        if let response = pendingResponse.map({ Base64.encode($0) }),
            "AUTH ".utf8.count + command.count + 1 + response.count <= Self.longestCommand
        {
            command += [.space] + response
            pendingResponse = nil
        }
        self.exchange = exchange
        send("AUTH ", command, as: .authenticate)
    }

    mutating func handleAuthenticate(_ reply: ServerReply) {
        switch reply.severity {
        case .done:
            guard exchange?.isProven == true else {
                return refuseToLogIn("host \(text(peer)) did not prove that it knows the password")
            }
            phase = .idle
        case .goOn: respond(to: reply)
        case .temporary: end(refusal(reply, .authenticate))
        case .permanent:
            loginIsRefused = true
            end(refusal(reply, .authenticate))
        }
    }

    /// RFC 4954 §4: the challenge in base 64 behind 334.
    private mutating func respond(to reply: ServerReply) {
        let challenge = Base64.decode((reply.lines.last ?? [])[...].trimmed())
        let response: [UInt8]?
        if let pending = pendingResponse {
            pendingResponse = nil
            // Some say words in front of what is to be empty.
            response = pending
        } else if exchange?.mechanism == .login {
            // In some of them the questions are no base 64 either; what they ask is known.
            response = exchange?.respond(to: [])
        } else {
            response = challenge.flatMap { exchange?.respond(to: $0) }
        }
        guard let response else {
            let name = exchange.map { "\($0.mechanism.name)" } ?? "AUTH"
            return refuseToLogIn(
                "host \(text(peer)) sent a challenge that is none of \(name), or knows no password of ours")
        }
        send("", Base64.encode(response), as: .authenticate)
    }

    private mutating func refuseToLogIn(_ reason: String) {
        loginIsRefused = true
        // RFC 3463 §3.8: the security that is wanted is not there.
        end(ClientOutcome(.deferred, EnhancedStatus(4, 7, 4), reason))
    }

    /// RFC 4954 §6: a relay that wants us to log in, or to use TLS, before it takes anything. That is for its operator here to
    /// mend, and no mail goes back for it.
    mutating func isLoginMissing(_ reply: ServerReply, _ stage: ClientStage) -> Bool {
        guard relay != nil, reply.code == 530 else { return false }
        loginIsRefused = true
        end(refusal(reply, stage))
        return true
    }
}
