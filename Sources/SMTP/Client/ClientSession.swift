import Bytes
import Mail
import SASL

/// The client's half of an SMTP or LMTP session (RFC 5321 §3, RFC 2033), touching no descriptor and no clock.
///
/// Whoever drives it does what `next` says, and tells what came of it: `receive`, `lost`, `tlsBegan`,
/// `contentSent`. When `next` says `.idle`, a transaction may begin, and the outcomes of the last one are
/// in `outcomes`, one for each recipient. Nothing is delivered that the server did not confirm; what was not
/// decided when the session ended is `undecided`, or deferred once the end of the data was on its way. Of a reply's
/// code only the first digit counts (RFC 5321 §4.3.2), but for the few codes that have a procedure of their own.
package struct ClientSession {
    package enum Dialect: Equatable { case smtp, lmtp }

    /// Whether the session must be, may be, or shall not be encrypted; or is so from the first byte (RFC 8314 §3.3).
    package enum Security: Equatable { case off, opportunistic, required, implicit }

    /// What is to be done next.
    package enum Step: Equatable {
        case write([UInt8])
        /// Wait for bytes, and give them to `receive`.
        case read(ClientStage)
        /// Shake hands as a TLS client, then `tlsBegan` or `lost`.
        case startTLS
        /// Write the content through a `DataEncoder`; then `contentSent`.
        case content
        /// `begin` or `quit`.
        case idle
        /// Close the connection.
        case closed
    }

    enum Command: Equatable {
        case greeting, extendedHello, hello, startTLS, authenticate, mail, recipient(Int), data, reset, quit
        /// The recipients that this reply decides; none after an empty message.
        case endOfData([Int])

        var stage: ClientStage {
            switch self {
            case .greeting: .greeting
            case .extendedHello, .hello: .hello
            case .startTLS: .startTLS
            case .authenticate: .authenticate
            case .mail: .mail
            case .recipient: .recipient
            case .data: .data
            case .endOfData: .endOfData
            case .reset: .reset
            case .quit: .quit
            }
        }
    }

    enum Phase: Equatable {
        case opening, handshake, idle, envelope, content, ending, closed
    }

    let name: [UInt8]
    let peer: [UInt8]
    let dialect: Dialect
    let security: Security
    let relay: ClientRelay?
    /// While we log in, and behind that.
    var exchange: ClientExchange?
    /// What the exchange begins with, where it did not fit behind the command.
    var pendingResponse: [UInt8]?
    package internal(set) var capabilities = Capabilities()
    package internal(set) var isEncrypted = false

    var parser = ReplyParser()
    var output: [UInt8] = []
    /// Commands that were sent and have no reply yet, in order.
    var awaited: ArraySlice<Command> = [.greeting]
    var phase = Phase.opening

    var transaction: ClientTransaction?
    /// What of the envelope is to be sent next.
    enum Progress { case mail, recipients, data, over }
    var progress = Progress.over
    /// The next recipient to be named, and those that the server took.
    var nextRecipient = 0
    var accepted: [Int] = []
    /// nil until MAIL has its reply.
    var mailWasAccepted: Bool?
    /// The server may still hold a transaction that we gave up.
    var needsReset = false
    package internal(set) var outcomes: [ClientOutcome?] = []
    /// How many replies have come: a new one is another reason to wait.
    package private(set) var replyCount = 0
    /// Why the session ended before its time, if it did.
    package internal(set) var failure: ClientOutcome?
    /// What the server said to STARTTLS, if the session went on in the clear after that.
    package internal(set) var refusalOfTLS: [UInt8]?
    /// Whether the session failed because we could not log in, for a reason that time does not mend.
    package internal(set) var loginIsRefused = false

    /// A session that is about to read the greeting. `name` is ours, `peer` the server for people:
    /// `mx.example[192.0.2.1]`. `relay`: for a host that somebody of ours chose. With `.implicit` the handshake comes first.
    package init(
        name: String, peer: String, dialect: Dialect = .smtp, security: Security, relay: ClientRelay? = nil
    ) {
        self.name = Array(name.utf8)
        self.peer = Array(peer.utf8)
        self.dialect = dialect
        self.security = security
        self.relay = relay
        if security == .implicit {
            phase = .handshake
            awaited = []
        }
    }

    /// Most recipients that are named before their replies are read: so many replies fit into the buffers
    /// of any network stack, and neither side can wait for the other (RFC 2920 §3.1).
    static let mostInGroup = 50

    // MARK: - Driving

    package mutating func next() -> Step {
        if !output.isEmpty {
            defer { output = [] }
            return .write(output)
        }
        if let command = awaited.first, phase != .closed { return .read(command.stage) }
        switch phase {
        case .handshake: return .startTLS
        case .content: return .content
        case .envelope:
            continueEnvelope()
            return next()
        case .opening, .idle: return .idle
        case .ending, .closed: return .closed
        }
    }

    package var isIdle: Bool { phase == .idle && awaited.isEmpty && output.isEmpty }
    package var isClosed: Bool { phase == .closed || phase == .ending }

    /// Takes what the server sent.
    package mutating func receive(_ bytes: some Collection<UInt8>) {
        parser.append(bytes)
        while phase != .closed, let command = awaited.first {
            parser.skipsNonsense = command.stage == .endOfData
            switch parser.next() {
            case .needsMore: return
            case .malformed(let why):
                takeUnfinished()
                end(
                    ClientOutcome(
                        .deferred, EnhancedStatus(4, 5, 0),
                        "malformed reply from \(text(peer)): \(why.rawValue)"))
                return
            case .reply(let reply):
                awaited.removeFirst()
                replyCount += 1
                handle(reply, to: command)
            }
        }
    }

    /// Behind the end of a message a reply counts as far as it came: who began to say 250 has taken the message, and
    /// would get it again at each retry.
    private mutating func takeUnfinished() {
        guard case .endOfData = awaited.first, let reply = parser.unfinished,
            let command = awaited.popFirst()
        else { return }
        handle(reply, to: command)
    }

    package enum Loss: Equatable {
        case closed, timedOut
        /// TLS failed, in the handshake or later.
        case tls(String)
        case other(String)
    }

    /// The connection is of no use any more.
    package mutating func lost(_ loss: Loss) {
        guard phase != .closed else { return }
        takeUnfinished()
        // A server that refuses a message in the middle says why before it closes.
        if phase == .content, let reply = earlyReply(), reply.severity == .permanent {
            settle(accepted, .failed, reply, .content)
        }
        // RFC 3463 §3.8: without a handshake, or a certificate that is believed, the security that is wanted is not there.
        let isOfTLS = phase == .handshake
        let host = text(peer)
        let reason =
            switch loss {
            case .closed: "lost connection with \(host)\(place)"
            case .timedOut: "conversation with \(host) timed out\(place)"
            case .tls(let why): "host \(host): TLS: \(why)"
            case .other(let why): "host \(host): \(why)"
            }
        end(ClientOutcome(.deferred, isOfTLS ? EnhancedStatus(4, 7, 5) : EnhancedStatus(4, 4, 2), reason))
    }

    private mutating func earlyReply() -> ServerReply? {
        if case .reply(let reply) = parser.next() { return reply }
        return parser.unfinished
    }

    private var place: String {
        switch phase {
        case .content: " while sending the message"
        case .handshake: " in the TLS handshake"
        default:
            switch awaited.first?.stage {
            case .greeting: " while waiting for the greeting"
            case .some(let stage): " while waiting for the reply to \(stage.rawValue)"
            case nil: ""
            }
        }
    }

    /// TLS is there; what the server said before it counts no more, and what came behind its reply in the
    /// clear never did (T63: RFC 3207 §4.2).
    package mutating func tlsBegan() {
        precondition(phase == .handshake)
        parser.discard()
        isEncrypted = true
        capabilities = Capabilities()
        guard security != .implicit else {
            phase = .opening
            awaited = [.greeting]
            return
        }
        sayHello()
    }

    package mutating func quit() {
        guard isIdle else { return }
        phase = .ending
        send("QUIT", as: .quit)
    }

    // MARK: - Sending

    mutating func send(_ command: StaticString, _ rest: [UInt8] = [], as kind: Command) {
        output += command
        output += rest
        output += [.cr, .lf]
        awaited.append(kind)
    }

    /// Ends the session for a reason; recipients that are not decided yet share it.
    mutating func end(_ outcome: ClientOutcome) {
        // Once the end of the data is on its way, the message may have been taken.
        var decided: Set<Int> = []
        for command in awaited {
            if case .endOfData(let recipients) = command { decided.formUnion(recipients) }
        }
        for index in outcomes.indices where outcomes[index] == nil {
            outcomes[index] = outcome
            outcomes[index]?.verdict = decided.contains(index) ? .deferred : .undecided
        }
        failure = outcome
        output = []
        awaited = []
        phase = .closed
    }

    func text(_ bytes: [UInt8]) -> String { bytes.escaped(limit: 300) }

    /// `host mx.example[192.0.2.1] said: 550 5.1.1 … (in reply to RCPT TO)`
    func said(_ reply: ServerReply, to stage: ClientStage) -> [UInt8] {
        var text = [UInt8]("host ")
        text += peer
        text += " said: " as StaticString
        text += reply.text
        text += " (in reply to \(stage.rawValue))"
        return text
    }
}
