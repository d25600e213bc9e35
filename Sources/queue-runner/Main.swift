import Accounts
import Checking
import Program
import Queue
import Running
import Sandbox
import Unix

/// queue-runner(8): moves the mail.
@main
enum Main {
    static let tool = Tool(
        "queue-runner",
        synopsis:
            "[-v] [-C file] [--kick | --watch | --list [--json] [--removed] [message ...] | --why message ... | --status [--json | --prometheus] | --check | --clean | --verify [-n] | --show | --hold | --release | --retry | --remove | --undo | --purge | --return [--reason text] | --export | --reroute target message ... | --import]",
        summary: "Deliver what is due in the mail queue, or show and mend the queue.",
        options: [
            .config,
            .flag("v", "verbose", "say what is done"),
            .flag(nil, "kick", "run for inetd: descriptor 0 is the kick socket"),
            .flag(nil, "watch", "run for ever, without inetd"),
            .flag("l", "list", "print the queue (mailq)"),
            .flag(nil, "removed", "list the trash instead"),
            .flag(nil, "status", "count what is in the queue, and say what is wrong"),
            .flag(nil, "json", "list, or print the status, as JSON"),
            .flag(nil, "prometheus", "print the status as Prometheus metrics"),
            .flag(nil, "why", "tell the story of messages"),
            .flag(nil, "show", "print messages: envelope and content"),
            .flag(nil, "check", "check the installation and say what to mend"),
            .flag(nil, "clean", "remove what crashes left behind"),
            .flag(nil, "verify", "check every file of the queue, and mend what is safe to mend"),
            .flag("n", "dry-run", "with --verify: only say"),
            .flag(nil, "hold", "park messages"),
            .flag(nil, "release", "let parked messages go on"),
            .flag(nil, "retry", "try messages now"),
            .flag(nil, "remove", "throw messages into the trash"),
            .flag(nil, "undo", "bring messages back from the trash"),
            .flag(nil, "purge", "remove messages in the trash for good"),
            .flag(nil, "return", "send messages back to their senders, now"),
            .value(nil, "reason", "text", "with --return: why, for the sender to read"),
            .value(nil, "reroute", "target", "send messages to an address, @domain or host instead"),
            .flag(nil, "export", "write messages out for another queue, and remove them"),
            .flag(nil, "import", "take exported messages into this queue"),
        ])

    static func main() {
        StandardDescriptors.fillHoles()
        // inetd starts us again and again while something waits on the socket, whatever we die of.
        let isKicked = ServiceSocket.isDatagram(0)
        let knocks = isKicked ? ServiceSocket.drain(0) : []
        let arguments = tool.arguments()
        let task: Task
        do throws(UsageError) { task = try Task(arguments) } catch { tool.wrong(error.message) }
        Environment.keepOnly(["TZ"])
        StandardDescriptors.ignoreBrokenPipes()
        do throws(SystemError) { try Sandbox.renounceNewRights() } catch {
            tool.fail("\(error)", .osError)
        }
        let source: ConfigurationSource
        do throws(ConfigurationError) { source = try ConfigurationSource(arguments.value("config")) } catch {
            tool.fail("\(error)", .configuration)
        }
        let configuration = source.current
        func fail(_ message: String, _ status: ExitStatus) -> Never {
            // Syslog hears of it in any case.
            if isKicked, configuration.log != .syslog { configuration.openLog(tool.name).error(message) }
            tool.fail(message, status)
        }
        if case .check = task { check(configuration, arguments.value("config")) }
        let isRoot = Identity.isRoot
        do throws(SystemError) { try becomeQueueOwner(configuration) } catch {
            fail("cannot become the owner of the queue: \(error)", .noPermission)
        }
        Identity.setFileCreationMask(0o077)
        do throws(QueueError) {
            let queue = try QueueDirectory(configuration.queueDirectory)
            var log: Log?
            queue.tellPassedOver = { error in
                let text = "\(error): passed over; the rest goes on"
                if log == nil { log = configuration.openLog(tool.name) }
                log?.error(text)
                complain(text)
            }
            try run(task, source, knocks, queue).leave()
        } catch {
            if error.cause?.code == .accessDenied, !isRoot,
                error.cause?.object == configuration.queueDirectory
            {
                let line =
                    isKicked
                    ? "; which of them is in the line for its service/kick in inetd.conf, or in relais-kick.service?"
                    : ""
                fail(
                    "only root and the queue's owner may read \(configuration.queueDirectory)\(line)",
                    .noPermission)
            }
            if case .damaged = error { fail("\(error)", .dataError) }
            if case .export = error { fail("\(error)", .inputOutput) }
            fail("\(error)", error.cause?.code == .noEntry ? .configuration : .temporaryFailure)
        }
    }

