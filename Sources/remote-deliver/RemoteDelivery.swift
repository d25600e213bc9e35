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
    private let asker: Asker
    private let end: Deadline

    /// Most connections that fail before the rest waits for another run.
    private static let mostAttempts = 8

    init(
        _ settings: Settings, log: Log, dialect: ClientSession.Dialect = .smtp,
        for asker: Asker
    ) {
        self.settings = settings
        self.log = log
        self.dialect = dialect
        self.asker = asker
        end = .after(settings.deliveryLimit)
    }

    /// Decides every recipient of `letters`. `isRoute`: somebody of ours named the destination, and a mistake of
    /// his is no reason to send mail back.
    func deliver(_ letters: [Letter], to destination: Destination, isRoute: Bool = false) {
        let route: Route
        do throws(NoRoute) { route = try settings.find(destination) } catch {
            let (kind, subject, detail) = error.enhancedStatus
            let isOurs = isRoute && !error.isTemporary
            let outcome = ClientOutcome(
                error.isTemporary || isRoute ? .deferred : .failed,
                isOurs ? EnhancedStatus(4, 3, 5) : EnhancedStatus(kind, subject, detail),
                Array(error.description.utf8))
            for letter in letters { letter.decideRest(outcome) }
            return
        }
        var reason = ClientOutcome(.deferred, EnhancedStatus(4, 4, 1), Array("no host could be tried".utf8))
        var relay = "none"
        var attempts = 0
        for server in Server.all(of: route, port: settings.port) {
            guard attempts < Self.mostAttempts, !end.hasPassed, !asker.isGone else { break }
            reason = deliver(letters, to: server, &attempts)
            relay = server.relay
            if letters.allSatisfy({ $0.isDecided }) { return }
        }
        for letter in letters { letter.decideRest(reason, relay: relay) }
    }

    /// Uses one server for as long as it gets anything done; why it did not go on. A session that ends
    /// before its time is a failed attempt, whatever it got done.
    private func deliver(_ letters: [Letter], to server: Server, _ attempts: inout Int) -> ClientOutcome {
        var security = settings.security
        while true {
            let before = Self.undecided(letters)
            var watch = Stopwatch()
            let connection: Connection
            do throws(SystemError) { connection = try connect(to: server) } catch {
                attempts += 1
                let reason = "connect to \(server.relay): \(error.code)"
                return ClientOutcome(.deferred, EnhancedStatus(4, 4, 1), Array(reason.utf8))
            }
            let conversation = conversation(with: server, over: connection, security)
            if conversation.open() {
                watch.connectionIsOpen()
                send(letters, to: server, over: conversation, &watch)
                conversation.close()
            } else if conversation.tlsFailed, security == .opportunistic {
                log.info("TLS to \(server.relay) failed, going on in the clear")
                security = .off
                continue
            }
            let failure = conversation.session.failure
            if failure != nil { attempts += 1 }
            let left = Self.undecided(letters)
            if left == 0 || left == before || attempts >= Self.mostAttempts || end.hasPassed || asker.isGone {
                return failure
                    ?? ClientOutcome(.deferred, EnhancedStatus(4, 4, 7), Array("out of time".utf8))
            }
        }
    }

    private static func undecided(_ letters: [Letter]) -> Int {
        letters.reduce(0) { $0 + $1.undecided.count }
    }

    // MARK: - One connection

    private func connect(to server: Server) throws(SystemError) -> Connection {
        Connection(
            try Socket.connect(
                to: .ip(server.address, port: server.port), from: settings.source(for: server.address),
                by: min(end, .after(settings.connectTimeout)), unlessReadable: asker.socket))
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
        return Conversation(session, over: connection, settings, until: end, for: asker) {
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
        let agreement = try connection.startTLS(context, serverName: server.tlsName, by: deadline)
        log.info(
            "\(isVerified ? "Verified" : "Untrusted") TLS connection established to \(server.relay): "
                + "\(agreement.version) with cipher \(agreement.cipher) (\(agreement.bits) bits)")
    }

    /// Sends what is undecided until the session ends or has carried enough.
    private func send(
        _ letters: [Letter], to server: Server, over conversation: Conversation, _ watch: inout Stopwatch
    ) {
        var left = settings.messagesPerSession
        for letter in letters {
            var recipients = letter.undecided
            // Again for those that were too many, as long as the server takes some each time.
            while !recipients.isEmpty {
                guard conversation.session.isIdle, left > 0, !end.hasPassed else { return }
                left -= 1
                conversation.send(
                    letter.transaction(for: recipients, conversation.session.capabilities), letter.content)
                let took = watch.lap()
                recipients = letter.decide(recipients, conversation.session.outcomes) { outcome in
                    Letter.Result(
                        outcome: outcome, relay: server.relay, connecting: watch.connecting,
                        transmitting: took,
                        serverReports: conversation.session.capabilities.deliveryStatusNotifications)
                }
                watch.messageIsDone()
            }
        }
    }
}
