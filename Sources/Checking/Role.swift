import Program

/// A row of the table of who runs as whom, in relais(7), "Privileges".
struct Role: Equatable {
    enum Place: Equatable {
        /// Any address and port: the program tells what it is for.
        case network
        case socket(String)
    }

    let place: Place
    let user: String
    let program: String
    let arguments: [String]
    /// The queue-runner's socket is a datagram's, and it takes all of them itself.
    var isDatagram: Bool { arguments == ["--kick"] }

    /// smtpd for who logs in is another service than smtpd for strangers.
    var isSubmission: Bool { arguments.contains("--submission") }

    /// As people call it.
    var name: String {
        switch place {
        case .network: isSubmission ? "submission" : Self.portNames[program] ?? program
        case .socket(let path): path
        }
    }

    /// What the installed table's network programs serve.
    private static let portNames = ["smtpd": "smtp", "pop3d": "pop3", "imapd": "imap2"]

    /// Where systemd's unit of it has its name from: scripts/host/systemd.
    var unit: String {
        switch place {
        case .network: program == "imapd" ? "relais-imap" : "relais-\(name)"
        case .socket: "relais-\(Self.units["\(program)\(arguments.last ?? "")"] ?? "kick")"
        }
    }

    private static let units = [
        "local-deliver--service": "local", "remote-deliver--service": "remote", "tls-relay": "tls",
        "checkpassword--service": "login-auth", "checkpasswordpop3d": "login-pop3",
        "checkpasswordimapd": "login-imap",
    ]

    static let users = ["relaisd", "relaisq", "relaisr", "relaisn", "relaist", "relaisa"]

    /// All of them, under a configuration. checkpassword's rows name the program that follows the login.
    static func all(_ configuration: Configuration) -> [Role] {
        let net = configuration.netSocket
        let service = configuration.serviceSocket
        return [
            Role(.network, "relaisd", "smtpd", []),
            Role(.network, "relaisd", "smtpd", ["--submission"]),
            Role(.network, "relaisn", "pop3d", []),
            Role(.network, "relaisn", "imapd", []),
            Role(.socket(service("kick")), "relaisq", "queue-runner", ["--kick"]),
            Role(.socket(service("queue/local")), "root", "local-deliver", ["--service"]),
            Role(.socket(service("queue/remote")), "relaisr", "remote-deliver", ["--service"]),
            Role(.socket(net("tls")), "relaist", "tls-relay", []),
            Role(.socket(net("auth")), "root", "checkpassword", ["--service"]),
            Role(.socket(net("pop3")), "root", "checkpassword", ["--service", "pop3d"]),
            Role(.socket(net("imap")), "root", "checkpassword", ["--service", "imapd"]),
        ]
    }

    private init(_ place: Place, _ user: String, _ program: String, _ arguments: [String]) {
        self.place = place
        self.user = user
        self.program = program
        self.arguments = arguments
    }

    /// What the line of inetd.conf looks like; `libexec` is where the programs are.
    func inetdLine(libexec: String) -> String {
        let kind =
            isDatagram ? "dgram unix wait" : place == .network ? "stream tcp nowait" : "stream unix nowait"
        var words = [program] + arguments.filter { $0.utf8.first == UInt8(ascii: "-") }
        if let follower = arguments.last, program == "checkpassword", follower != "--service" {
            words += ["\(libexec)/\(follower)", "--mailbox"]
        }
        return "\(name) \(kind).1000000 \(user) \(libexec)/\(program) \(words.joined(separator: " "))"
    }
}