    /// As whoever asks: root sees what the queue's owner does not.
    private static func check(_ configuration: Configuration, _ path: String?) -> Never {
        let queue = try? QueueDirectory(configuration.queueDirectory)
        let storm = queue.flatMap { StormNotice($0)?.text }
        let check = InstallationCheck(configuration, path: path, also: storm.map { [$0] } ?? [])
        try? File.writeAll(1, check.text.utf8)
        (check.isWell ? ExitStatus.ok : .configuration).leave()
    }

    /// Started by root, it works as whom the queue belongs to.
    private static func becomeQueueOwner(_ configuration: Configuration) throws(SystemError) {
        guard Identity.isRoot, let about = try Path.status(configuration.queueDirectory), about.user != 0
        else { return }
        let user = try configuration.systemAccounts.account(withID: about.user)
        try Identity.become(
            user: about.user, group: user?.gid ?? about.group, groups: [user?.gid ?? about.group])
    }

    private static func run(
        _ task: Task, _ source: ConfigurationSource, _ knocks: [[UInt8]], _ queue: QueueDirectory
    ) throws(QueueError) -> ExitStatus {
        let configuration = source.current
        switch task {
        case .deliver(let mode, let isVerbose):
            try deliver(mode, isVerbose, source, knocks, queue)
            return .ok
        case .check: return .ok
        case .clean:
            let forgotten = DestinationMemory(queue: queue.path).clean(
                olderThan: .seconds(86400), now: .now())
            say("removed \(try queue.clean() + forgotten) leftover logs, buckets and destinations")
            return .ok
        case .list, .why, .show, .status: return try look(task, configuration, queue)
        case .operate(let command, let selection):
            if case .export = command, StandardDescriptors.isTerminal(1) {
                tool.wrong("--export writes messages to standard output: send that to a file")
            }
            let status = try Operation(command, selection, queue, configuration).run()
            return status == .ok && !queue.passedOver.isEmpty ? .temporaryFailure : status
        case .take: return try takeMessages(configuration, queue)
        case .verify(let isDry):
            return try VerificationReport(
                of: queue, isDry: isDry, log: configuration.openLog("queue-runner")
            ).run() ? .ok : .unavailable
        }
    }

    /// What only looks.
    private static func look(
        _ task: Task, _ configuration: Configuration, _ queue: QueueDirectory
    ) throws(QueueError) -> ExitStatus {
        let output = OutputBuffer(1)
        var status = ExitStatus.ok
        switch task {
        case .list(let form, let selection, let isTrash):
            var listing = try Listing(queue, configuration, form, to: output)
            try listing.write(selection, fromTrash: isTrash)
            // Behind what others parse, and not in it.
            if let notice = StormNotice(queue) { complain(notice.text) }
        case .why(let selection):
            status = try forEach(selection, queue, output) { message throws(QueueError) in
                var story = try Story(of: message, in: queue, configuration)
                story.write(to: output)
            } unknown: {
                Story.ofUnknown($0, configuration)
            }
        case .show(let selection):
            let isTerminal = StandardDescriptors.isTerminal(1)
            status = try forEach(selection, queue, output) { message throws(QueueError) in
                try Printout(of: message, in: queue, isTerminal: isTerminal).write(to: output)
            } unknown: {
                "\($0): no such message in the queue"
            }
        case .status(let form):
            let state = try Status(of: queue, configuration)
            switch form {
            case .text: output.write(state.text)
            case .json: output.write(state.json)
            case .prometheus: output.write(state.prometheus)
            }
            status = state.exitStatus
        default: break
        }
        do throws(SystemError) { try output.finish() } catch { tool.fail("\(error)", .inputOutput) }
        return status == .ok && !queue.passedOver.isEmpty ? .temporaryFailure : status
    }

