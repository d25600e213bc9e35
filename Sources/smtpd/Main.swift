import Front
import Program
import SMTP
import Sandbox
import Unix

/// smtpd(8): one SMTP session on descriptors 0 and 1, as inetd starts it.
@main
enum Main {
    static let tool = Tool(
        "smtpd", synopsis: "[-C file] [--tls]",
        summary:
            "Receive mail by SMTP on standard input and output; started by inetd, a process a connection.",
        options: [.config, .flag(nil, "tls", "speak TLS from the first byte (the submissions port)")],
        farewell: ServedProtocol.smtp(hostname: "").unavailable)

    static func main() {
        let arguments = Startup.begin(tool, keeping: ["TZ"])
        guard arguments.operands.isEmpty else { tool.wrong("it takes no operands") }
        Startup.silenceError()
        let source = Startup.source(tool, arguments, of: .smtp(hostname: ""))
        let configuration = source.current
        Startup.enter(.reception(runsGetent: configuration.userSource == .getent), tool)
        let log = configuration.openLog("smtpd")
        let limits = Connection.Limits(
            total: configuration.smtpConnections, perAddress: configuration.smtpConnectionsPerAddress,
            patience: configuration.smtpTimeout, session: configuration.smtpSessionLimit)
        Connection.serve(.smtp(hostname: configuration.hostname), limits, configuration, log) {
            Server(source, log, $0).run(tls: arguments.has("tls"))
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
    private var client: Client { connection.client }
    private var stream: ByteStream { connection.stream }

    /// How many milliseconds a byte of content may take: a large message from far away comes to its end. Postfix's
    /// smtpd_min_data_rate is the same.
    private static let slowest = 2

    /// How long, and for how many reads, a client that was sent away is listened to.
    private static let farewell = Duration.seconds(2)
    private static let mostUnread = 64

    init(_ source: ConfigurationSource, _ log: Log, _ connection: Connection) {
        configuration = source.current
        self.log = log
        self.connection = connection
        handler = QueueingHandler(source, log, connection.client)
    }

    /// Serves the client to the end of the session, which goes on for as long as messages come.
    func run(tls: Bool) {
        let settings = ServerSession.Settings(
            hostname: configuration.hostname, sizeLimit: configuration.messageSizeLimit,
            recipientLimit: configuration.recipientLimit,
            offersTLS: !configuration.tlsCertificate.isEmpty && client.address != nil,
            clientIsOurs: client.mayRelay, isOnPipe: client.address == nil)
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
