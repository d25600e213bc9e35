import Front
import POP3
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
        farewell: ServedProtocol.pop3.unavailable)

    static func main() {
        let arguments = Startup.begin(tool, keeping: ["TZ", "HOME", "USER"])
        guard arguments.operands.isEmpty else { tool.wrong("it takes no operands") }
        Startup.silenceError()
        let configuration = Startup.configuration(tool, arguments, of: .pop3)
        let log = configuration.openLog("pop3d")
        if arguments.has("mailbox") {
            Startup.enter(.maildrop, tool)
            MailboxServer(configuration, log, .own()).run()
        } else {
            Startup.enter(.login, tool)
            let tls = arguments.has("tls")
            Connection.serve(.pop3, .ofReaders(configuration), configuration, log) { connection in
                LoginServer(connection).run(
                    LoginSession(
                        hostname: configuration.hostname, offersTLS: connection.offersTLS,
                        allowsPlaintext: connection.allowsPlaintextLogin, isEncrypted: tls),
                    tls: tls)
            }
        }
        ExitStatus.ok.leave()
    }
}
