import Jobs
import Program
import Unix

/// Delivers to mailboxes, programs and addresses on this host: local-deliver(8).
@main
struct Main {
    static let tool = Tool(
        "local-deliver", synopsis: "[-n] [-C file] recipient sender | --service",
        summary: "Deliver a message to a recipient on this host.",
        options: [
            .flag("n", "explain", "say what would be done, and do nothing"),
            .flag(nil, "service", "take jobs from queue-runner on descriptor 0, as inetd starts it"),
            .value(nil, "only", "account", "deliver that account's part of a mixed batch (with --service)"),
            .config,
        ])

    static func main() {
        StandardDescriptors.fillHoles()
        let arguments = tool.arguments()
        let isService = arguments.has("service")
        if isService { StandardDescriptors.silenceError() }
        StandardDescriptors.closeAll(from: 3)
        StandardDescriptors.ignoreBrokenPipes()
        Environment.keepOnly(["RELAIS_FAULT"])
        Identity.setFileCreationMask(0o077)
        ResourceLimit.forbidCoreFiles()
        ResourceLimit.openFiles(1024)
        ResourceLimit.reportFileSize()

        let source: ConfigurationSource
        do throws(ConfigurationError) {
            source = try ConfigurationSource(arguments.value("config"))
        } catch {
            if isService {
                Log(.syslog, name: "relais", program: tool.name).error(error.description)
                JobReceiver(over: 0).refuseAll("local-deliver cannot start: \(error.message)")
            }
            tool.fail(error.description, .configuration)
        }
        let configuration = source.current
        let log = configuration.openLog(tool.name)

        if isService {
            guard arguments.operands.isEmpty, !arguments.has("explain") else {
                tool.wrong("--service takes no operands")
            }
            JobService(
                source: source, configurationPath: arguments.value("config"), log: log,
                only: arguments.value("only")
            ).run().leave()
        }
        guard arguments.operands.count == 2, !arguments.has("only") else {
            tool.wrong("a recipient and a sender are expected")
        }
        ByHand(
            configuration: configuration, configurationPath: arguments.value("config"),
            log: Log(.stderr, name: tool.name, program: tool.name),
            recipient: arguments.operands[0], sender: arguments.operands[1]
        ).run(explaining: arguments.has("explain")).leave()
    }
}
