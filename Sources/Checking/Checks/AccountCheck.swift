import Accounts
import Program
import Unix

/// The users and groups that scripts/install makes, and a name under which other hosts find this one.
enum AccountCheck {
    static func findings(_ installation: Installation) -> [Finding] {
        let configuration = installation.configuration
        var findings = names(configuration.hostname)
        guard !installation.isPrivate else { return findings }
        let accounts = configuration.systemAccounts
        let missing = Role.users.filter { installation.account($0) == nil }
        if !missing.isEmpty {
            findings.append(
                .fault("no such user: \(missing.joined(separator: ", ")): run scripts/install as root"))
        }
        func id(_ group: String) -> UInt32? { (try? accounts.group(named: group)) ?? nil }
        if let smtp = installation.account("relaisd") {
            let groups = (try? accounts.groups(of: smtp)) ?? []
            findings += membership(
                primary: smtp.gid, groups: groups, injectors: id("relaisi"), net: id("relaisn"))
        }
        return findings
    }

    /// A name that can be resolved: what other hosts are told in EHLO.
    static func names(_ hostname: String) -> [Finding] {
        guard !hostname.utf8.contains(UInt8(ascii: ".")) else { return [] }
        return [
            .fault(
                "\(hostname): a host name without a dot is no name to other hosts, and many refuse its mail: set hostname = \(hostname).your.domain in relais.conf"
            )
        ]
    }

    static func membership(
        primary: UInt32, groups: [UInt32], injectors: UInt32?, net: UInt32?
    ) -> [Finding] {
        var findings: [Finding] = []
        if injectors == nil || primary != injectors {
            findings.append(
                .fault(
                    "relaisd: its group is not relaisi, so smtpd cannot queue mail: usermod -g relaisi relaisd"
                ))
        }
        if let net, !groups.contains(net) {
            findings.append(
                .fault(
                    "relaisd: not in group relaisn, so smtpd cannot offer TLS: usermod -a -G relaisn relaisd")
            )
        }
        return findings
    }
}
