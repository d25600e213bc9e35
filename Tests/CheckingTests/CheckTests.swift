import Program
import Testing
import Unix

@testable import Checking

/// The judgements, each on facts that were made up.
@Suite struct CheckTests {
    private static func status(_ path: String) throws -> FileStatus {
        try #require(try Path.status(path))
    }

    @Test("a host name without a dot is told")
    func names() {
        #expect(AccountCheck.names("mx.example.org") == [])
        #expect(AccountCheck.names("mx").map { $0.text.contains("hostname = mx.") } == [true])
    }

    @Test("relaisd's groups: what injects, and what reaches the services of the net")
    func membership() {
        #expect(AccountCheck.membership(primary: 5, groups: [5, 6], injectors: 5, net: 6) == [])
        #expect(AccountCheck.membership(primary: 7, groups: [7, 6], injectors: 5, net: 6).count == 1)
        #expect(AccountCheck.membership(primary: 5, groups: [5], injectors: 5, net: 6).count == 1)
        #expect(AccountCheck.membership(primary: 5, groups: [5], injectors: nil, net: nil).count == 1)
    }

    @Test("who is refused a file is named in one line, with what to type")
    func access() {
        let row = AccessCheck.Row("/etc/relais/relais.conf", .read, [], "chmod 0644 /etc/relais/relais.conf")
        let denied = FileAccess.Answer.refused(.accessDenied)
        let told = AccessCheck.judge(
            row, [("relaisd", denied), ("relaisq", .allowed), ("nobody", denied)], isCertain: true)
        #expect(told.count == 1 && told[0].weight == .fault)
        #expect(told[0].text.contains("relaisd, ordinary users cannot read it"))
        #expect(told[0].text.contains("chmod 0644"))
        #expect(AccessCheck.judge(row, [("relaisd", .allowed)], isCertain: true) == [])
        // That it is missing is told elsewhere; what is computed is no certainty.
        #expect(AccessCheck.judge(row, [("relaisd", .refused(.noEntry))], isCertain: true) == [])
        #expect(
            AccessCheck.judge(row, [("relaisd", denied)], isCertain: false).map { $0.weight } == [.unseen])
        #expect(AccessCheck.judge(row, [("relaisd", .unknown)], isCertain: false) == [])
    }

    @Test("relais.conf is for all of relais's users and for everybody; a key only for relaist")
    func rows() {
        var configuration = Configuration()
        configuration.tlsCertificate = "/c"
        configuration.tlsKey = "/k"
        let rows = AccessCheck.rows(configuration, nil)
        #expect(rows[0].users == Role.users + ["nobody"])
        #expect(rows.first { $0.path == "/k" }?.users == ["relaist"])
        #expect(rows.first { $0.path == configuration.aliasesFile }?.users.contains("relaisd") == true)
    }

    @Test(
        "the mode of a file decides for its owner, its group and others; root may all but execute what nobody may"
    )
    func modes() throws {
        let about = try Self.status("/etc/passwd")
        try #require(about.mode == 0o644)
        let other = FileAccess(user: about.user + 17, groups: [about.group + 17])
        #expect(other.allows(4, about) && !other.allows(2, about) && !other.allows(1, about))
        let owner = FileAccess(user: 0, groups: [0])
        #expect(owner.allows(6, about) && !owner.allows(1, about))
        #expect(other.compute(.read, "/etc/passwd") == .allowed)
        #expect(other.compute(.append, "/etc/passwd") == .refused(.accessDenied))
        #expect(other.compute(.read, "/etc/shadow") == .refused(.accessDenied))
        #expect(other.compute(.search, "/etc") == .allowed)
        #expect(other.compute(.read, "/etc/no-such-file") == .refused(.noEntry))
    }

    @Test("tls-relay's words are told: what makes it fail as a fault, the rest as a note")
    func certificates() {
        func told(_ text: String, _ status: Int32) -> [Finding] {
            CertificateCheck.judge("/c", Array(text.utf8), .exited(status))
        }
        #expect(told("", 0) == [])
        #expect(told("certificate: expires in 9 days\n", 0) == [.note("/c: certificate: expires in 9 days")])
        #expect(
            told("tls-relay: private key: key values mismatch\n", 78).map {
                $0.text.contains("/c: private key: key values mismatch")
            } == [true])
        #expect(told("", 78).map { $0.weight } == [.fault])
        #expect(CertificateCheck.judge("/c", [], .signalled(11)).map { $0.weight } == [.fault])
    }

    @Test("sendmail-compat without its bit, of another group, or open to others")
    func special() throws {
        let plain = try Self.status("/etc/passwd")
        #expect(
            SubmissionCheck.special("/p", plain, group: plain.group).map { $0.text.contains("chmod 2711") }
                == [true])
    }

    @Test("Debian's diversion of sendmail is found; without it, what Exim would do is told")
    func diversions() {
        let status = Array("Package: x\n".utf8)
        #expect(SubmissionCheck.diversion(nil, status: nil) == [])
        #expect(SubmissionCheck.diversion(nil, status: status).map { $0.weight } == [.note])
        let other = Array("/usr/bin/a\n/usr/sbin/sendmail\n:\n".utf8)
        #expect(SubmissionCheck.diversion(other, status: status).count == 1)
        let ours = Array(
            "/usr/bin/a\n/usr/bin/b\n:\n/usr/sbin/sendmail\n/usr/sbin/sendmail.distrib\n:\n".utf8)
        #expect(SubmissionCheck.diversion(ours, status: status) == [])
    }
}

