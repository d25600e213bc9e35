import Accounts
import Program
import Unix

/// Each file against each user who has to read it. By root it is tried, in that user's place; else computed.
enum AccessCheck {
    /// Who needs what of a file, and what happens without.
    struct Row {
        let path: String
        let need: FileAccess.Need
        let users: [String]
        let mend: String

        init(_ path: String, _ need: FileAccess.Need, _ users: [String], _ mend: String) {
            self.path = path
            self.need = need
            self.users = users
            self.mend = mend
        }
    }

    /// Stands for all users of the host, who may call sendmail.
    static let anybody = "nobody"

    static func findings(_ installation: Installation) -> [Finding] {
        findings(installation, rows(installation.configuration, installation.configurationPath))
    }

    static func findings(_ installation: Installation, _ rows: [Row]) -> [Finding] {
        guard !installation.isPrivate, !installation.accounts.isEmpty else { return [] }
        let accounts = installation.configuration.systemAccounts
        return rows.flatMap { row in
            guard ((try? Path.status(row.path)) ?? nil) != nil || installation.askedBy != 0 else {
                return [Finding]()
            }
            let answers = row.users.map { name -> (user: String, answer: FileAccess.Answer) in
                guard let account = (try? accounts.account(named: name)) ?? nil else {
                    return (user: name, answer: .allowed)
                }
                let groups = (try? accounts.groups(of: account)) ?? [account.gid]
                return (
                    user: name, answer: FileAccess(user: account.uid, groups: groups).ask(row.need, row.path)
                )
            }
            return judge(row, answers, isCertain: installation.askedBy == 0)
        }
    }

    /// One line for all who are refused.
    static func judge(
        _ row: Row, _ answers: [(user: String, answer: FileAccess.Answer)], isCertain: Bool
    ) -> [Finding] {
        var refused: [String] = []
        var reason = ""
        for (user, answer) in answers {
            switch answer {
            case .allowed: continue
            case .unknown: return []
            case .refused(let code):
                if code == .noEntry { return [] }
                refused.append(user == anybody ? "ordinary users" : user)
                reason = "\(code)"
            }
        }
        guard !refused.isEmpty else { return [] }
        let verb =
            switch row.need {
            case .read: "read"
            case .append, .change: "write"
            case .search: "pass"
            }
        let who = refused.joined(separator: ", ")
        let text = "\(row.path): \(who) cannot \(verb) it (\(reason)): \(row.mend)"
        return [isCertain ? .fault(text) : .unseen("\(text) (unless an access list lets them: ask as root)")]
    }

    /// relais.conf and what it names; what is empty is not used.
    static func rows(_ configuration: Configuration, _ path: String?) -> [Row] {
        let file = path ?? Configuration.standardPath
        var rows = [Row(file, .read, Role.users + [anybody], "chmod 0644 \(file), and its directories 0755")]
        if !configuration.aliasesFile.isEmpty {
            let aliases = configuration.aliasesFile
            rows.append(
                Row(aliases, .read, ["relaisd", "relaisq", "relaisa", anybody], "chmod 0644 \(aliases)"))
        }
        if !configuration.tlsCertificate.isEmpty {
            let certificate = configuration.tlsCertificate
            let key = configuration.tlsKey.isEmpty ? certificate : configuration.tlsKey
            if key != certificate {
                rows.append(
                    Row(
                        certificate, .read, ["relaist"],
                        "chmod 0644 \(certificate), and its directories must let relaist pass"))
            }
            rows.append(
                Row(
                    key, .read, ["relaist"],
                    "chgrp relaist \(key); chmod 0640 \(key), and its directories must let relaist pass"))
        }
        if !configuration.tlsAuthorities.isEmpty {
            rows.append(
                Row(
                    configuration.tlsAuthorities, .read, ["relaisr"],
                    "chmod 0644 \(configuration.tlsAuthorities)"))
        }
        if case .file(let log) = configuration.log {
            rows.append(Row(log, .append, Role.users, "chmod 0666 \(log), or set log = syslog"))
        }
        for path in ["/etc/passwd", "/etc/group"] {
            rows.append(Row(path, .read, ["relaisd", "relaisq"], "chmod 0644 \(path)"))
        }
        rows.append(Row("/etc/resolv.conf", .read, ["relaisr", "relaisd"], "chmod 0644 /etc/resolv.conf"))
        rows.append(
            Row(
                configuration.queueDirectory, .search, ["relaisq", "relaisd"],
                "run scripts/install; directories above it need mode 0755"))
        rows.append(
            Row(
                configuration.netDirectory, .search, ["relaisd", "relaisn"],
                "chgrp relaisn \(configuration.netDirectory); chmod 0710 \(configuration.netDirectory)"))
        for (service, user) in [("smtp", "relaisd"), ("pop3", "relaisn"), ("imap", "relaisn")] {
            let slots = configuration.slotsFile(service)
            rows.append(Row(slots, .change, [user], "chown \(user) \(slots); chmod 0600 \(slots)"))
        }
        return rows
    }
}