    /// What of each message that was chosen, wherever it is; a search is for what waits.
    private static func forEach(
        _ selection: Selection, _ queue: QueueDirectory, _ output: OutputBuffer,
        _ write: (QueuedMessage) throws(QueueError) -> Void, unknown: (MessageID) -> String
    ) throws(QueueError) -> ExitStatus {
        var status = ExitStatus.ok
        var count = 0
        func tell(_ message: QueuedMessage) throws(QueueError) {
            if count > 0 { output.write("\n") }
            count += 1
            try write(message)
        }
        for id in selection.ids {
            if let message = try queue.find(id) {
                try tell(message)
            } else {
                complain(unknown(id))
                status = .noInput
            }
        }
        if selection.isSearch {
            try queue.forEachMessage(in: queue.waitingPlaces()) { message throws(QueueError) in
                if try selection.recipients(of: message, in: queue) != nil { try tell(message) }
                return !output.hasFailed
            }
        }
        return status
    }

    private static func takeMessages(
        _ configuration: Configuration, _ queue: QueueDirectory
    ) throws(QueueError) -> ExitStatus {
        let log = configuration.openLog("queue-runner")
        var status = ExitStatus.ok
        var source = Import(from: 0, into: queue)
        defer { ServiceSocket.kick(configuration.serviceSocket("kick")) }
        do throws(QueueError) {
            while let taken = try source.next() {
                switch taken {
                case .new(let id):
                    log.info("\(id): imported, by the operator")
                    say("\(id): imported")
                case .present(let id):
                    complain("\(id): in this queue already; left as it is")
                    status = .dataError
                }
            }
        } catch {
            // What was taken and delivered must not come again.
            if source.offset > 0 { complain("go on with: tail -c +\(source.offset + 1)") }
            throw error
        }
        return status
    }

    private static func say(_ text: String) { try? File.writeAll(1, "\(text)\n".utf8) }

    private static func complain(_ text: String) {
        tool.complain(text)
    }

    private static func deliver(
        _ mode: Runner.Mode, _ isVerbose: Bool, _ source: ConfigurationSource, _ knocks: [[UInt8]],
        _ queue: QueueDirectory
    ) throws(QueueError) {
        let configuration = source.current
        let kick = configuration.serviceSocket("kick")
        let log = configuration.openLog("queue-runner")
        func run(_ mode: Runner.Mode, _ lock: RunnerLock, kicks: CInt?) throws(QueueError) {
            let runner = Runner(
                source, queue: queue, lock: lock, log: log, mode: mode, kicks: kicks, knocks: knocks,
                activity: Activity(isVerbose: isVerbose))
            try runner.run()
        }
        if mode == .kicked {
            StandardDescriptors.silenceError()
            try run(.kicked, RunnerLock.wait(configuration.queueDirectory), kicks: 0)
        } else if let lock = try RunnerLock.take(configuration.queueDirectory) {
            guard mode == .watch else { return try run(.once, lock, kicks: nil) }
            let socket: Descriptor
            do throws(SystemError) { socket = try ServiceSocket.listenForKicks(kick) } catch {
                throw .scan(error)
            }
            try run(.watch, lock, kicks: socket.raw)
        } else {
            ServiceSocket.kick(kick)
            if let trouble = RunnerLock.trouble(queue) { log.error(trouble) }
            if isVerbose { say("another runner is at work; it has been kicked") }
        }
    }
}
