import Accounts
import Jobs
import Program
import Queue
import Unix

/// Which deliverer can be had. One that cannot (no line in inetd.conf, the wrong user in it, an inetd that has
/// stopped) is a matter between the operator and this host: the mail waits where it is, without an attempt that
/// counts, and the log tells it once a run, with what to mend.
final class DelivererServices {
    private var configuration: Configuration
    private let log: Log
    private let clock: any RunnerClock
    private let deliverers: any Deliverers
    private var troubles: [Deliverer: Trouble] = [:]

    private enum Deliverer: Hashable { case local, remote }

    private struct Trouble {
        let text: String
        let noted: Time
        let pause: Duration
        /// Nobody asks before.
        var until: Deadline
    }

    /// Who finds no service need not ask again for each message; one who mends it does not wait for us.
    private static let afterSilence = Duration.seconds(1)
    private static let afterRefusal = Duration.seconds(10)

    /// What waits for it, and is asked with, one by one, until it works.
    private var waiting: [Deliverer: Fifo<Candidate>] = [:]

    init(
        _ configuration: Configuration, log: Log, clock: any RunnerClock, deliverers: any Deliverers
    ) {
        self.configuration = configuration
        self.log = log
        self.clock = clock
        self.deliverers = deliverers
    }

    func reconfigure(_ configuration: Configuration) { self.configuration = configuration }

    private func deliverer(for destination: Job.Destination) -> Deliverer {
        destination.isLocal ? .local : .remote
    }

    private func socket(of deliverer: Deliverer) -> String {
        configuration.serviceSocket(deliverer == .local ? "queue/local" : "queue/remote")
    }

    /// Why nothing can be handed over for it just now; nil if it is worth a try.
    func trouble(for destination: Job.Destination) -> String? {
        guard let trouble = troubles[deliverer(for: destination)], !clock.hasPassed(trouble.until) else {
            return nil
        }
        return trouble.text
    }

    /// What is to be handed over now of what could be, where it was in trouble: one, to see whether it still is. The
    /// others wait for what comes of that.
    func allowance(for destination: Job.Destination) -> (count: Int, reason: String) {
        let deliverer = deliverer(for: destination)
        guard let trouble = troubles[deliverer] else { return (.max, "") }
        guard clock.hasPassed(trouble.until) else { return (0, trouble.text) }
        troubles[deliverer]?.until = clock.after(trouble.pause)
        return (1, trouble.text)
    }

    // MARK: What waits for it

    /// A message for which nothing was done.
    func keep(_ message: Candidate, for destination: Job.Destination) {
        let deliverer = deliverer(for: destination)
        if troubles[deliverer] != nil { waiting[deliverer, default: Fifo()].append(message) }
    }

    /// In a new minute the queue is read for all that is due.
    func forgetWaiting() { waiting.removeAll() }

    /// How much waits.
    var waitingCount: Int { waiting.values.reduce(0) { $0 + $1.count } }

    /// When one of those that wait is to be tried.
    var nextAsking: Deadline? {
        troubles.compactMap { waiting[$0.key]?.isEmpty == false ? $0.value.until : nil }.min()
    }

    /// What may go of what waits, where it is time to ask again: one for each.
    func askAgain() -> [Candidate] {
        troubles.compactMap { deliverer, trouble in
            clock.hasPassed(trouble.until) ? waiting[deliverer]?.popFirst() : nil
        }
    }

    // MARK: What is known of it

    /// A connection, or why there is none.
    func connect(
        for destination: Job.Destination, _ happened: inout [Happening]
    ) throws(ServiceFailure) -> any DelivererConnection {
        let deliverer = deliverer(for: destination)
        let path = socket(of: deliverer)
        do throws(SystemError) { return try deliverers.connect(to: path) } catch {
            let text =
                error.code == .timedOut
                ? "\(path): inetd, or systemd, takes no connections: is it stopped?"
                : "\(error): is there a line for it in inetd.conf, or \(unit(of: deliverer))? (queue-runner --check) The line: "
                    + line(of: deliverer, path)
            throw ServiceFailure(text: note(text, deliverer, for: Self.afterSilence, &happened))
        }
    }

    /// A deliverer said that it cannot work, whatever the mail.
    func refused(_ destination: Job.Destination, _ text: String, _ happened: inout [Happening]) {
        _ = note(text, deliverer(for: destination), for: Self.afterRefusal, &happened)
    }

    /// Nobody took what was handed over.
    func isSilent(_ destination: Job.Destination, _ happened: inout [Happening]) -> String {
        let deliverer = deliverer(for: destination)
        let text =
            "\(socket(of: deliverer)): nobody takes what is handed over: have inetd or systemd, or the deliverer, stopped?"
        return note(text, deliverer, for: Self.afterRefusal, &happened)
    }

    /// It works, as a session shows that began at `time`: the next trouble is news.
    func works(_ destination: Job.Destination, since time: Time, _ happened: inout [Happening]) {
        let deliverer = deliverer(for: destination)
        guard let trouble = troubles[deliverer], trouble.noted <= time else { return }
        troubles[deliverer] = nil
        happened.append(change)
        var all = waiting.removeValue(forKey: deliverer) ?? Fifo()
        while let message = all.popFirst() { happened.append(.calledBack(message)) }
    }

    private func note(
        _ text: String, _ deliverer: Deliverer, for time: Duration, _ happened: inout [Happening]
    ) -> String {
        let isNew = troubles[deliverer]?.text != text
        troubles[deliverer] = Trouble(text: text, noted: clock.now, pause: time, until: clock.after(time))
        if isNew {
            log.error(text)
            happened.append(change)
        }
        return text
    }

    private var change: Happening {
        .servicesChanged(local: troubles[.local]?.text, remote: troubles[.remote]?.text)
    }

    /// What stands for the line where systemd is in inetd's place.
    private func unit(of deliverer: Deliverer) -> String {
        deliverer == .local ? "relais-local.socket" : "relais-remote.socket"
    }

    /// As inetd.conf has it; in a private instance with the user who runs it.
    private func line(of deliverer: Deliverer, _ path: String) -> String {
        let program = deliverer == .local ? "local-deliver" : "remote-deliver"
        let installed = deliverer == .local ? "root" : "relaisr"
        let own = (try? configuration.systemAccounts.account(withID: Identity.user))??.name ?? installed
        let user = own == "relaisq" || own == "root" ? installed : own
        return "\(path) stream unix nowait.1000000 \(user) \(Self.place(of: program)) \(program) --service"
    }

    private static func place(of program: String) -> String {
        let here = (try? Path.ofThisProgram()).map { Path.split($0).directory } ?? ""
        let beside = "\(here)/\(program)"
        if Path.isExecutable(beside) { return beside }
        return "\(Path.split(here).directory)/libexec/relais/\(program)"
    }
}

/// Why a deliverer cannot be reached.
struct ServiceFailure: Error {
    let text: String
}
