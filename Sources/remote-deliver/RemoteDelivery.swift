import Bytes
import Jobs
import Mail
import Program
import Resolver
import SMTP
import TLS
import Unix

/// All letters for one destination: the road to it, then one host and address after the other until every
/// recipient is decided. A host that says "later" leaves its recipients to the next (RFC 5321 §5.1); but a letter
/// whose end was sent, and got no answer, is never sent to another now (T65): it was most likely taken, and is asked
/// about at the next run. (Postfix asks the next host at once, and says "may be sent more than once".)
final class RemoteDelivery {
    private let settings: Settings
    private let log: Log
    private let dialect: ClientSession.Dialect
    private let asker: Asker
    /// Whether relais.conf says something else by now than `settings`: what is not decided is left to be begun anew.
    private let isOutOfDate: () -> Bool
    private let end: Deadline

    /// What one run tries before the rest waits for another.
    private struct Attempts {
        /// Connections that failed.
        var failed = 0
        /// Servers that let us in, and left recipients to others.
        var servers = 0
        /// The same at each address: whoever guesses passwords at them all is shut out.
        var loginIsRefused = false

        /// RFC 5321 §5.1 wants two addresses at least. Four servers are two hosts of two addresses each; every one of
        /// them is asked for the same recipients again.
        var areAllowed: Bool { failed < 8 && servers < 4 }
    }

    init(
        _ settings: Settings, log: Log, dialect: ClientSession.Dialect = .smtp,
        for asker: Asker, until end: Deadline? = nil, isOutOfDate: @escaping () -> Bool = { false }
    ) {
        self.settings = settings
        self.log = log
        self.dialect = dialect
        self.asker = asker
        self.isOutOfDate = isOutOfDate
        self.end = end ?? .after(settings.deliveryLimit)
    }

    /// Decides every recipient of `letters`, unless it is out of date before the end.
    func deliver(_ letters: [OutgoingMessage], to hop: NextHop) {
        let route: Route
        do throws(NoRoute) { route = try settings.find(hop.destination) } catch {
            let (kind, subject, detail) = error.enhancedStatus
            let isOurs = hop.isRoute && !error.isTemporary
            let outcome = ClientOutcome(
                error.isTemporary || hop.isRoute ? .deferred : .failed,
                isOurs ? EnhancedStatus(4, 3, 5) : EnhancedStatus(kind, subject, detail),
                Array(error.description.utf8))
            for letter in letters { letter.decideRest(outcome) }
            return
        }
        var reason = ClientOutcome(.deferred, EnhancedStatus(4, 4, 1), "no host could be tried")
        var relay = "none"
        var attempts = Attempts()
        for server in Server.all(of: route, port: hop.port(settings)) {
            guard attempts.areAllowed, !attempts.loginIsRefused, !end.hasPassed, !asker.isGone else { break }
            if relay != "none" { explain(letters, reason, relay, next: server) }
            let why = deliver(letters, to: server, of: hop, &attempts)
            if letters.allSatisfy({ $0.isDecided }) || isOutOfDate() { return }
            // A host that refuses us for good does not speak for one that could not be asked.
            if why.verdict != .failed || reason.verdict == .failed || relay == "none" {
                (reason, relay) = (why, server.relay)
            }
        }
        for letter in letters { letter.decideRest(reason, relay: relay) }
    }

    /// Why the next host is asked.
    private func explain(_ letters: [OutgoingMessage], _ reason: ClientOutcome, _ relay: String, next: Server)
    {
        let said = letters.lazy.compactMap { $0.postponement }.first ?? reason
        log.info("\(relay): \(said.text.escaped(limit: 300)); asking \(next.relay)")
    }

