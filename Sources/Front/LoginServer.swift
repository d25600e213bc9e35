package import Program
package import SASL
import Unix

/// The conversation up to the login, which checkpassword decides and which ends this process.
package struct LoginServer {
    private let connection: Connection
    private let ask: (LoginRequest, CInt) -> LoginAnswer
    private var stream: ByteStream { connection.stream }

    /// `ask` hands over the client's socket, unless the answer is no.
    package init(_ connection: Connection, ask: @escaping (LoginRequest, CInt) -> LoginAnswer) {
        self.connection = connection
        self.ask = ask
    }

    /// Asks the service that starts the protocol's program.
    package init(_ connection: Connection) {
        let service = LoginService(connection.loginSocket)
        self.init(connection) { service.ask($0, client: $1) }
    }

    /// `tls`: it is spoken from the first byte.
    package func run(_ dialogue: some LoginDialogue, tls: Bool) {
        _ = connection.talk { () throws(StreamError) in
            guard try connection.greet(dialogue.greeting, tls: tls) else { return }
            try converse(dialogue)
        }
    }

    private func converse(_ begun: some LoginDialogue) throws(StreamError) {
        var dialogue = begun
        while true {
            let step = dialogue.step(stream.buffered)
            stream.consume(step.consumed)
            try stream.write(step.output)
            switch step.next {
            case .close: return try stream.flush()
            case .startTLS(let tag):
                if try connection.beginTLS(saying: dialogue.readyForTLS(tag)) {
                    dialogue.startedTLS()
                } else {
                    try stream.write(dialogue.refusalOfTLS(tag))
                }
            case .login(let tag, let user, let password):
                guard let refusal = try logIn(tag, user, password) else { return }
                let (output, isOver) = dialogue.refused(tag, refusal)
                try stream.write(output)
                if isOver { return try stream.flush() }
            case .proceed:
                if step.consumed == 0, try !stream.fill() { return }
            }
        }
    }

    /// Nil when this process has nothing more to do: somebody else has the client.
    private func logIn(
        _ tag: [UInt8], _ user: [UInt8], _ password: [UInt8]
    ) throws(StreamError) -> LoginRefusal? {
        try stream.flush()
        let request = LoginRequest(
            user: user, password: password, client: connection.client.address,
            start: SessionStart(tag: tag, before: stream, isEncrypted: connection.tls != nil))
        return switch ask(request, stream.input) {
        case .accepted: nil
        case .refused: .wrong
        case .later: .undecided
        case .tooManySessions: .tooManySessions
        }
    }
}

extension Connection.Limits {
    /// Of who reads mail, up to the login.
    package static func ofReaders(_ configuration: Configuration) -> Self {
        Self(
            total: configuration.readerConnections, perAddress: configuration.readerConnectionsPerAddress,
            patience: .seconds(60), session: .seconds(300))
    }
}
