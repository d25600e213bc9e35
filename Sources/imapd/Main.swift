import Front
import IMAP
import Program
import Sandbox
import Unix

/// imapd(8): the Internet Message Access Protocol. Before the login it talks to strangers and can reach nothing; behind
/// it, as `imapd --mailbox`, it is the user's own process over the user's mailboxes.
@main
enum Main {
    static let tool = Tool(
        "imapd", synopsis: "[-C file] [--tls | --mailbox | --verify [-n] user]",
        summary: "Serve mailboxes by IMAP on standard input and output; started by inetd and checkpassword.",
        options: [
            .config, .flag(nil, "tls", "speak TLS from the first byte (the imaps port)"),
            .flag(nil, "mailbox", "serve the mailboxes of the user who runs it, who has logged in"),
            .flag(nil, "verify", "check the mailboxes of a user, and mend them"),
            .flag("n", "dry-run", "with --verify: only say"),
        ],
        farewell: ServedProtocol.imap.unavailable)

    static func main() {
        let arguments = Startup.begin(tool, keeping: ["TZ", "HOME", "USER"])
        let isVerifying = arguments.has("verify")
        if isVerifying {
            guard arguments.operands.count == 1 else { tool.wrong("--verify takes one user") }
            guard !arguments.has("tls"), !arguments.has("mailbox") else {
                tool.wrong("--verify serves no client")
            }
        } else {
            guard arguments.operands.isEmpty else { tool.wrong("it takes no operands") }
            guard !arguments.has("dry-run") else { tool.wrong("-n goes with --verify") }
        }
        Startup.silenceError()
        let configuration = Startup.configuration(tool, arguments, of: .imap)
        if isVerifying {
            MailboxVerification(configuration, isDry: arguments.has("dry-run")).run(arguments.operands[0])
                .leave()
        }
        let log = configuration.openLog("imapd")
        if arguments.has("mailbox") {
            MailboxServer(configuration, log, .own()).run()
        } else {
            Startup.enter(.login, tool)
            let tls = arguments.has("tls")
            Connection.serve(.imap, .ofReaders(configuration), configuration, log) { connection in
                LoginServer(connection).run(
                    LoginSession(
                        offersTLS: connection.offersTLS,
                        allowsPlaintext: connection.allowsPlaintextLogin, isEncrypted: tls),
                    tls: tls)
            }
        }
        ExitStatus.ok.leave()
    }
}