@Suite struct ScheduleCheckTests {
    private static func judge(_ text: String, hasUsers: Bool = true) -> [Finding] {
        ScheduleCheck.judge(
            ScheduleCheck.entries(in: Array(text.utf8), path: "/etc/cron.d/relais", hasUsers: hasUsers),
            sbin: "/s")
    }
    private static let clean = "0 4 * * * relaisq /s/queue-runner --clean >/dev/null\n"
    private static let run = "* * * * *\trelaisq\t/s/queue-runner\n"

    @Test("both lines of cron are there: nothing to say")
    func complete() {
        #expect(Self.judge(Self.run + Self.clean) == [])
        #expect(
            Self.judge(
                "MAILTO=ann\n*/5 * * * * root /s/queue-runner -C /x\n@daily root /s/queue-runner --clean\n")
                == [])
        #expect(
            Self.judge("* * * * * /s/queue-runner\n0 4 * * * /s/queue-runner --clean\n", hasUsers: false)
                == [])
    }

    @Test("a line that is missing, commented out or another program's is told, with the line")
    func missing() {
        #expect(Self.judge("").count == 2)
        #expect(
            Self.judge(Self.clean).map { $0.text.contains("* * * * * relaisq /s/queue-runner") } == [true])
        #expect(Self.judge(Self.run).map { $0.text.contains("--clean") } == [true])
        #expect(Self.judge("#" + Self.run + Self.clean).count == 1)
        #expect(Self.judge("* * * * * relaisq /s/my-queue-runner\n" + Self.clean).count == 1)
    }

    @Test("a user who may not read the queue is told, and a timer that is not enabled")
    func users() {
        #expect(
            Self.judge("* * * * * ann /s/queue-runner\n" + Self.clean).map { $0.text.contains("as ann") } == [
                true
            ])
        let timer = ScheduleCheck.Entry(
            origin: "relais-runner.timer", user: "relaisq", command: "/s/queue-runner", isEnabled: false)
        let clean = ScheduleCheck.Entry(origin: "x", user: nil, command: "/s/queue-runner --clean")
        #expect(
            ScheduleCheck.judge([timer, clean], sbin: "/s").map {
                $0.text.contains("systemctl enable --now relais-runner.timer")
            } == [true])
    }
}
