import Program
import Unix

/// The table of who runs as whom against what inetd, xinetd or systemd have, and against what answers.
enum ServiceCheck {
    /// How what is wrong with a listener is mended on this host.
    struct Host {
        var areSystemds = false
        var inetdFile = "/etc/inetd.conf"
        var inetdProcess: Int32?
        var libexec = "/usr/local/libexec/relais"
        /// The user of each row in a private instance.
        var privateUser: String?

        init() {}

        var reread: String {
            inetdProcess.map { "kill -HUP \($0)" } ?? "have inetd read it: pkill -HUP inetd"
        }
    }

    static func findings(_ installation: Installation, _ sources: ListenerSources) -> [Finding] {
        var host = Host()
        host.areSystemds = sources.areSystemds
        host.inetdFile = sources.inetdFile
        host.inetdProcess = sources.inetdProcess
        host.libexec = installation.libexec
        host.privateUser = installation.privateUser
        let configuration = installation.configuration
        let roles = Role.all(configuration)
        var findings = sources.unreadable.map { Finding.unseen("\($0): may not be read by who asks") }
        let probe = Probe()
        for role in roles {
            let lines = sources.listeners.filter { $0.serves(role) }
            switch role.place {
            case .network:
                let partner = loginService(of: role).map { configuration.netSocket($0) }
                let isAsked =
                    partner.map { path in sources.listeners.contains { $0.service == path } } ?? true
                findings += network(role, lines, isWanted: isAsked, host) { probe.greeting(at: $0) }
            case .socket(let path):
                let needed = isNeeded(role, configuration, sources.listeners)
                findings += unix(
                    role, lines, isNeeded: needed, host,
                    answer: needed || !lines.isEmpty ? probe.ask(role, path) : .nobody)
            }
            findings += lines.flatMap { programs($0, isPrivate: installation.isPrivate) }
        }
        return findings
    }

    /// TLS where there is a certificate; logins where somebody serves POP3 or IMAP.
    private static func isNeeded(_ role: Role, _ configuration: Configuration, _ listeners: [Listener])
        -> Bool
    {
        switch role.program {
        case "tls-relay": !configuration.tlsCertificate.isEmpty
        case "checkpassword":
            listeners.contains {
                !$0.isUnix
                    && ($0.programName == role.arguments.last
                        || role.arguments == ["--service"] && $0.arguments.contains("--submission"))
            }
        default: true
        }
    }

    /// Who judges the passwords of a network service.
    private static func loginService(of role: Role) -> String? {
        switch role.program {
        case "pop3d": "pop3"
        case "imapd": "imap"
        default: role.isSubmission ? "auth" : nil
        }
    }

    /// A service on a Unix socket.
    static func unix(
        _ role: Role, _ lines: [Listener], isNeeded: Bool, _ host: Host, answer: Probe.Answer
    ) -> [Finding] {
        let wrong = lines.flatMap { mistakes($0, role, host) }
        if !wrong.isEmpty { return wrong }
        switch answer {
        case .answers: return []
        case .forbidden:
            return lines.isEmpty && isNeeded
                ? [.unseen("whether somebody answers at \(role.name): only root may ask")] : []
        case .silent:
            return [
                .fault(
                    "\(role.name): takes connections and says nothing: is \(master(host)) stopped, or the host overloaded?"
                )
            ]
        case .strange(let reason):
            return [.fault("\(role.name): \(role.program) does not serve: \(reason); the mail log says why")]
        case .nobody:
            if !lines.isEmpty {
                return [
                    .fault(
                        "\(role.name): nobody answers, though \(lines[0].origin) is there: \(waking(lines[0], role, host))"
                    )
                ]
            }
            return isNeeded ? [.fault("\(role.name): nobody answers: \(adding(role, host))")] : []
        }
    }

