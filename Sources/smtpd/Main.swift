import Front
import Program
import Sandbox
import Unix

/// smtpd(8): one SMTP session on descriptors 0 and 1, as inetd starts it.
@main
enum Main {
    static let tool = Tool(
        "smtpd", synopsis: "[-C file] [--tls]",
        summary:
            "Receive mail by SMTP on standard input and output; started by inetd, a process a connection.",
        options: [.config, .flag(nil, "tls", "speak TLS from the first byte (the submissions port)")],
        farewell: ServedProtocol.smtp(hostname: "").unavailable)

    static func main() {
        let arguments = Startup.begin(tool, keeping: ["TZ"])
        guard arguments.operands.isEmpty else { tool.wrong("it takes no operands") }
        Startup.silenceError()
        let source = Startup.source(tool, arguments, of: .smtp(hostname: ""))
        let configuration = source.current
        Startup.enter(.reception(runsGetent: configuration.userSource == .getent), tool)
        let log = configuration.openLog("smtpd")
        let limits = Connection.Limits(
            total: configuration.smtpConnections, perAddress: configuration.smtpConnectionsPerAddress,
            patience: configuration.smtpTimeout, session: configuration.smtpSessionLimit)
        Connection.serve(.smtp(hostname: configuration.hostname), limits, configuration, log) {
            Server(source, log, $0).run(tls: arguments.has("tls"))
        }
        ExitStatus.ok.leave()
    }
}
