package import Program
import Unix

/// `--check`: everything that has to be right before mail can flow, and goes on to; nothing is changed. A check is a file
/// of Checks/: it gathers what it needs, and judges that by itself.
package struct InstallationCheck {
    let findings: [Finding]
    private let hostname: String

    /// `also`: what the queue itself has to say to its operator.
    package init(_ configuration: Configuration, path: String?, also: [String]) {
        let installation = Installation(configuration, path: path)
        hostname = configuration.hostname
        var findings = AccountCheck.findings(installation)
        findings += QueueCheck(installation).findings()
        findings += PlaceCheck.findings(installation)
        findings += AccessCheck.findings(installation)
        findings += CertificateCheck.findings(installation)
        findings += RelayCheck.findings(installation)
        findings += ServiceCheck.findings(installation, ListenerSources(configuration))
        findings += UsersCheck.findings(installation)
        findings += AliasCheck.findings(installation)
        findings += SubmissionCheck.findings(installation)
        findings += ScheduleCheck.findings(installation)
        self.findings = findings + also.map { .fault($0) }
    }

    package var isWell: Bool { !findings.contains { $0.weight == .fault } }

    /// A line a finding, each once, and at the end what that comes to.
    package var text: String {
        var told: [String] = []
        for finding in findings where !told.contains(finding.line) { told.append(finding.line) }
        if isWell {
            let isWhole = !findings.contains { $0.weight == .unseen }
            told.append(
                isWhole
                    ? "\(hostname): all is well"
                    : "\(hostname): nothing is wrong in what could be looked at; root sees the rest")
        }
        return told.map { "\($0)\n" }.joined()
    }
}
