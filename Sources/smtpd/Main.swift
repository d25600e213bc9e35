import Bytes
import Front
import Program
import SASL
import SMTP
import Sandbox
import Unix

/// smtpd(8): one SMTP session on descriptors 0 and 1, as inetd starts it.
@main
enum Main {
    static let tool = Tool(
        "smtpd", synopsis: "[-C file] [--submission] [--tls]",
        summary:
            "Receive mail by SMTP on standard input and output; started by inetd, a process a connection.",
        options: [
            .config, .flag(nil, "submission", "serve who logs in, and nobody else (RFC 6409)"),
            .flag(nil, "tls", "speak TLS from the first byte (the submissions port)"),
        ],
        farewell: ServedProtocol.smtp(hostname: "").unavailable)

    static func main() {
        let arguments = Startup.begin(tool, keeping: ["TZ"])
        guard arguments.operands.isEmpty else { tool.wrong("it takes no operands") }
        Startup.silenceError()
        let source = Startup.source(tool, arguments, of: .smtp(hostname: ""))
        let configuration = source.current
        let isSubmission = arguments.has("submission")
        Startup.enter(
            .reception(runsGetent: configuration.userSource == .getent, seesPasswords: isSubmission), tool)
        let log = configuration.openLog("smtpd")
        let limits = Connection.Limits(
            total: configuration.smtpConnections, perAddress: configuration.smtpConnectionsPerAddress,
            patience: configuration.smtpTimeout, session: configuration.smtpSessionLimit)
        let hostname = configuration.hostname
        let service = isSubmission ? ServedProtocol.submission(hostname: hostname) : .smtp(hostname: hostname)
        Connection.serve(service, limits, configuration, log) {
            Server(source, log, $0, isSubmission: isSubmission).run(tls: arguments.has("tls"))
        }
        ExitStatus.ok.leave()
    }
}

/// The conversation: moves bytes between the client and the session, and starts TLS when the session says so.
struct Server {
    private let configuration: Configuration
    private let log: Log
    private let connection: Connection
    private let handler: QueueingHandler
    private let isSubmission: Bool
    private let logins: LoginService
    private var client: Client { connection.client }
    private var stream: ByteStream { connection.stream }

    /// How many milliseconds a byte of content may take: a large message from far away comes to its end. Postfix's
    /// smtpd_min_data_rate is the same.
    private static let slowest = 2

    /// How long, and for how many reads, a client that was sent away is listened to.
    private static let farewell = Duration.seconds(2)
    private static let mostUnread = 64

    init(_ source: ConfigurationSource, _ log: Log, _ connection: Connection, isSubmission: Bool) {
        configuration = source.current
        self.log = log
        self.connection = connection
        self.isSubmission = isSubmission
        handler = QueueingHandler(source, log, connection.client, isSubmission: isSubmission)
        logins = LoginService(configuration.netSocket("auth"))
    }

    /// Serves the client to the end of the session, which goes on for as long as messages come.
    func run(tls: Bool) {
        let settings = ServerSession.Settings(
            hostname: configuration.hostname, sizeLimit: configuration.messageSizeLimit,
            recipientLimit: configuration.recipientLimit,
            offersTLS: !configuration.tlsCertificate.isEmpty && client.address != nil,
            clientIsOurs: client.mayRelay, isOnPipe: client.address == nil,
            login: isSubmission
                ? .required(inClear: configuration.allowsPlaintextLogin(from: client.address)) : .none)
        var session = ServerSession(settings, handler: handler, isEncrypted: tls)
        let failure = connection.talk { () throws(StreamError) in
            if tls { handler.learnOwnAddress() }
            guard try connection.greet(session.greeting, tls: tls) else { return }
            noteTLS()
            try converse(&session)
        }
        if let failure {
            let event = failure == .timedOut ? "timeout" : "lost connection"
            log.info("\(event) after \(session.stage) from \(client.name)")
        }
        session.ended()
        handler.announce()
    }

    private func converse(_ session: inout ServerSession) throws(StreamError) {
        var messages = 0
        while true {
            let step = session.step(stream.buffered)
            stream.consume(step.consumed)
            if session.messages > messages {
                messages = session.messages
                stream.end = .after(configuration.smtpSessionLimit)
            } else if session.isReceiving {
                stream.end = stream.end + .milliseconds(Self.slowest * step.consumed)
            }
            try stream.write(step.output)
            handler.greeting = (session.helo, session.protocolName)
            switch step.next {
            case .close: return try stream.flush()
            case .sendAway:
                log.info("too many errors after \(session.stage) from \(client.name)")
                return try sendAway()
            case .startTLS:
                if try beginTLS(saying: session.readyForTLS) {
                    session.startedTLS()
                } else {
                    try stream.write(session.refusalOfTLS)
                }
            case .verify(let credentials):
                try stream.flush()
                guard try logIn(credentials, &session) else { return try sendAway() }
            case .proceed:
                guard step.consumed == 0 else { continue }
                try stream.flush()
                session.rest()
                guard try stream.fill() else { throw .disconnected }
            }
        }
    }

    /// Says farewell to a client that may still be talking: a connection that is closed with input unread is
    /// reset, and the client would never see why.
    private func sendAway() throws(StreamError) {
        try stream.flush()
        Socket.endWriting(stream.output)
        stream.end = min(stream.end, .after(Self.farewell))
        for _ in 0..<Self.mostUnread {
            stream.consume(stream.buffered.count)
            guard (try? stream.fill()) == true else { return }
        }
    }

    /// Asks who holds the passwords. False when the client has guessed often enough.
    private func logIn(
        _ credentials: Credentials, _ session: inout ServerSession
    ) throws(StreamError) -> Bool {
        let mechanism = session.mechanism ?? "PLAIN"
        let answer = logins.ask(
            LoginRequest(
                user: credentials.user, password: credentials.password, client: client.address,
                start: SessionStart(tag: [], pipelined: [], isEncrypted: connection.tls != nil)), client: nil)
        guard answer != .accepted else {
            handler.loggedIn(as: credentials.user, by: mechanism)
            try stream.write(session.loggedIn(as: credentials.user))
            return true
        }
        let isTemporary = answer == .later
        let why = isTemporary ? "it could not be decided" : "authentication failure"
        log.warning(
            "\(client.name): SASL \(mechanism) authentication failed: \(why), "
                + "sasl_username=\(credentials.user.escaped(limit: 100))")
        let (output, isOver) = session.loginFailed(isTemporary: isTemporary)
        try stream.write(output)
        if isOver { log.info("too many errors after \(session.stage) from \(client.name)") }
        return !isOver
    }

    /// False when TLS cannot be had, and nothing was said.
    private func beginTLS(saying reply: [UInt8]) throws(StreamError) -> Bool {
        handler.learnOwnAddress()
        guard try connection.beginTLS(saying: reply) else { return false }
        noteTLS()
        return true
    }

    private func noteTLS() {
        handler.tls = connection.tls.map { "\($0.version) with cipher \($0.cipher) (\($0.bits) bits)" }
    }
}
