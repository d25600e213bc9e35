import Accounts
import Bytes
import Program
import Unix

/// What programs of this host call to send mail: sendmail's names, and the one special bit in relais.
enum SubmissionCheck {
    static func findings(_ installation: Installation) -> [Finding] {
        guard !installation.isPrivate else { return [] }
        let program = "\(installation.libexec)/sendmail-compat"
        guard let ours = (try? Path.status(program)) ?? nil else {
            return [.fault("\(program): no such program: run scripts/install")]
        }
        let group = (try? installation.configuration.systemAccounts.group(named: "relaisi")) ?? nil
        return special(program, ours, group: group)
            + names(ours, sbin: installation.sbin)
            + diversion(
                (try? Path.contents("/var/lib/dpkg/diversions")) ?? nil,
                status: (try? Path.contents("/var/lib/dpkg/status")) ?? nil)
    }

    /// Without the group nobody but root can queue mail.
    static func special(_ path: String, _ about: FileStatus, group: UInt32?) -> [Finding] {
        guard about.mode & 0o2000 == 0 || about.group != group || about.mode & 0o4022 != 0 else { return [] }
        return [
            .fault(
                "\(path): must be set-group-ID relaisi for users to queue mail: chown root:relaisi \(path); chmod 2711 \(path)"
            )
        ]
    }

    #if os(Linux)
        private static let places = ["/usr/sbin/sendmail"]
    #else
        // mailwrapper(8) is what stands at /usr/sbin/sendmail.
        private static let places: [String] = []
    #endif

    /// Each of sendmail's names that is there leads to ours.
    private static func names(_ ours: FileStatus, sbin: String) -> [Finding] {
        var findings: [Finding] = []
        for path in places {
            let found = (try? Path.status(path)) ?? nil
            if found.map({ $0.isSameFile(as: ours) }) ?? false { continue }
            let whose = found == nil ? "missing" : "another mail system's"
            findings.append(
                .fault(
                    "\(path): \(whose), so mail of this host's programs does not come here: ln -sf \(sbin)/sendmail \(path)"
                ))
        }
        #if !os(Linux)
            let wrapper = (try? Path.contents("/etc/mail/mailer.conf")) ?? nil
            if !(wrapper ?? []).split(separator: .lf).contains(where: { line in
                let words = line.split { $0.isWhitespace }
                return words.count > 1 && words[0].elementsEqual("sendmail".utf8)
                    && words[1].elementsEqual("\(sbin)/sendmail".utf8)
            }) {
                findings.append(
                    .fault(
                        "/etc/mail/mailer.conf: sendmail is another mail system's: sendmail \(sbin)/sendmail")
                )
            }
        #endif
        return findings
    }

    /// Debian: the first that wants a mail-transport-agent installs one, and that takes the name, in silence.
    static func diversion(_ diversions: [UInt8]?, status: [UInt8]?) -> [Finding] {
        guard let status, !status.isEmpty else { return [] }
        // A diversion is three lines: what, where to, and for whom.
        let lines = (diversions ?? []).split(separator: .lf, omittingEmptySubsequences: false)
        for index in stride(from: 0, to: lines.count, by: 3)
        where lines[index].elementsEqual("/usr/sbin/sendmail".utf8) {
            return []
        }
        return [
            .note(
                "/usr/sbin/sendmail: the next package that wants a mail-transport-agent brings Exim, which takes this name without a word: dpkg-divert --local --rename --divert /usr/sbin/sendmail.distrib --add /usr/sbin/sendmail"
            )
        ]
    }
}