    /// Uses one server for as long as it gets anything done; why it did not go on. A session that ends
    /// before its time is a failed attempt, whatever it got done.
    private func deliver(
        _ letters: [OutgoingMessage], to server: Server, of hop: NextHop, _ attempts: inout Attempts
    ) -> ClientOutcome {
        var security = hop.security(settings)
        var letUsIn = false
        while true {
            let before = undecided(letters, at: server)
            var watch = Stopwatch()
            let connection: Connection
            do throws(SystemError) { connection = try connect(to: server) } catch {
                attempts.failed += 1
                return ClientOutcome(
                    .deferred, EnhancedStatus(4, 4, 1), "connect to \(server.relay): \(error.code)")
            }
            let conversation = conversation(with: server, of: hop, over: connection, security)
            if conversation.open() {
                letUsIn = true
                if let refusal = conversation.session.refusalOfTLS {
                    log.info(
                        "STARTTLS refused by \(server.relay), going on in the clear: "
                            + refusal.escaped(limit: 300))
                }
                watch.connectionIsOpen()
                send(letters, to: server, over: conversation, &watch)
                conversation.close()
            } else if conversation.tlsFailed, security == .opportunistic {
                log.info("TLS to \(server.relay) failed, going on in the clear")
                security = .off
                continue
            }
            let failure = conversation.session.failure
            if failure != nil { attempts.failed += 1 }
            if conversation.session.loginIsRefused {
                attempts.loginIsRefused = true
                complain(of: server, hop, failure)
            }
            let left = undecided(letters, at: server)
            if left == 0 || left == before || !attempts.areAllowed || attempts.loginIsRefused || end.hasPassed
                || asker.isGone
                || isOutOfDate()
            {
                if letUsIn { attempts.servers += 1 }
                return failure ?? ClientOutcome(.deferred, EnhancedStatus(4, 4, 7), "out of time")
            }
        }
    }

    /// The operator is told: until he mends it, all mail that goes there waits.
    private func complain(of server: Server, _ hop: NextHop, _ failure: ClientOutcome?) {
        let user = hop.login.map { "as \($0.user.escaped(limit: 100))" } ?? "without a password"
        let reason = failure.map { $0.text.escaped(limit: 300) } ?? ""
        log.warning("\(server.relay): not let in \(user): \(reason)")
    }

    private func undecided(_ letters: [OutgoingMessage], at server: Server) -> Int {
        letters.reduce(0) { $0 + $1.undecided(at: server.relay).count }
    }

    // MARK: - One connection

    private func connect(to server: Server) throws(SystemError) -> Connection {
        Connection(
            try Socket.connect(
                to: .ip(server.address, port: server.port), from: settings.source(for: server.address),
                by: min(end, .after(settings.connectTimeout)), unlessReadable: asker.socket))
    }

    private func conversation(
        with server: Server, of hop: NextHop, over connection: Connection,
        _ security: Configuration.TransportSecurity
    ) -> Conversation {
        let wanted: ClientSession.Security =
            switch security {
            case .off: .off
            case .opportunistic: .opportunistic
            case .required, .verified: hop.relay?.scheme == .smtps ? .implicit : .required
            }
        let session = ClientSession(
            name: settings.hostname, peer: server.name, dialect: dialect, security: wanted,
            relay: hop.clientRelay)
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
        _ letters: [OutgoingMessage], to server: Server, over conversation: Conversation,
        _ watch: inout Stopwatch
    ) {
        var left = settings.messagesPerSession
        for letter in letters {
            var recipients = letter.undecided(at: server.relay)
            guard !recipients.isEmpty, !isOutOfDate() else { continue }
            guard conversation.session.isIdle, left > 0, !end.hasPassed else { return }
            let data: MailData
            switch suitableData(of: letter, for: conversation.session, at: server) {
            case .data(let form): data = form
            case .none(let outcome):
                letter.decide(
                    recipients,
                    OutgoingMessage.Result(
                        outcome: outcome, relay: server.relay, connecting: watch.connecting, transmitting: 0))
                continue
            }
            // Again for those that were too many, as long as the server takes some each time.
            while !recipients.isEmpty {
                guard conversation.session.isIdle, left > 0, !end.hasPassed else { return }
                left -= 1
                conversation.send(letter.transaction(for: recipients, data), data)
                let took = watch.lap()
                recipients = letter.decide(recipients, conversation.session.outcomes) { outcome in
                    OutgoingMessage.Result(
                        outcome: outcome, relay: server.relay, connecting: watch.connecting,
                        transmitting: took,
                        serverReports: conversation.session.capabilities.deliveryStatusNotifications)
                }
                watch.messageIsDone()
            }
        }
    }

    private func suitableData(of letter: OutgoingMessage, for session: ClientSession, at server: Server)
        -> SuitableData
    {
        do throws(SystemError) {
            return try .of(
                MailData(letter.content), for: letter.transaction, session.capabilities, host: server.name)
        } catch {
            return .none(
                ClientOutcome(.deferred, EnhancedStatus(4, 3, 0), "message cannot be read: \(error)"))
        }
    }
}
