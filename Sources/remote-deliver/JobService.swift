import Accounts
import Bytes
import Jobs
import Mail
import Program
import Resolver
import SMTP
import Unix

/// One connection of the queue-runner's: all jobs in, then deliveries, a report as soon as each is known.
/// What is decided is decided by what relais.conf says before each message; when it says something else, sessions end.
final class JobService {
    private let source: ConfigurationSource
    /// What the command line says over it.
    private let overlay: (Configuration) -> Configuration
    private var settings: Settings
    private let log: Log

    init(
        _ source: ConfigurationSource, overlay: @escaping (Configuration) -> Configuration, log: Log
    ) {
        self.source = source
        self.overlay = overlay
        self.log = log
        settings = Settings(overlay(source.current), log: log)
    }

    private static let socket: CInt = 0

    /// Where there is such an account, nothing that talks to strangers goes on as root.
    private static let account = "relaisr"

    func run() -> ExitStatus {
        let receiver = JobReceiver(over: Self.socket)
        if Identity.isRoot,
            let user = (try? source.current.systemAccounts.account(named: Self.account)) ?? nil
        {
            log.warning(
                "started as root, not as \(Self.account): mend its line in inetd.conf, or User= in relais-remote@.service"
            )
            do throws(SystemError) {
                try Identity.become(user: user.uid, group: user.gid, groups: [user.gid])
            } catch {
                receiver.refuseAll("remote-deliver is root and cannot become \(Self.account)")
                return .noPermission
            }
        }
        let jobs: [JobReceiver.Received]
        do throws(ExchangeError) { jobs = try receiver.receiveAll() } catch {
            log.warning("jobs refused: \(error)")
            return .protocolError
        }
        var letters: [[UInt8]: [OutgoingMessage]] = [:]
        var order: [[UInt8]] = []
        for (number, received) in jobs.enumerated() {
            guard case .remote(let name) = received.job.destination else {
                log.warning("jobs refused: not for another host")
                return .protocolError
            }
            if letters[name] == nil { order.append(name) }
            letters[name, default: []].append(letter(number, received, receiver))
        }
        for name in order {
            let end = Deadline.after(settings.deliveryLimit)
            let all = letters[name] ?? []
            // Each by itself: what one has for its domain may be the route of others.
            for letters in [all.filter { isRoute(name, $0) }, all.filter { !isRoute(name, $0) }]
            where !letters.isEmpty {
                while !deliver(letters, to: name, until: end) {}
            }
        }
        do throws(ExchangeError) { try receiver.finish() } catch {
            log.warning("reports not taken: \(error)")
            return .temporaryFailure
        }
        return .ok
    }

    private func letter(
        _ number: Int, _ received: JobReceiver.Received, _ receiver: JobReceiver
    ) -> OutgoingMessage {
        let job = received.job
        let transaction = ClientTransaction(
            reversePath: job.reversePath, parameters: parameters(job.parameters),
            recipients: job.recipients.map {
                ClientTransaction.Recipient(address: $0.address, parameters: parameters($0.parameters))
            })
        let content = job.text(of: received.file.raw)
        return OutgoingMessage(transaction, content) { letter in
            // `received` is held here: the file stays open for as long as the letter may be read.
            for (result, recipient) in zip(letter.results, received.job.recipients) {
                guard let result else { continue }
                // A runner that is gone takes no reports; `mayCommit` sees that before the next message.
                try? receiver.report(result.report(job: number, recipient: recipient.index))
            }
            try? receiver.flush()
        }
    }

    /// The parameters of a command as they came; what is none is left out rather than sent on.
    private func parameters(_ text: [UInt8]) -> Parameters { (try? Parameters(text)) ?? Parameters() }

    /// True when all are decided; else relais.conf has changed, and they are to be begun anew.
    private func deliver(_ letters: [OutgoingMessage], to name: [UInt8], until end: Deadline) -> Bool {
        _ = hasChanged()
        let isRoute = letters.allSatisfy { self.isRoute(name, $0) }
        let text = String(decoding: name, as: UTF8.self)
        // What the runner knew when it chose us is not true any more: it is to look again.
        if !isRoute, settings.isLocal(name[...]) {
            let reason = "\(name.escaped()) is a domain of this host by now"
            for letter in letters {
                letter.decideRest(
                    ClientOutcome(.deferred, EnhancedStatus(4, 3, 5), Array(reason.utf8)),
                    ofDestination: false)
            }
            return true
        }
        let hop: NextHop
        do throws(NextHop.Unusable) { hop = try nextHop(name, text, isRoute: isRoute) } catch {
            if isRoute { log.warning("\(error.reason)") }
            let outcome =
                isRoute
                ? ClientOutcome(.deferred, EnhancedStatus(4, 3, 5), error.reason)
                : ClientOutcome(.failed, EnhancedStatus(5, 1, 2), error.reason)
            for letter in letters { letter.decideRest(outcome) }
            return true
        }
        var isOutOfDate = false
        RemoteDelivery(settings, log: log, for: Asker(socket: Self.socket), until: end) { [self] in
            isOutOfDate = isOutOfDate || hasChanged()
            return isOutOfDate
        }.deliver(letters, to: hop)
        return letters.allSatisfy { $0.isDecided }
    }

    private func nextHop(
        _ name: [UInt8], _ text: String, isRoute: Bool
    ) throws(NextHop.Unusable) -> NextHop {
        if isRoute, RelayHost.hasScheme(name) { return try NextHop(relay: text, settings) }
        guard let destination = isRoute ? Destination(route: text) : Destination(mailDomain: text) else {
            throw NextHop.Unusable(reason: "\(name.escaped()) is no \(isRoute ? "host" : "mail domain")")
        }
        return NextHop(destination, isRoute: isRoute)
    }

    /// Takes over what relais.conf says now.
    private func hasChanged() -> Bool {
        switch source.refresh() {
        case .none: return false
        case .damaged(let error):
            log.error("\(error); what was read before still holds")
            return false
        case .changed:
            log.continueAs(overlay(source.current).openLog(Main.tool.name))
            settings = Settings(overlay(source.current), log: log)
            return true
        }
    }

    /// The domain of a recipient is a mail domain and nothing else, so that nobody reaches a host of ours by
    /// writing its address into a mail address (T71); another name was put there by our own configuration or
    /// operator, and may be any host.
    private func isRoute(_ name: [UInt8], _ letter: OutgoingMessage) -> Bool {
        !letter.transaction.recipients.contains { recipient in
            guard let at = recipient.address.lastIndex(of: .ascii("@")) else { return false }
            return recipient.address[(at + 1)...].equalsFolded(name)
        }
    }
}
