import Delivery
import Program
import Queue
import Unix

/// Which deliverer can be had. One that cannot (no line in inetd.conf, the wrong user in it, an inetd that has
/// stopped) is a matter between the operator and this host: the mail waits where it is, without an attempt that
/// counts, and the log tells it once a run, with what to mend.
final class DelivererServices {
    private var configuration: Configuration
    private let log: Log
    private var troubles: [Service: Trouble] = [:]

    private enum Service: Hashable { case local, remote }

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
    private var waiting: [Service: Fifo<Candidate>] = [:]
    /// It works again: what waits may go.
    var comeBack: (Candidate) -> Void = { _ in }
    /// What is wrong has changed.
    var tell: (_ local: String?, _ remote: String?) -> Void = { _, _ in }

    init(_ configuration: Configuration, log: Log) {
        self.configuration = configuration
        self.log = log
    }

    func reconfigure(_ configuration: Configuration) { self.configuration = configuration }

    private func service(_ destination: Job.Destination) -> Service {
        destination.isLocal ? .local : .remote
    }

    private func socket(_ service: Service) -> String {
        configuration.serviceSocket(service == .local ? "queue/local" : "queue/remote")
    }

    /// Why nothing can be handed over for it just now; nil if it is worth a try.
    func trouble(for destination: Job.Destination) -> String? {
        guard let trouble = troubles[service(destination)], !trouble.until.hasPassed else { return nil }
        return trouble.text
    }

    /// What is to be handed over now of what could be, where it was in trouble: one, to see whether it still is. The
    /// others wait for what comes of that.
    func allowance(for destination: Job.Destination) -> (count: Int, reason: String) {
        let service = service(destination)
        guard let trouble = troubles[service] else { return (.max, "") }
        guard trouble.until.hasPassed else { return (0, trouble.text) }
        troubles[service]?.until = .after(trouble.pause)
        return (1, trouble.text)
    }

    // MARK: What waits for it

    /// A message for which nothing was done.
    func keep(_ message: Candidate, for destination: Job.Destination) {
        let service = service(destination)
        if troubles[service] != nil { waiting[service, default: Fifo()].append(message) }
    }

    /// In a new minute the queue is read for all that is due.
    func forgetWaiting() { waiting.removeAll() }

    /// When one of those that wait is to be tried.
    var nextAsking: Deadline? {
        troubles.compactMap { waiting[$0.key]?.isEmpty == false ? $0.value.until : nil }.min()
    }

    /// Lets one go that waits, where it is time to ask again.
    func askAgain() {
        for (service, trouble) in troubles where trouble.until.hasPassed {
            if let message = waiting[service]?.popFirst() { comeBack(message) }
        }
    }

    // MARK: What is known of it

    /// A connection, or why there is none.
    func connect(for destination: Job.Destination) throws(ServiceFailure) -> Descriptor {
        let service = service(destination)
        let path = socket(service)
        do throws(SystemError) { return try ServiceSocket.connect(path, patience: .zero) } catch {
            let text =
                error.code == .timedOut
                ? "\(path): inetd, or systemd, takes no connections: is it stopped?"
                : "\(error): is there a line for it in inetd.conf, or \(unit(service))? (queue-runner --check) The line: "
                    + line(service, path)
            throw ServiceFailure(text: note(text, service, for: Self.afterSilence))
        }
    }

    /// A deliverer said that it cannot work, whatever the mail.
    func refused(_ destination: Job.Destination, _ text: String) {
        _ = note(text, service(destination), for: Self.afterRefusal)
    }

    /// Nobody took what was handed over.
    func isSilent(_ destination: Job.Destination) -> String {
        let service = service(destination)
        let text =
            "\(socket(service)): nobody takes what is handed over: have inetd or systemd, or the deliverer, stopped?"
        return note(text, service, for: Self.afterRefusal)
    }

    /// It works, as a session shows that began at `time`: the next trouble is news.
    func works(_ destination: Job.Destination, since time: Time) {
        let service = service(destination)
        guard let trouble = troubles[service], trouble.noted <= time else { return }
        troubles[service] = nil
        tell(troubles[.local]?.text, troubles[.remote]?.text)
        var all = waiting.removeValue(forKey: service) ?? Fifo()
        while let message = all.popFirst() { comeBack(message) }
    }

    private func note(_ text: String, _ service: Service, for time: Duration) -> String {
        let isNew = troubles[service]?.text != text
        troubles[service] = Trouble(text: text, noted: .now(), pause: time, until: .after(time))
        if isNew {
            log.error(text)
            tell(troubles[.local]?.text, troubles[.remote]?.text)
        }
        return text
    }

    /// What stands for the line where systemd is in inetd's place.
    private func unit(_ service: Service) -> String {
        service == .local ? "relais-local.socket" : "relais-remote.socket"
    }

    /// As inetd.conf has it; in a private instance with the user who runs it.
    private func line(_ service: Service, _ path: String) -> String {
        let program = service == .local ? "local-deliver" : "remote-deliver"
        let installed = service == .local ? "root" : "relaisr"
        let own = (try? configuration.users.user(withID: Identity.user))??.name ?? installed
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
