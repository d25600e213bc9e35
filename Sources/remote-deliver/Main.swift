import Jobs
import Program
import SMTP
import Sandbox
import Unix

/// Sends messages to other hosts: remote-deliver(8).
@main
struct Main {
    static let tool = Tool(
        "remote-deliver",
        synopsis: "[-ln] [-C file] [-o key=value] host sender recipient ... | --service",
        summary: "Send a message to recipients on another host.",
        options: [
            .config,
            .flag("l", "lmtp", "speak LMTP instead of SMTP"),
            .flag("n", "explain", "say which hosts would be tried, and send nothing"),
            .value("o", "set", "key=value", "as if relais.conf said so; may be repeated"),
            .flag(nil, "service", "take jobs from queue-runner on descriptor 0, as inetd starts it"),
        ])

    static func main() {
        StandardDescriptors.fillHoles()
        StandardDescriptors.ignoreBrokenPipes()
        do throws(SystemError) { try Sandbox.renounceNewRights() } catch {
            tool.fail("\(error)", .osError)
        }
        let arguments = tool.arguments()
        let isService = arguments.has("service")
        if isService { StandardDescriptors.silenceError() }
        StandardDescriptors.closeAll(from: 3)
        Environment.keepOnly([])

        let source: ConfigurationSource
        do throws(ConfigurationError) {
            source = try ConfigurationSource(arguments.value("config"))
        } catch {
            if isService {
                Log(.syslog, name: "relais", program: tool.name).error(error.description)
                JobReceiver(over: 0).refuseAll("remote-deliver cannot start: \(error.message)")
            }
            tool.fail(error.description, .configuration)
        }
        let configuration = overlay(source.current, arguments)
        // Also where it is root, and becomes somebody else in a moment: there is no exec behind that.
        do throws(SystemError) { try Sandbox.enter(.remoteDeliver) } catch {
            tool.fail("\(error)", .osError)
        }
        if isService {
            guard arguments.operands.isEmpty, !arguments.has("explain") else {
                tool.wrong("--service takes no operands")
            }
            JobService(
                source, overlay: { overlay($0, arguments) }, log: configuration.openLog(tool.name)
            ).run().leave()
        }
        let log = Log(.stderr, name: configuration.syslogName, program: tool.name)
        let settings = Settings(configuration, log: log)
        do throws(UsageError) {
            if arguments.has("explain") {
                try ByHand.explain(settings, configuration.relayHost, arguments.operands).leave()
            }
            try ByHand(
                settings, log: log, dialect: arguments.has("lmtp") ? .lmtp : .smtp,
                operands: arguments.operands
            ).run().leave()
        } catch { tool.wrong(error.message) }
    }

    /// What `-o` says, over relais.conf.
    private static func overlay(_ configuration: Configuration, _ arguments: Arguments) -> Configuration {
        var configuration = configuration
        for setting in arguments.values("set") {
            let parts = setting.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2, let key = Configuration.keys.first(where: { $0.name == parts[0] }) else {
                tool.wrong("option -o takes key=value with a key of relais.conf(5)")
            }
            guard key.set(&configuration, String(parts[1])) else {
                tool.wrong("\(key.name) takes \(key.type.expectation)")
            }
        }
        return configuration
    }
}
