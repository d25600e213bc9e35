import Auth
import Program
import Sandbox
import Unix

/// imapd(8): the Internet Message Access Protocol. Before the login it talks to strangers and can reach nothing; behind
/// it, as `imapd --mailbox`, it is the user's own process over the user's mailboxes.
@main
enum Main {
    static let tool = Tool(
        "imapd", synopsis: "[-C file] [--tls | --mailbox]",
        summary: "Serve mailboxes by IMAP on standard input and output; started by inetd and checkpassword.",
        options: [
            .config, .flag(nil, "tls", "speak TLS from the first byte (the imaps port)"),
            .flag(nil, "mailbox", "serve the mailboxes of the user who runs it, who has logged in"),
        ],
        farewell: "* BYE [UNAVAILABLE] The service is not available for now\r\n")

    static func main() {
        StandardDescriptors.fillHoles()
        let arguments = tool.arguments()
        guard arguments.operands.isEmpty else { tool.wrong("it takes no operands") }
        Environment.keepOnly(["TZ", "HOME", "USER"])
        StandardDescriptors.ignoreBrokenPipes()
        do throws(SystemError) { try Sandbox.enter(.imapd) } catch {
            tool.fail("\(error)", .osError)
        }
        if StandardDescriptors.isSocket(0) { StandardDescriptors.silenceError() }
        let configuration: Configuration
        do throws(ConfigurationError) {
            configuration = try Configuration.load(arguments.value("config"))
        } catch {
            tool.fail("\(error)", .configuration)
        }
        let log = configuration.openLog("imapd")
        if arguments.has("mailbox") {
            MailboxServer(configuration, log).run()
        } else {
            LoginServer(configuration, log).run(tls: arguments.has("tls"))
        }
        ExitStatus.ok.leave()
    }
}
