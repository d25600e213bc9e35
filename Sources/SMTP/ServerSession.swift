import Bytes
import Mail
package import SASL

/// The server's side of an SMTP session (RFC 5321): bytes of the client in, replies out, everything else through
/// a `MailHandler`. It touches no descriptor and keeps no more than a line.
package struct ServerSession {
    package struct Settings: Sendable {
        package var hostname: String
        package var sizeLimit: Int
        package var recipientLimit: Int
        package var offersTLS: Bool
        /// Whether the client is one of our own, from whom addresses are taken as people write them.
        package var clientIsOurs: Bool
        /// Whether a LF alone ends a line: the client is a program on a pipe.
        package var isOnPipe: Bool
        package var login: Login

        package init(
            hostname: String, sizeLimit: Int, recipientLimit: Int, offersTLS: Bool,
            clientIsOurs: Bool = false,
            isOnPipe: Bool = false, login: Login = .none
        ) {
            self.hostname = hostname
            self.sizeLimit = sizeLimit
            self.recipientLimit = recipientLimit
            self.offersTLS = offersTLS
            self.clientIsOurs = clientIsOurs
            self.isOnPipe = isOnPipe
            self.login = login
        }

        /// Whether clients say who they are.
        package enum Login: Sendable, Equatable {
            /// They are not even asked.
            case none
            /// Before the first message; without TLS only where a password may come `inClear`.
            case required(inClear: Bool)
        }
    }

    /// What the caller does after a step.
    package enum Next: Equatable {
        /// Call again with what is left, or with more.
        case proceed
        /// Send the output, then start TLS and call `startedTLS`, or `refuseTLS`.
        case startTLS
        /// Send the output, ask whether that is right, and call `loggedIn` or `loginFailed`.
        case verify(Credentials)
        /// Send the output and close.
        case close
        /// The same, because of what the client did: it may go on talking.
        case sendAway
    }

    package struct Step: Equatable {
        package var consumed: Int
        package var output: [UInt8]
        package var next: Next
    }

    /// Longest command line with its CRLF; RFC 5321 §4.5.3.1.4 says 512, its extensions ask for more.
    package static let longestLine = 4096
    /// A line that has not ended by then is no mistake any more.
    package static let longestSkippedLine = 1 << 16

    enum State { case command, skippingLine, authenticating, data }

    let settings: Settings
    let handler: any MailHandler
    var state = State.command
    private var skipped = 0
    var dots = DotReader()
    /// What of the content was read, whatever it was.
    var octets = 0
    var transaction: Transaction?
    var tolerance: Tolerance
    /// MAIL, or recipients, were refused: what was pipelined behind them cannot know, and is no error (RFC 2920 §3.1).
    var envelopeWasRefused = false
    /// Recipients of this transaction beyond the limit.
    var recipientsBeyondLimit = 0
    /// How many messages were taken.
    package internal(set) var messages = 0
    /// What the client calls itself; empty before it did.
    package internal(set) var helo: [UInt8] = []
    package internal(set) var isExtended = false
    package private(set) var isEncrypted = false
    /// Under what name the client has logged in.
    package internal(set) var login: [UInt8]?
    /// How it does, or did.
    var exchange: (lines: LineExchange, mechanism: Mechanism)?
    var failedLogins = 0
    /// The last thing that the client did, for the log: a verb of ours, `DATA`, `UNKNOWN`; `CONNECT` at first.
    package private(set) var stage: String = "CONNECT"

    package init(_ settings: Settings, handler: any MailHandler, isEncrypted: Bool = false) {
        self.settings = settings
        self.handler = handler
        self.isEncrypted = isEncrypted
        tolerance = Tolerance(recipientLimit: settings.recipientLimit)
    }

    /// RFC 3848: the keyword for the trace field.
    package var protocolName: StaticString {
        switch (isExtended, isEncrypted, login != nil) {
        case (false, _, _): "SMTP"
        case (true, false, false): "ESMTP"
        case (true, true, false): "ESMTPS"
        case (true, false, true): "ESMTPA"
        case (true, true, true): "ESMTPSA"
        }
    }

    /// Whether the client is one of our own, or has said who it is.
    var isOurs: Bool { settings.login == .none ? settings.clientIsOurs : login != nil }

    package var greeting: [UInt8] { Reply(220, nil, "\(settings.hostname) ESMTP relais").wire }

    /// Reads one command, or a piece of mail data, from the front of `input`. Nothing consumed: more is needed.
    package mutating func step(_ input: ArraySlice<UInt8>) -> Step {
        switch state {
        case .data: return readData(input)
        case .skippingLine: return skipLine(input)
        case .command, .authenticating: break
        }
        guard let (end, next) = endOfLine(input) else {
            guard input.count >= Self.longestLine else {
                return Step(consumed: 0, output: [], next: .proceed)
            }
            state = .skippingLine
            exchange = nil
            skipped = 0
            return skipLine(input)
        }
        let line = input[input.startIndex..<end]
        let consumed = next - input.startIndex
        if state == .authenticating { return readResponse(line, consumed) }
        guard consumed <= Self.longestLine else { return refuse(.lineTooLong, line, consumed) }
        return execute(line, consumed)
    }

    /// The caller has sent all output, and is about to wait for the client.
    package func rest() {
        handler.rest(in: state == .command ? transaction : nil)
    }

    /// The end of the connection: what was begun is given up.
    package mutating func ended() {
        if state == .data { handler.abandon() }
        state = .command
        transaction = nil
    }

    /// Where the first line ends and the next begins: a CRLF; a CR or LF alone ends nothing but on a pipe.
    private func endOfLine(_ input: ArraySlice<UInt8>) -> (end: Int, next: Int)? {
        var from = input.startIndex
        while let lf = input.firstIndex(of: .lf, from: from) {
            if lf > input.startIndex, input[lf - 1] == .cr { return (lf - 1, lf + 1) }
            if settings.isOnPipe { return (lf, lf + 1) }
            from = lf + 1
        }
        return nil
    }

    /// Drops an over-long line to its end, then refuses it once; a client that never ends it is sent away.
    private mutating func skipLine(_ input: ArraySlice<UInt8>) -> Step {
        if let (_, next) = endOfLine(input) {
            state = .command
            return refuse(.lineTooLong, [], next - input.startIndex)
        }
        // A CR at the end may belong to the line's end.
        let drop = input.last == .cr ? input.count - 1 : input.count
        skipped += drop
        guard skipped <= Self.longestSkippedLine else {
            return Step(
                consumed: input.count, output: Reply.lineTooLong.wire + Reply.tooManyErrors.wire,
                next: .sendAway
            )
        }
        return Step(consumed: drop, output: [], next: .proceed)
    }

    // MARK: Commands

    private mutating func execute(_ line: ArraySlice<UInt8>, _ consumed: Int) -> Step {
        guard !line.contains(where: { $0.isControl && $0 != .tab }) else {
            return refuse(.badLineEnd, line, consumed)
        }
        let command: Command
        do throws(CommandError) {
            command = try Command.read(line, isOurs: isOurs)
            stage = Self.verb(line)
        } catch {
            stage = "UNKNOWN"
            let isMail = line.hasPrefixFolded("MAIL")
            if isMail { envelopeWasRefused = true }
            switch error {
            case .unknown: return refuse(.unknownCommand, line, consumed)
            case .syntax(let form): return refuse(.syntax(form.description), line, consumed)
            case .badAddress where line.contains(where: { !$0.isASCII }):
                return refuse(.notASCII, line, consumed, .command)
            case .badAddress: return refuse(.badAddress(isMail ? 7 : 3), line, consumed)
            }
        }
        switch command {
        case .startTLS: return startTLS(line, consumed)
        case .authenticate(let mechanism, let initial):
            return authenticate(mechanism, initial, consumed)
        case .quit: return Step(consumed: consumed, output: Reply.bye.wire, next: .close)
        case .foreign:
            note(.notSMTP, line)
            return Step(consumed: consumed, output: Reply.notSMTP.wire, next: .sendAway)
        default: break
        }
        let wasRefused = envelopeWasRefused
        let reply = answer(command)
        guard !reply.isPositive else {
            return Step(consumed: consumed, output: reply.wire, next: .proceed)
        }
        var recipient: Address?
        if case .recipient(let address, _) = command { recipient = address }
        return refuse(reply, line, consumed, fault(of: command, reply, wasRefused), recipient: recipient)
    }

    private func fault(of command: Command, _ reply: Reply, _ envelopeWasRefused: Bool) -> Tolerance.Fault {
        switch command {
        case .recipient where reply == .mailFirst && envelopeWasRefused: .consequence
        case .data where (reply == .mailFirst || reply == .noRecipients) && envelopeWasRefused: .excess
        case .recipient where reply == .tooManyRecipients && recipientsBeyondLimit > 1: .excess
        case _ where reply.code < 500 || reply == .tooBig: .none
        case .recipient: .recipient
        default: .command
        }
    }

    /// RFC 3207 §4.
    private mutating func startTLS(_ line: ArraySlice<UInt8>, _ consumed: Int) -> Step {
        if isEncrypted { return refuse(.tlsActive, line, consumed) }
        guard settings.offersTLS else { return refuse(.notImplemented, line, consumed, .command) }
        return Step(consumed: consumed, output: [], next: .startTLS)
    }

    /// What to send, in the clear, once the relay is ready.
    package var readyForTLS: [UInt8] { Reply.startTLS.wire }

    /// RFC 3207 §4.2: all that was known of the client is forgotten.
    package mutating func startedTLS() {
        isEncrypted = true
        helo = []
        isExtended = false
        login = nil
        exchange = nil
        forgetTransaction()
    }

    package var refusalOfTLS: [UInt8] { Reply.tlsNotAvailable.wire }

    /// Counts and reports a refusal; too many of them end the session.
    mutating func refuse(
        _ reply: Reply, _ line: ArraySlice<UInt8>, _ consumed: Int, _ fault: Tolerance.Fault = .syntax,
        recipient: Address? = nil
    ) -> Step {
        tolerance.count(fault)
        if fault.isNews { note(reply, line, recipient) }
        guard !tolerance.isExhausted else {
            return Step(consumed: consumed, output: reply.wire + Reply.tooManyErrors.wire, next: .sendAway)
        }
        return Step(consumed: consumed, output: reply.wire, next: .proceed)
    }

    private func note(_ reply: Reply, _ line: ArraySlice<UInt8>, _ recipient: Address? = nil) {
        // What is no command where passwords are asked for may be one.
        let isSecret = settings.login != .none && stage == "UNKNOWN" || line.hasPrefixFolded("AUTH")
        let argument = isSecret ? [] : line.drop { $0.isAlpha }.prefix(300)
        handler.note(
            RefusedCommand(
                reply: reply, verb: isSecret ? String(stage) : Self.verb(line), argument: Array(argument),
                recipient: recipient, transaction: transaction))
    }

    private static func verb(_ line: ArraySlice<UInt8>) -> String {
        String(decoding: line.prefix(10).prefix { $0.isAlpha }.map { $0.uppercased }, as: UTF8.self)
    }
}