    /// A service of the network: `isWanted` where its half behind the login is there.
    static func network(
        _ role: Role, _ lines: [Listener], isWanted: Bool, _ host: Host,
        greeting: (SocketAddress) -> Probe.Answer
    ) -> [Finding] {
        guard !lines.isEmpty else {
            let text = "\(role.name): no line for \(role.program), so nobody is served: \(adding(role, host))"
            return isWanted ? [.fault(text)] : [.note(text)]
        }
        return lines.flatMap { line in
            let wrong = mistakes(line, role, host)
            guard wrong.isEmpty, let address = Probe.address(of: line.service) else { return wrong }
            switch greeting(address) {
            case .answers, .forbidden: return []
            case .nobody:
                return [
                    .fault(
                        "\(address): nobody answers, though \(line.origin) is there: \(waking(line, role, host))"
                    )
                ]
            case .silent:
                return [
                    .fault(
                        "\(address): takes connections and says nothing: is \(master(host)) stopped, or the host overloaded?"
                    )
                ]
            case .strange(let reason):
                return [
                    .fault(
                        "\(address): \(role.program) does not serve: \(reason); the mail log says why, if it is ours"
                    )
                ]
            }
        }
    }

    /// Another user, another program, another way of waiting than the table has.
    private static func mistakes(_ line: Listener, _ role: Role, _ host: Host) -> [Finding] {
        let user = host.privateUser ?? role.user
        var findings: [Finding] = []
        func complain(_ what: String, _ mend: String) {
            findings.append(
                .fault("\(line.origin): \(role.name): \(what): \(mend); then \(rereading(line, role, host))"))
        }
        let isSystemds = line.master == .systemd
        if line.user != user {
            complain(
                "\(role.program) runs as \(line.user), and must as \(user)",
                isSystemds ? "set User=\(user)" : "write \(user) in the place of \(line.user)")
        }
        if line.programName != role.program {
            complain(
                "starts \(line.program), and should \(role.program)", "write \(host.libexec)/\(role.program)")
        } else if let follower = role.arguments.last, role.program == "checkpassword",
            !line.arguments.contains(where: { Path.split($0).name == follower })
        {
            complain("no \(follower) behind the login", "end it with \(host.libexec)/\(follower) --mailbox")
        } else if let option = role.arguments.first, !line.arguments.contains(option) {
            complain("\(option) is missing behind \(role.program)", "add it")
        }
        if line.isWaiting != role.isDatagram {
            complain(
                role.isDatagram ? "must be a `wait` service" : "must be a `nowait` service",
                isSystemds
                    ? "set Accept=\(role.isDatagram ? "no" : "yes")"
                    : "write \(role.isDatagram ? "wait" : "nowait").1000000 in its fourth word")
        }
        return findings
    }

    /// What is to be started and is not there.
    private static func programs(_ line: Listener, isPrivate: Bool) -> [Finding] {
        guard let about = (try? Path.status(line.program)) ?? nil, about.mode & 0o111 != 0 else {
            return [
                .fault(
                    "\(line.origin): \(line.program): no such program: run scripts/install, or mend the path")
            ]
        }
        return about.mode & 0o022 != 0 && !isPrivate
            ? [.fault("\(line.program): others than its owner may change it: chmod go-w \(line.program)")]
            : []
    }

    // MARK: What to type

    private static func master(_ host: Host) -> String { host.areSystemds ? "systemd" : "inetd" }

    private static func adding(_ role: Role, _ host: Host) -> String {
        host.areSystemds
            ? "scripts/install --systemd, or systemctl enable --now \(role.unit).socket"
            : "append to \(host.inetdFile), and \(host.reread): \(role.inetdLine(libexec: host.libexec)) (without inetd: scripts/install --systemd)"
    }

    private static func waking(_ line: Listener, _ role: Role, _ host: Host) -> String {
        switch line.master {
        case .systemd: "systemctl enable --now \(role.unit).socket"
        case .xinetd: "have xinetd read it: pkill -HUP xinetd"
        case .inetd: host.inetdProcess == nil ? "start inetd: it reads \(host.inetdFile)" : host.reread
        }
    }

    private static func rereading(_ line: Listener, _ role: Role, _ host: Host) -> String {
        switch line.master {
        case .systemd: "systemctl daemon-reload"
        case .xinetd: "pkill -HUP xinetd"
        case .inetd: host.reread
        }
    }
}
