import Delivery
import Mail
import Program
import Resolver
import SMTP
import TLS
import Unix

/// All letters for one destination: the road to it, then one host and address after the other until every
/// recipient is decided. A letter whose end was sent to one host is never sent to another (T65).
final class RemoteDelivery {
    private let settings: Settings
    private let log: Log
    private let dialect: ClientSession.Dialect
    private let mayCommit: () -> Bool
    private let end: Deadline

    /// Most connections that fail before the rest waits for another run.
    private static let mostAttempts = 8

    init(
        _ settings: Settings, log: Log, dialect: ClientSession.Dialect = .smtp,
        mayCommit: @escaping () -> Bool
    ) {
        self.settings = settings
        self.log = log
        self.dialect = dialect
        self.mayCommit = mayCommit
        end = .after(settings.deliveryLimit)
    }

    /// A server to be tried.
    private struct Server {
        let host: Route.Host
        let address: IPAddress
        let port: UInt16
        /// `mx.example[192.0.2.1]`
        var name: String { host.name.first == "[" ? "\(host.name)" : "\(host.name)[\(address)]" }
        var relay: String { "\(name):\(port)" }
    }

    /// Decides every recipient of `letters`.
    func deliver(_ letters: [Letter], to destination: Destination) {
        let route: Route
        do throws(NoRoute) { route = try settings.find(destination) } catch {
            let (kind, subject, detail) = error.enhancedStatus
            let outcome = ClientOutcome(
                error.isTemporary ? .deferred : .failed, EnhancedStatus(kind, subject, detail),
                Array(error.description.utf8))
            for letter in letters { letter.decideRest(outcome) }
            return
        }
        let port = route.port ?? settings.port
        let servers = route.hosts.flatMap { host in
            host.addresses.map { Server(host: host, address: $0, port: port) }
        }
        var failure: (ClientOutcome, String)?
        var attempts = 0
        for server in servers where attempts < Self.mostAttempts && !end.hasPassed {
            failure = (deliver(letters, to: server, &attempts), server.relay)
            if letters.allSatisfy(\.isDecided) { return }
            if !mayCommit() { break }
        }
        let unknown = ClientOutcome(.deferred, EnhancedStatus(4, 4, 1), Array("no host could be tried".utf8))
        for letter in letters { letter.decideRest(failure?.0 ?? unknown, relay: failure?.1 ?? "none") }
    }

    /// Uses one server for as long as it gets anything done; why it did not go on.
    private func deliver(_ letters: [Letter], to server: Server, _ attempts: inout Int) -> ClientOutcome {
        var security = settings.security
        while true {
            let before = Self.undecided(letters)
            let attempt = Attempt(server.relay)
            let connection: Connection
            do throws(SystemError) {
                connection = try connect(to: server, by: min(end, .after(settings.connectTimeout)))
            } catch {
                attempts += 1
                let reason = "connect to \(server.relay): \(error.code)"
                return ClientOutcome(.deferred, EnhancedStatus(4, 4, 1), Array(reason.utf8))
            }
            let conversation = conversation(with: server, over: connection, security)
            if conversation.open() {
                attempt.isOpen()
                send(letters, over: conversation, attempt)
                conversation.close()
            } else if conversation.tlsFailed, security == .opportunistic {
                log.info("TLS to \(server.relay) failed, going on in the clear")
                security = .off
                continue
            }
            let outOfTime = ClientOutcome(.deferred, EnhancedStatus(4, 4, 7), Array("out of time".utf8))
            let failure = conversation.session.failure ?? outOfTime
            if Self.undecided(letters) == before {
                attempts += 1
                return failure
            }
            if letters.allSatisfy(\.isDecided) || !mayCommit() || end.hasPassed { return failure }
        }
    }

    private static func undecided(_ letters: [Letter]) -> Int {
        letters.reduce(0) { $0 + $1.undecided.count }
    }

    // MARK: - One connection

    /// Times of one connection, for the log.
    private final class Attempt {
        let relay: String
        private let start = Deadline.monotonicMicroseconds()
        private var mark: Int64?
        /// What the first letter has to wait for; the others find the session open.
        private var connecting = 0

        init(_ relay: String) { self.relay = relay }

        private func lap() -> Int {
            let now = Deadline.monotonicMicroseconds()
            defer { mark = now }
            return Int(now - (mark ?? start))
        }

        func isOpen() { connecting = lap() }

        func result(_ outcome: ClientOutcome, transmitting: Int) -> Letter.Result {
            Letter.Result(
                outcome: outcome, relay: relay, connecting: connecting, transmitting: transmitting)
        }

        /// The time since the last letter.
        func letterDone(_ decide: (Int) -> Void) {
            decide(lap())
            connecting = 0
        }
    }

    private func connect(to server: Server, by deadline: Deadline) throws(SystemError) -> Connection {
        Connection(
            try Socket.connect(
                to: .ip(server.address, port: server.port), from: settings.source(for: server.address),
                by: deadline))
    }

    private func conversation(
        with server: Server, over connection: Connection, _ security: Configuration.TransportSecurity
    ) -> Conversation {
        let wanted: ClientSession.Security =
            switch security {
            case .off: .off
            case .opportunistic: .opportunistic
            case .required, .verified: .required
            }
        let session = ClientSession(
            name: settings.hostname, peer: server.name, dialect: dialect, security: wanted)
        return Conversation(session, over: connection, settings, until: end, mayCommit: mayCommit) {
            [self] connection, deadline throws(Connection.Failure) in
            try startTLS(over: connection, to: server, isVerified: security == .verified, by: deadline)
        }
    }

    private func startTLS(
        over connection: Connection, to server: Server, isVerified: Bool, by deadline: Deadline
    ) throws(Connection.Failure) {
        let trust = isVerified ? TLSContext.Trust.authorities(file: settings.authorities) : .anybody
        let context: TLSContext
        do throws(TLSError) { context = try TLSContext.client(trusting: trust) } catch { throw .tls(error) }
        let agreement = try connection.startTLS(context, serverName: server.host.tlsName, by: deadline)
        log.info(
            "\(isVerified ? "Verified" : "Untrusted") TLS connection established to \(server.relay): "
                + "\(agreement.version) with cipher \(agreement.cipher) (\(agreement.bits) bits)")
    }

    /// Sends what is undecided until the session ends or has carried enough.
    private func send(_ letters: [Letter], over conversation: Conversation, _ attempt: Attempt) {
        var count = 0
        for letter in letters where !letter.isDecided {
            var recipients = letter.undecided
            // Again for those that were too many, as long as the server takes some each time.
            while !recipients.isEmpty {
                guard conversation.session.isIdle, count < settings.messagesPerSession, !end.hasPassed else {
                    return
                }
                count += 1
                conversation.send(
                    letter.transaction(for: recipients, conversation.session.capabilities), letter.content)
                let outcomes = conversation.session.outcomes
                var tooMany: [Int] = []
                attempt.letterDone { took in
                    let tookSome = outcomes.contains { $0?.verdict == .delivered }
                    for (recipient, outcome) in zip(recipients, outcomes) {
                        guard let outcome, outcome.verdict != .undecided else { continue }
                        if outcome.verdict == .tooMany, tookSome {
                            tooMany.append(recipient)
                        } else {
                            letter.decide(recipient, attempt.result(outcome, transmitting: took))
                        }
                    }
                }
                recipients = tooMany
            }
        }
    }
}

extension Route.Host {
    /// The name to ask a TLS server for, and to find in its certificate.
    fileprivate var tlsName: String {
        name.first == "[" ? addresses.first.map { "\($0)" } ?? name : name
    }
}