/// How much a client may do wrong before it is sent away. A message that is taken makes up for all before it: a
/// session of thousands of good messages does not end for a hundred bad ones among them.
package struct Tolerance {
    /// What a refusal says of the client.
    enum Fault {
        /// It did as it should, and shall come again, or not with this message.
        case none
        /// The same, and the log has it by what was refused before.
        case excess
        /// A recipient that was named before the refusal of MAIL was known, in a pipeline (RFC 2920 §3.1).
        case consequence
        case recipient, command, syntax

        /// Whether the log is to have it.
        var isNews: Bool { self != .excess && self != .consequence }
    }

    /// Refused commands before the client is sent away.
    package static let mostErrors = 100
    /// The same for commands that are no SMTP.
    package static let mostSyntaxErrors = 20
    /// The same for recipients, at least: a mailing list's are not all here any more, and those that are would get
    /// nothing from a session that is cut before DATA.
    package static let mostRecipients = 1000

    private let mostRefused: Int
    private var errors = 0
    private var syntaxErrors = 0
    private var refused = 0

    /// `recipientLimit`: what a transaction may have.
    init(recipientLimit: Int) { mostRefused = max(Self.mostRecipients, recipientLimit) }

    var isExhausted: Bool {
        errors >= Self.mostErrors || syntaxErrors >= Self.mostSyntaxErrors || refused >= mostRefused
    }

    mutating func count(_ fault: Fault) {
        switch fault {
        case .none, .excess: break
        case .recipient, .consequence: refused += 1
        case .command: errors += 1
        case .syntax:
            errors += 1
            syntaxErrors += 1
        }
    }

    mutating func messageWasTaken() { (errors, syntaxErrors, refused) = (0, 0, 0) }
}
