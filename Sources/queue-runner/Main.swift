import Program
import Queue
import Sandbox
import Unix

/// queue-runner(8): moves the mail.
@main
enum Main {
    static let tool = Tool(
        "queue-runner",
        synopsis:
            "[-v] [-C file] [--kick | --watch | --list [--json] | --why id | --status [--json | --prometheus] | --clean | --check | --hold id | --release id | --remove id | --retry id]",
        summary: "Deliver what is due in the mail queue, or show and mend the queue.",
        options: [
            .config,
            .flag("v", "verbose", "say what is done"),
            .flag(nil, "kick", "run for inetd: descriptor 0 is the kick socket"),
            .flag(nil, "watch", "run for ever, without inetd"),
            .flag("l", "list", "print the queue (mailq)"),
            .flag(nil, "status", "count what is in the queue, and say what is wrong"),
            .flag(nil, "json", "list, or print the status, as JSON"),
            .flag(nil, "prometheus", "print the status as Prometheus metrics"),
            .value(nil, "why", "id", "tell the story of a message"),
            .flag(nil, "clean", "remove what crashes left behind"),
            .flag(nil, "check", "check the installation and say what to mend"),
            .value(nil, "hold", "id", "park a message"),
            .value(nil, "release", "id", "let a parked message go on"),
            .value(nil, "remove", "id", "throw a message away"),
            .value(nil, "retry", "id", "try a message now"),
        ])

    static func main() {
        StandardDescriptors.fillHoles()
        let arguments = tool.arguments()
        guard arguments.operands.isEmpty else { tool.wrong("it takes no operands") }
        Environment.keepOnly(["TZ"])
        StandardDescriptors.ignoreBrokenPipes()
        do throws(SystemError) { try Sandbox.enter(.queueRunner) } catch {
            tool.fail("\(error)", .osError)
        }
        let configuration: Configuration
        do throws(ConfigurationError) {
            configuration = try Configuration.load(arguments.value("config"))
        } catch {
            tool.fail("\(error)", .configuration)
        }
        if arguments.has("check") { InstallationCheck(configuration, tool).run() }
        do throws(SystemError) { try becomeQueueOwner(configuration) } catch {
            tool.fail("cannot become the owner of the queue: \(error)", .noPermission)
        }
        Identity.setFileCreationMask(0o077)
        do throws(QueueError) {
            let queue = try QueueDirectory(configuration.queueDirectory)
            try act(arguments, configuration, queue)
        } catch {
            if error.cause?.code == .accessDenied {
                tool.fail(
                    "only root and the queue's owner may read \(configuration.queueDirectory)", .noPermission)
            }
            tool.fail("\(error)", error.cause?.code == .noEntry ? .configuration : .temporaryFailure)
        }
        ExitStatus.ok.leave()
    }

    /// Started by root, it works as whom the queue belongs to.
    private static func becomeQueueOwner(_ configuration: Configuration) throws(SystemError) {
        guard Identity.isRoot, let about = try Path.status(configuration.queueDirectory), about.user != 0
        else { return }
        let user = try configuration.users.user(withID: about.user)
        try Identity.become(
            user: about.user, group: user?.gid ?? about.group, groups: [user?.gid ?? about.group])
    }

    private static func act(
        _ arguments: Arguments, _ configuration: Configuration, _ queue: QueueDirectory
    ) throws(QueueError) {
        if try look(arguments, configuration, queue) { return }
        if arguments.has("clean") {
            let forgotten = DestinationMemory(queue: queue.path).clean(
                olderThan: .seconds(86400), now: .now())
            return say("removed \(try queue.clean() + forgotten) leftover logs, buckets and destinations")
        }
        var commands = 0
        for command in OperatorCommand.allCases {
            for id in arguments.values(command.rawValue) {
                commands += 1
                let (done, text) = try command.apply(to: id, in: queue)
                guard done else { tool.fail(text, .noInput) }
                say(text)
            }
        }
        if commands > 0 {
            ServiceSocket.kick(configuration.serviceSocket("kick"))
            return
        }
        try deliver(arguments, configuration, queue)
    }

    /// What only looks; whether it was asked for.
    private static func look(
        _ arguments: Arguments, _ configuration: Configuration, _ queue: QueueDirectory
    ) throws(QueueError) -> Bool {
        let output = OutputBuffer(1)
        if arguments.has("list") {
            var listing = try Listing(queue, arguments.has("json") ? .json : .mailq, to: output)
            try listing.write()
            // Behind what others parse, and not in it.
            if let notice = StormNotice(queue) {
                try? File.writeAll(2, "queue-runner: \(notice.text)\n".utf8)
            }
        } else if arguments.has("why") {
            for name in arguments.values("why") {
                guard let id = MessageID(name), var story = try Story(of: id, in: queue, configuration) else {
                    tool.fail(Story.ofUnknown(name, configuration), .noInput)
                }
                story.write(to: output)
            }
        } else if arguments.has("status") {
            let status = try Status(of: queue, configuration)
            let isJSON = arguments.has("json")
            output.write(
                isJSON
                    ? status.json
                    : Array((arguments.has("prometheus") ? status.prometheus : status.text).utf8))
            finish(output)
            status.exitStatus.leave()
        } else {
            return false
        }
        finish(output)
        return true
    }

    private static func finish(_ output: OutputBuffer) {
        do throws(SystemError) { try output.finish() } catch { tool.fail("\(error)", .inputOutput) }
    }

    private static func say(_ text: String) { try? File.writeAll(1, "\(text)\n".utf8) }

    private static func deliver(
        _ arguments: Arguments, _ configuration: Configuration, _ queue: QueueDirectory
    ) throws(QueueError) {
        let kick = configuration.serviceSocket("kick")
        let log = configuration.openLog("queue-runner")
        let isVerbose = arguments.has("verbose")
        func run(_ mode: Runner.Mode, _ lock: RunnerLock, kicks: CInt?) throws(QueueError) {
            let runner = Runner(
                configuration, queue: queue, lock: lock, log: log, mode: mode, kicks: kicks,
                activity: Activity(isVerbose: isVerbose))
            try runner.run()
        }
        if arguments.has("kick") {
            StandardDescriptors.silenceError()
            try run(.kicked, RunnerLock.wait(configuration.queueDirectory), kicks: 0)
        } else if let lock = try RunnerLock.take(configuration.queueDirectory) {
            guard arguments.has("watch") else { return try run(.once, lock, kicks: nil) }
            let socket: Descriptor
            do throws(SystemError) { socket = try ServiceSocket.listenForKicks(kick) } catch {
                throw .scan(error)
            }
            try run(.watch, lock, kicks: socket.raw)
        } else {
            ServiceSocket.kick(kick)
            if let trouble = RunnerLock.trouble(configuration.queueDirectory) { log.error(trouble) }
            if isVerbose { say("another runner is at work; it has been kicked") }
        }
    }
}
