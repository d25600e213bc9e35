import Program
import Testing

@testable import Checking

/// Each fault of a line, planted alone; what is told has the line and what to type.
@Suite struct ServiceCheckTests {
    static let configuration = Configuration()
    static let roles = Role.all(configuration)
    static let local = roles.first { $0.program == "local-deliver" }!
    static let kick = roles.first { $0.program == "queue-runner" }!
    static let smtp = roles.first { $0.program == "smtpd" }!

    private static func lines(_ text: String) -> [Listener] {
        InetdFile.listeners(in: Array(text.utf8), path: "/etc/inetd.conf")
    }

    private static func host() -> ServiceCheck.Host {
        var host = ServiceCheck.Host()
        host.inetdProcess = 42
        return host
    }

    @Test("the lines of the table satisfy it, and each is what is told where it is missing")
    func table() {
        for role in Self.roles {
            let line = role.inetdLine(libexec: "/l")
            let lines = Self.lines(line).filter { $0.serves(role) }
            #expect(lines.count == 1)
            if case .network = role.place {
                #expect(
                    ServiceCheck.network(role, lines, isWanted: true, Self.host()) { _ in .answers } == [])
            } else {
                #expect(ServiceCheck.unix(role, lines, isNeeded: true, Self.host(), answer: .answers) == [])
                let told = ServiceCheck.unix(
                    role, [], isNeeded: true, Self.host(), answer: .nobody)
                #expect(told.map { $0.weight } == [.fault])
                #expect(told[0].text.contains("kill -HUP 42") && told[0].text.contains(" \(role.user) "))
            }
        }
    }

    @Test(
        "a line that is not the table's is named",
        arguments: [
            ("nowait nobody /l/local-deliver local-deliver --service", "runs as nobody, and must as root"),
            ("nowait relaisq /l/local-deliver local-deliver --service", "runs as relaisq, and must as root"),
            ("wait root /l/local-deliver local-deliver --service", "`nowait`"),
            ("nowait root /l/remote-deliver remote-deliver --service", "should local-deliver"),
            ("nowait root /l/local-deliver local-deliver", "--service is missing"),
        ])
    func mistakes(rest: String, told: String) {
        let lines = Self.lines("\(Self.local.name) stream unix \(rest)")
        let found = ServiceCheck.unix(Self.local, lines, isNeeded: true, Self.host(), answer: .answers)
        #expect(found.count == 1)
        #expect(found[0].text.hasPrefix("/etc/inetd.conf:1: "))
        #expect(found[0].text.contains(told) && found[0].text.contains("kill -HUP 42"))
    }

    @Test("checkpassword must lead to the mailbox program of its socket")
    func followers() {
        let imap = Self.roles.first { $0.arguments.contains("imapd") }!
        let lines = Self.lines(
            "\(imap.name) stream unix nowait root /l/checkpassword checkpassword --service /l/pop3d --mailbox"
        )
        let found = ServiceCheck.unix(imap, lines, isNeeded: true, Self.host(), answer: .answers)
        #expect(found.map { $0.text.contains("no imapd behind the login") } == [true])
    }

    @Test("a socket with a line that nobody reads, one that hangs, and one that is not ours to ask")
    func answers() {
        let lines = Self.lines(Self.kick.inetdLine(libexec: "/l"))
        func told(_ answer: Probe.Answer, _ lines: [Listener]) -> [Finding] {
            ServiceCheck.unix(Self.kick, lines, isNeeded: true, Self.host(), answer: answer)
        }
        #expect(told(.nobody, lines).map { $0.text.contains("kill -HUP 42") } == [true])
        #expect(told(.silent, lines).map { $0.weight } == [.fault])
        #expect(told(.strange("why"), lines).map { $0.text.contains("why") } == [true])
        #expect(told(.forbidden, lines) == [])
        #expect(told(.forbidden, []).map { $0.weight } == [.unseen])
        #expect(ServiceCheck.unix(Self.kick, [], isNeeded: false, Self.host(), answer: .nobody) == [])
    }

    @Test("a host without inetd is told of systemd's units")
    func systemd() {
        var host = Self.host()
        host.areSystemds = true
        let told = ServiceCheck.unix(Self.local, [], isNeeded: true, host, answer: .nobody)
        #expect(told.map { $0.text.contains("systemctl enable --now relais-local.socket") } == [true])
        #expect(!told[0].text.contains("inetd"))
        #expect(
            Self.roles.map { $0.unit } == [
                "relais-smtp", "relais-submission", "relais-pop3", "relais-imap", "relais-kick",
                "relais-local", "relais-remote",
                "relais-tls", "relais-login-auth", "relais-login-pop3", "relais-login-imap",
            ])
    }

    @Test("a network service: none, a stranger's server in its place, half of one")
    func network() {
        func told(_ text: String, isWanted: Bool, _ answer: Probe.Answer) -> [Finding] {
            ServiceCheck.network(Self.smtp, Self.lines(text), isWanted: isWanted, Self.host()) { _ in answer }
        }
        let line = Self.smtp.inetdLine(libexec: "/l")
        #expect(told("", isWanted: true, .nobody).map { $0.weight } == [.fault])
        #expect(told("", isWanted: false, .nobody).map { $0.weight } == [.note])
        #expect(
            told(line, isWanted: true, .strange("another server answers: 220 Postfix")).map {
                $0.text.contains("Postfix")
            } == [true])
        #expect(told(line, isWanted: true, .nobody).map { $0.text.contains("127.0.0.1:25") } == [true])
        // What speaks TLS at once is another service.
        #expect(!Self.lines("465 stream tcp nowait relaisd /l/smtpd smtpd --tls")[0].serves(Self.smtp))
    }

    @Test("in a private instance its one user is in every line")
    func privateInstance() {
        var host = Self.host()
        host.privateUser = "ann"
        let lines = Self.lines(
            "\(Self.local.name) stream unix nowait ann /l/local-deliver local-deliver --service")
        #expect(ServiceCheck.unix(Self.local, lines, isNeeded: true, host, answer: .answers) == [])
    }
}
