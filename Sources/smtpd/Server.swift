import Program
import SMTP
import Unix

/// The conversation: moves bytes between the client and the session, and starts TLS when the session says so.
struct Server {
    private let configuration: Configuration
    private let log: Log
    private let client: Client
    private let stream: ByteStream
    private let reception: Reception

    /// A client that is in the middle of its handshake gets no more than this.
    private static let handshakePatience = Duration.seconds(60)

    /// How many milliseconds a byte of content may take: a large message from far away comes to its end. Postfix's
    /// smtpd_min_data_rate is the same.
    private static let slowest = 2

    /// How long, and for how many reads, a client that was sent away is listened to.
    private static let farewell = Duration.seconds(2)
    private static let mostUnread = 64

    init(_ source: ConfigurationSource, _ log: Log, _ client: Client) {
        let configuration = source.current
        self.configuration = configuration
        self.log = log
        self.client = client
        stream = ByteStream(
            input: 0, output: 1, patience: configuration.smtpTimeout,
            end: .after(configuration.smtpSessionLimit))
        reception = Reception(source, log, client)
    }

    /// Serves the client to the end of the session, which goes on for as long as messages come.
    func run(tls: Bool) {
        let settings = ServerSession.Settings(
            hostname: configuration.hostname, sizeLimit: configuration.messageSizeLimit,
            recipientLimit: configuration.recipientLimit,
            offersTLS: !configuration.tlsCertificate.isEmpty && client.address != nil,
            clientIsOurs: client.mayRelay, isOnPipe: client.address == nil)
        var session = ServerSession(settings, handler: reception, isEncrypted: tls)
        Socket.sendAtOnce(1)
        do throws(StreamError) {
            if tls {
                log.info("connect from \(client.name)")
                guard try beginTLS(saying: []) else { return }
                try stream.write(session.greeting)
            } else {
                try greet(session.greeting)
            }
            try converse(&session)
        } catch {
            if error == .timedOut {
                try? stream.write("421 4.4.2 \(configuration.hostname) Timeout\r\n".utf8)
                try? stream.flush()
                log.info("timeout after \(session.stage) from \(client.name)")
            } else {
                log.info("lost connection after \(session.stage) from \(client.name)")
            }
        }
        session.ended()
        reception.announce()
    }

    /// The client need not wait for our log.
    private func greet(_ greeting: [UInt8]) throws(StreamError) {
        defer { log.info("connect from \(client.name)") }
        try stream.write(greeting)
        try stream.flush()
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
            reception.greeting = (session.helo, session.protocolName)
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

    /// Hands the socket to tls-relay; false when TLS cannot be had, and nothing was said.
    private func beginTLS(saying reply: [UInt8]) throws(StreamError) -> Bool {
        reception.learnOwnAddress()
        let agreed = try TLSService.begin(
            configuration.netSocket("tls"), over: stream, protocol: "smtp", saying: reply,
            patience: Self.handshakePatience
        ) { log.warning("\(client.name): \($0)") }
        guard let agreed else { return false }
        reception.tls = "\(agreed.version) with cipher \(agreed.cipher) (\(agreed.bits) bits)"
        return true
    }
}
