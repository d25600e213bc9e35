import Delivery
import Program
import Queue
import Unix

/// `--check`: looks at everything that has to be right before mail can flow, says what to mend, changes nothing.
struct InstallationCheck {
    private let configuration: Configuration
    private let tool: Tool

    init(_ configuration: Configuration, _ tool: Tool) {
        self.configuration = configuration
        self.tool = tool
    }

    /// Prints a line a finding; ends with 0 when all is well, else 78.
    func run() -> Never {
        let problems =
            queueProblems() + netProblems() + serviceProblems() + aliasProblems() + certificateProblems()
            + slotProblems() + stormProblems()
        for problem in problems { try? File.writeAll(1, "\(problem)\n".utf8) }
        if problems.isEmpty {
            try? File.writeAll(1, "\(configuration.hostname): all is well\n".utf8)
            ExitStatus.ok.leave()
        }
        ExitStatus.configuration.leave()
    }

    private struct Expected {
        let name: String
        let mode: UInt32
        let group: String?
    }

    /// Owners and modes of the queue's directories: the table of queue(5). In a private instance one user
    /// owns everything, and only the modes count.
    private func queueProblems() -> [String] {
        let root = configuration.queueDirectory
        guard let about = (try? Path.status(root)) ?? nil, about.kind == .directory else {
            return ["\(root): no such directory: run scripts/install, or set queue-directory in relais.conf"]
        }
        let isPrivate = about.user == Identity.user && about.user != 0 || about.user == 0
        let table = [
            Expected(name: "", mode: 0o710, group: "relaisi"),
            Expected(name: "/incoming", mode: 0o3733, group: "relaisq"),
            Expected(name: "/deferred", mode: 0o700, group: nil),
            Expected(name: "/log", mode: 0o700, group: nil),
            Expected(name: "/hold", mode: 0o700, group: nil),
            Expected(name: "/trash", mode: 0o700, group: nil),
            Expected(name: "/corrupt", mode: 0o700, group: nil),
            Expected(name: "/destinations", mode: 0o700, group: nil),
        ]
        let services = Expected(name: configuration.serviceSocket("queue"), mode: 0o700, group: nil)
        return table.flatMap { problems(root + $0.name, $0, owner: about.user, isPrivate: isPrivate) }
            + problems(services.name, services, owner: about.user, isPrivate: isPrivate)
    }

    private func problems(_ path: String, _ expected: Expected, owner: UInt32, isPrivate: Bool) -> [String] {
        let about: FileStatus
        do throws(SystemError) {
            guard let found = try Path.status(path, following: false) else {
                return ["\(path): missing: mkdir it, owner as its parent, mode \(octal(expected.mode))"]
            }
            about = found
        } catch { return ["\(path): cannot be looked at: \(error); run this as root"] }
        var found: [String] = []
        if about.kind != .directory { found.append("\(path): is not a directory") }
        if isPrivate ? about.mode & 0o007 > expected.mode & 0o007 : about.mode != expected.mode {
            found.append("\(path): mode is \(octal(about.mode)): chmod \(octal(expected.mode)) \(path)")
        }
        if about.user != owner {
            found.append("\(path): belongs to another user than the queue: chown it to user id \(owner)")
        }
        if !isPrivate, let group = expected.group,
            let id = (try? configuration.users.group(named: group)) ?? nil,
            about.group != id
        {
            found.append("\(path): belongs to another group: chgrp \(group) \(path)")
        }
        return found
    }

    /// The gate to the services that strangers' servers may ask.
    private func netProblems() -> [String] {
        guard let about = (try? Path.status(configuration.netDirectory)) ?? nil, about.kind == .directory
        else {
            return [
                "\(configuration.netDirectory): no such directory: run scripts/install, or set net-directory"
            ]
        }
        return about.mode & 0o007 == 0
            ? []
            : [
                "\(configuration.netDirectory): anybody may ask for logins: chmod 0710 \(configuration.netDirectory)"
            ]
    }

    private func octal(_ mode: UInt32) -> String { "0" + String(mode, radix: 8) }

    /// Every service that inetd has to offer has a socket.
    private func serviceProblems() -> [String] {
        var needed = ["kick", "queue/local", "queue/remote"].map(configuration.serviceSocket)
        needed += ["pop3", "imap"].map(configuration.netSocket)
        if !configuration.tlsCertificate.isEmpty { needed.append(configuration.netSocket("tls")) }
        return needed.compactMap { path in
            let status = (try? Path.status(path)) ?? nil
            return status?.kind == .socket
                ? nil
                : "\(path): no socket: inetd.conf has no line for it, or inetd is not running (README, \"inetd\")"
        }
    }

    private func aliasProblems() -> [String] {
        guard !configuration.aliasesFile.isEmpty else { return [] }
        guard ((try? Path.status(configuration.aliasesFile)) ?? nil) != nil else { return [] }
        return AliasFile(configuration.aliasesFile).check().problems.map {
            "\(configuration.aliasesFile):\($0.line): \($0.text)"
        }
    }

    private func certificateProblems() -> [String] {
        [configuration.tlsCertificate, configuration.tlsKey].filter { !$0.isEmpty }.compactMap { path in
            guard let about = (try? Path.status(path)) ?? nil else {
                return "\(path): no such file; TLS cannot be offered"
            }
            let isKey = path == configuration.tlsKey || configuration.tlsKey.isEmpty
            return isKey && about.mode & 0o007 != 0
                ? "\(path): holds the private key and anybody may read it: chmod 0640 \(path)" : nil
        }
    }

    /// Reports that were made in a flood and wait for the operator's word.
    private func stormProblems() -> [String] {
        guard let queue = try? QueueDirectory(configuration.queueDirectory),
            let text = StormNotice(queue)?.text
        else { return [] }
        return [text]
    }

    private func slotProblems() -> [String] {
        let about = (try? Path.status(configuration.slotsDirectory)) ?? nil
        return about?.kind == .directory
            ? []
            : [
                "\(configuration.slotsDirectory): no such directory: connections cannot be counted, and are refused"
            ]
    }
}
