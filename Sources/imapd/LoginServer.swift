import Auth
import IMAP
import Program
import Unix

/// The conversation up to the login, which checkpassword decides and which ends this process.
struct LoginServer {
    private let configuration: Configuration
    private let log: Log
    /// Nil for a client that is gone already.
    private let peer: SocketAddress?
    private let stream: ByteStream

    private static let patience = Duration.seconds(60)
    private static let sessionLimit = Duration.seconds(300)

    init(_ configuration: Configuration, _ log: Log) {
        self.configuration = configuration
        self.log = log
        peer = SocketAddress.peer(of: 0)
        stream = ByteStream(input: 0, output: 1, patience: Self.patience, end: .after(Self.sessionLimit))
    }

    private var address: IPAddress? { peer?.ip }
    private var client: String { address?.description ?? "local" }

    func run(tls: Bool) {
        guard peer != nil else { return }
        do throws(ConnectionSlot.Refusal) {
            let slot = try ConnectionSlot(
                configuration.slotsFile("imap"), total: configuration.readerConnections,
                perAddress: configuration.readerConnectionsPerAddress,
                address: address.flatMap { configuration.relays(for: $0) ? nil : $0 })
            Socket.sendAtOnce(1)
            do throws(StreamError) { try converse(tls: tls) } catch {
                if error == .timedOut { try? stream.write("* BYE Timeout\r\n".utf8) }
                try? stream.flush()
            }
            _ = consume slot
        } catch {
            log.warning("refused \(client): \(error)")
            try? File.writeAll(1, "* BYE [UNAVAILABLE] Too many connections, try again later\r\n".utf8)
        }
    }

    private func converse(tls: Bool) throws(StreamError) {
        var isEncrypted = tls
        if tls, try !beginTLS(saying: []) { return }
        let allowsPlaintext = configuration.allowsPlaintextLogin(from: address)
        var session = LoginSession(
            offersTLS: !configuration.tlsCertificate.isEmpty, allowsPlaintext: allowsPlaintext,
            isEncrypted: tls)
        let service = LoginService(configuration.netSocket("imap"))
        try stream.write(session.greeting)
        while true {
            let step = session.step(stream.buffered)
            stream.consume(step.consumed)
            try stream.write(step.output)
            switch step.next {
            case .close: return try stream.flush()
            case .startTLS(let tag):
                if try beginTLS(saying: session.readyForTLS(tag)) {
                    session.startedTLS()
                    isEncrypted = true
                } else {
                    try stream.write(session.refusalOfTLS(tag))
                }
            case .login(let tag, let user, let password):
                if try logIn(tag, user, password, isEncrypted, service, &session) { return }
            case .proceed:
                if step.consumed == 0, try !stream.fill() { return }
            }
        }
    }

    /// Whether this process has nothing more to do: somebody else has the client, or it is sent away.
    private func logIn(
        _ tag: [UInt8], _ user: [UInt8], _ password: [UInt8], _ isEncrypted: Bool, _ service: LoginService,
        _ session: inout LoginSession
    ) throws(StreamError) -> Bool {
        try stream.flush()
        let start = SessionStart(
            tag: tag, pipelined: Array(stream.buffered.prefix(SessionStart.mostPipelined)),
            isEncrypted: isEncrypted)
        let request = LoginRequest(user: user, password: password, client: address, start: start)
        let answer = service.ask(request, client: stream.input)
        if answer == .accepted { return true }
        let (output, isOver) =
            answer == .tooManySessions
            ? session.tooManySessions(tag) : session.loginFailed(tag, isTemporary: answer == .later)
        try stream.write(output)
        if isOver { try stream.flush() }
        return isOver
    }

    /// Hands the socket to tls-relay; false when TLS cannot be had, and nothing was said.
    private func beginTLS(saying reply: [UInt8]) throws(StreamError) -> Bool {
        try TLSService.begin(
            configuration.netSocket("tls"), over: stream, protocol: "imap", saying: reply,
            patience: Self.patience
        ) { log.warning("\(client): \($0)") } != nil
    }
}
