import Accounts
import Bytes
import Program
import Recipients
import Unix

/// The users file: who may read it, its lines, and the domains of who is in it.
enum UsersCheck {
    /// Of one sort, so many are told.
    private static let mostTold = 10

    static func findings(_ installation: Installation) -> [Finding] {
        let configuration = installation.configuration
        let accounts = configuration.accounts
        let path = accounts.usersFile
        let aliases = configuration.aliasesFile
        let aliased = aliases.isEmpty ? [] : (try? AliasFile(aliases).domains()) ?? []
        guard !path.isEmpty else { return domains(configuration, named: [], aliased: aliased) }
        let report: AccountDatabase.UsersFileReport
        do throws(SystemError) { report = try accounts.lookAtUsersFile() } catch {
            // That it is not there is told with the other files.
            return error.code == .noEntry ? [] : [.unseen("\(path): \(error)")]
        }
        var findings = report.faults.prefix(mostTold).map { Finding.fault("\(path): \($0)") }
        findings += domains(configuration, named: report.domains, aliased: aliased)
        if report.holdsPasswords { findings += PlaceCheck.secrets(path, what: "holds passwords") }
        if ((try? Path.status(accounts.usersShadow)) ?? nil) != nil {
            findings += PlaceCheck.secrets(accounts.usersShadow, what: "holds passwords")
        }
        if report.hasOthers {
            findings += AccessCheck.findings(
                installation,
                [
                    .init(
                        path, .read, ["relaisd"],
                        "put the passwords into \(accounts.usersShadow), an x in their place, and chmod 0644 \(path)"
                    )
                ])
        }
        return findings
    }

    /// What is said of domains in one place and not in the other.
    static func domains(
        _ configuration: Configuration, named: Set<[UInt8]>, aliased: Set<[UInt8]>
    ) -> [Finding] {
        var findings: [Finding] = []
        for domain in configuration.virtualDomains {
            let bytes = Array(domain.utf8)
            if !configuration.isVirtual(domain: bytes) {
                findings.append(
                    .fault("\(domain): in local-domains and in virtual-domains: take it out of one of them"))
            } else if !named.union(aliased).contains(bytes.folded()) {
                findings.append(
                    .fault(
                        "\(domain): in virtual-domains, but neither the users file nor the aliases file has anybody@\(domain): all its mail is refused"
                    ))
            }
        }
        for domain in named.sorted(by: { $0.lexicographicallyPrecedes($1) }).prefix(mostTold)
        where !configuration.isLocal(domain: domain) {
            let shown = domain.escaped(limit: 255)
            findings.append(
                .note(
                    "\(shown): its users in the users file can log in, and get no mail: it is in neither local-domains nor virtual-domains"
                ))
        }
        return findings
    }
}
