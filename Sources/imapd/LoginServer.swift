import Auth
import Front
import IMAP
import Program
import Unix

/// The conversation up to the login, which checkpassword decides and which ends this process.
struct LoginServer {
    private let configuration: Configuration
    private let connection: Connection
    private let ask: (LoginRequest, CInt) -> LoginAnswer
    private var stream: ByteStream { connection.stream }

    /// `ask` hands over the client's socket, unless the answer is no.
    init(
        _ configuration: Configuration, _ connection: Connection,
        ask: @escaping (LoginRequest, CInt) -> LoginAnswer
    ) {
        self.configuration = configuration
        self.connection = connection
        self.ask = ask
    }

    init(_ configuration: Configuration, _ connection: Connection) {
        let service = LoginService(configuration.netSocket("imap"))
        self.init(configuration, connection) { service.ask($0, client: $1) }
    }

    static func limits(_ configuration: Configuration) -> Connection.Limits {
        Connection.Limits(
            total: configuration.readerConnections, perAddress: configuration.readerConnectionsPerAddress,
            patience: .seconds(60), session: .seconds(300))
    }

    func run(tls: Bool) {
        _ = connection.talk { () throws(StreamError) in try converse(tls: tls) }
    }

    private func converse(tls: Bool) throws(StreamError) {
        var session = LoginSession(
            offersTLS: !configuration.tlsCertificate.isEmpty,
            allowsPlaintext: configuration.allowsPlaintextLogin(from: connection.client.address),
            isEncrypted: tls)
        guard try connection.greet(session.greeting, tls: tls) else { return }
        while true {
            let step = session.step(stream.buffered)
            stream.consume(step.consumed)
            try stream.write(step.output)
            switch step.next {
            case .close: return try stream.flush()
            case .startTLS(let tag):
                if try connection.beginTLS(saying: session.readyForTLS(tag)) {
                    session.startedTLS()
                } else {
                    try stream.write(session.refusalOfTLS(tag))
                }
            case .login(let tag, let user, let password):
                if try logIn(tag, user, password, &session) { return }
            case .proceed:
                if step.consumed == 0, try !stream.fill() { return }
            }
        }
    }

    /// Whether this process has nothing more to do: somebody else has the client, or it is sent away.
    private func logIn(
        _ tag: [UInt8], _ user: [UInt8], _ password: [UInt8], _ session: inout LoginSession
    ) throws(StreamError) -> Bool {
        try stream.flush()
        let request = LoginRequest(
            user: user, password: password, client: connection.client.address,
            start: SessionStart(tag: tag, before: stream, isEncrypted: connection.tls != nil))
        let answer = ask(request, stream.input)
        if answer == .accepted { return true }
        let (output, isOver) =
            answer == .tooManySessions
            ? session.tooManySessions(tag) : session.loginFailed(tag, isTemporary: answer == .later)
        try stream.write(output)
        if isOver { try stream.flush() }
        return isOver
    }
}
