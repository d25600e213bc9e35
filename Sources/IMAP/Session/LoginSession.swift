import Bytes
package import SASL

/// The not authenticated state of RFC 3501 §6.2. It touches no descriptor.
package struct LoginSession: LoginDialogue {
    /// Longest command with its literals before anybody is known (T30): ID has 30 values of 1,024 octets (RFC 2971 §3.3).
    package static let longestCommand = 40_000
    package static let mostErrors = 10
    package static let mostLogins = 3

    private let offersTLS: Bool
    private let allowsPlaintext: Bool
    private var isEncrypted: Bool
    private var reader = CommandReader(limit: longestCommand, allowsAppend: false)
    /// An AUTHENTICATE that waits for the client's response.
    private var authenticating: (tag: [UInt8], exchange: LineExchange)?
    private var errors = 0
    private var logins = 0

    package init(offersTLS: Bool, allowsPlaintext: Bool, isEncrypted: Bool) {
        self.offersTLS = offersTLS
        self.allowsPlaintext = allowsPlaintext
        self.isEncrypted = isEncrypted
    }

    private var mayLogIn: Bool { isEncrypted || allowsPlaintext }

    package var greeting: [UInt8] { Array("* OK [CAPABILITY \(capabilities)] relais ready\r\n".utf8) }

    private var capabilities: String {
        "IMAP4rev1 LITERAL+ SASL-IR ID" + (offersTLS && !isEncrypted ? " STARTTLS" : "")
            + (mayLogIn ? Mechanism.allCases.map { " AUTH=\($0.name)" }.joined() : " LOGINDISABLED")
    }

    /// Reads from the front of `input`; with nothing consumed more is needed.
    package mutating func step(_ input: ArraySlice<UInt8>) -> LoginStep {
        guard !input.isEmpty else { return LoginStep(consumed: 0, output: [], next: .proceed) }
        let (consumed, event) = reader.read(input)
        switch event {
        case .incomplete: return LoginStep(consumed: consumed, output: [], next: .proceed)
        case .continuation:
            return LoginStep(consumed: consumed, output: Array("+ OK\r\n".utf8), next: .proceed)
        case .tooLong, .append:
            return LoginStep(
                consumed: consumed, output: Array("* BYE Command too long\r\n".utf8), next: .close)
        case .badCommand(let tag): return refuse(tag, "BAD Literal too large", consumed)
        case .command(let bytes): return execute(bytes, consumed)
        }
    }

    private mutating func execute(_ bytes: [UInt8], _ consumed: Int) -> LoginStep {
        if let (tag, begun) = authenticating {
            var exchange = begun
            authenticating = nil
            return follow(exchange.take(bytes), of: exchange, tag, consumed)
        }
        if HTTPRequestLine.isOne(bytes) {
            return LoginStep(
                consumed: consumed, output: Array("* BYE This is an IMAP server\r\n".utf8), next: .close)
        }
        let tagged: TaggedCommand
        do throws(CommandError) { tagged = try TaggedCommand(bytes) } catch {
            switch error {
            case .noTag: return refuse([.ascii("*")], "BAD Command without a tag", consumed)
            case .unknown(let tag): return refuse(tag, "BAD Unknown command", consumed)
            case .syntax(let tag, _): return refuse(tag, "BAD Syntax error", consumed)
            }
        }
        return perform(tagged.command, tagged.tag, consumed)
    }

    private mutating func perform(_ command: Command, _ tag: [UInt8], _ consumed: Int) -> LoginStep {
        func ok(_ untagged: String, _ text: String) -> LoginStep {
            LoginStep(
                consumed: consumed, output: Array(untagged.utf8) + tag + Array(" OK \(text)\r\n".utf8),
                next: .proceed)
        }
        switch command {
        case .capability: return ok("* CAPABILITY \(capabilities)\r\n", "Capability completed")
        case .noop: return ok("", "Noop completed")
        case .id: return ok("* ID (\"name\" \"relais\")\r\n", "Id completed")
        case .logout:
            let output = Array("* BYE Logging out\r\n".utf8) + tag + Array(" OK Logout completed\r\n".utf8)
            return LoginStep(consumed: consumed, output: output, next: .close)
        case .startTLS:
            guard offersTLS, !isEncrypted else { return refuse(tag, "BAD TLS is not offered", consumed) }
            return LoginStep(consumed: consumed, output: [], next: .startTLS(tag: tag))
        case .login(let user, let password):
            guard mayLogIn else { return refuse(tag, "NO [PRIVACYREQUIRED] Use STARTTLS first", consumed) }
            return LoginStep(
                consumed: consumed, output: [], next: .login(tag: tag, user: user, password: password))
        case .authenticate(let mechanism, let initial):
            guard mayLogIn else { return refuse(tag, "NO [PRIVACYREQUIRED] Use STARTTLS first", consumed) }
            guard let mechanism = Mechanism(mechanism) else {
                return refuse(tag, "NO Mechanism not supported", consumed)
            }
            var exchange = LineExchange(mechanism)
            return follow(exchange.begin(initial), of: exchange, tag, consumed)
        default: return refuse(tag, "NO Log in first", consumed)
        }
    }

    /// `continue-req = "+" SP ([base64] / resp-text) CRLF`. RFC 9051 §6.2.2: what is cancelled or no base 64 is BAD.
    private mutating func follow(
        _ step: LineExchange.Step, of exchange: LineExchange, _ tag: [UInt8], _ consumed: Int
    ) -> LoginStep {
        switch step {
        case .challenge(let text):
            authenticating = (tag, exchange)
            return LoginStep(
                consumed: consumed, output: Array("+ ".utf8) + text + [.cr, .lf], next: .proceed)
        case .verify(let its):
            return LoginStep(
                consumed: consumed, output: [],
                next: .login(tag: tag, user: its.user, password: its.password))
        case .malformed:
            return LoginStep(consumed: consumed, output: [], next: .login(tag: tag, user: [], password: []))
        case .cancelled: return refuse(tag, "BAD Authentication cancelled", consumed)
        case .unreadable: return refuse(tag, "BAD Invalid base 64", consumed)
        }
    }

    package func readyForTLS(_ tag: [UInt8]) -> [UInt8] { tag + Array(" OK Begin TLS\r\n".utf8) }
    package func refusalOfTLS(_ tag: [UInt8]) -> [UInt8] {
        tag + Array(" NO [UNAVAILABLE] TLS is not available now\r\n".utf8)
    }

    /// What was begun in the clear is forgotten.
    package mutating func startedTLS() {
        isEncrypted = true
        reader = CommandReader(limit: Self.longestCommand, allowsAppend: false)
    }

    /// RFC 5530 has the codes.
    package mutating func refused(
        _ tag: [UInt8], _ refusal: LoginRefusal
    ) -> (output: [UInt8], isOver: Bool) {
        logins += 1
        let text =
            switch refusal {
            case .wrong: "[AUTHENTICATIONFAILED] Wrong name or password"
            case .undecided: "[UNAVAILABLE] Login not possible now"
            case .tooManySessions: "[LIMIT] Too many sessions of this user, close others first"
            }
        return (tag + Array(" NO \(text)\r\n".utf8), logins >= Self.mostLogins)
    }

    private mutating func refuse(_ tag: [UInt8], _ text: String, _ consumed: Int) -> LoginStep {
        errors += 1
        let output = tag.prefix(100) + Array(" \(text)\r\n".utf8)
        guard errors < Self.mostErrors else {
            return LoginStep(
                consumed: consumed, output: output + Array("* BYE Too many errors\r\n".utf8), next: .close)
        }
        return LoginStep(consumed: consumed, output: Array(output), next: .proceed)
    }
}
