import Auth
import Program
import Sandbox
import Unix

/// pop3d(8): the Post Office Protocol. Before the login it talks to strangers and can reach nothing; behind it, as
/// `pop3d --mailbox`, it is the user's own process over the user's mailbox.
@main
enum Main {
    static let tool = Tool(
        "pop3d", synopsis: "[-C file] [--tls | --mailbox]",
        summary: "Serve a mailbox by POP3 on standard input and output; started by inetd and checkpassword.",
        options: [
            .config, .flag(nil, "tls", "speak TLS from the first byte (the pop3s port)"),
            .flag(nil, "mailbox", "serve the mailbox of the user who runs it, who has logged in"),
        ],
        farewell: "-ERR [SYS/TEMP] The service is not available for now\r\n")

    static func main() {
        StandardDescriptors.fillHoles()
        let arguments = tool.arguments()
        guard arguments.operands.isEmpty else { tool.wrong("it takes no operands") }
        Environment.keepOnly(["TZ", "HOME", "USER"])
        StandardDescriptors.ignoreBrokenPipes()
        do throws(SystemError) { try Sandbox.renounceNewRights() } catch {
            tool.fail("\(error)", .osError)
        }
        if StandardDescriptors.isSocket(0) { StandardDescriptors.silenceError() }
        let configuration: Configuration
        do throws(ConfigurationError) {
            configuration = try Configuration.load(arguments.value("config"))
        } catch {
            tool.fail("\(error)", .configuration)
        }
        let log = configuration.openLog("pop3d")
        if arguments.has("mailbox") {
            do throws(SystemError) { try Sandbox.enter(.maildrop) } catch { tool.fail("\(error)", .osError) }
            MailboxServer(configuration, log).run()
        } else {
            do throws(SystemError) { try Sandbox.enter(.login) } catch { tool.fail("\(error)", .osError) }
            LoginServer(configuration, log).run(tls: arguments.has("tls"))
        }
        ExitStatus.ok.leave()
    }
}
