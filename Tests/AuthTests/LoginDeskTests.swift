import Accounts
import Bytes
import Front
import Program
import TemporaryPlaces
import Testing
import Unix

@testable import Auth

/// What is answered to an attempt to log in, how late, and what the log says.
@Suite final class LoginDeskTests {
    private let home: TemporaryDirectory
    private var directory: String { home.path }
    private var configuration = Configuration()
    private let log: Log
    /// Passwords that were looked at.
    private var looked = 0

    init() throws {
        home = try TemporaryDirectory()
        try home.makeDirectories("slots")
        configuration.slotsDirectory = home.path + "/slots"
        configuration.sessionsPerUser = 2
        log = Log(.file(home.path + "/log"), name: "relais", program: "checkpassword")
    }

    private var logged: [String] { home.logged() }

    /// `right` is everybody's password, and `broken` one for which passwd cannot be read; all have the same uid.
    private func desk(_ program: String? = "/x/imapd", serves: Bool = true) -> LoginDesk {
        LoginDesk(configuration, log, program: program, serves: { $0 == 1001 && serves }) {
            [self] (name, password) throws(SystemError) in
            looked += 1
            if password.elementsEqual("broken".utf8) {
                throw SystemError("open", .accessDenied, "/etc/shadow")
            }
            guard password.elementsEqual("right".utf8) else { return nil }
            return Account(
                name: String(decoding: name, as: UTF8.self), uid: 1001, gid: 1001, home: "/home/x", shell: "",
                isSystems: false)
        }
    }

    private func request(_ user: String, _ password: String, from client: String = "192.0.2.7")
        -> LoginRequest
    {
        LoginRequest(
            user: Array(user.utf8), password: Array(password.utf8), client: IPAddress(client),
            start: SessionStart(tag: [], pipelined: [], isEncrypted: true))
    }

    /// So many attempts of an address that are under way.
    private func waiting(_ count: Int, at address: String = "192.0.2.7") throws -> [Held] {
        try (0..<count).map { _ in
            Held(
                try ConnectionSlot(
                    configuration.slotsFile("login"), total: LoginDesk.mostAttempts,
                    perAddress: Guessing.mostAttempts, address: IPAddress(address)))
        }
    }

    private func hasSession(_ decision: LoginDecision) -> Bool { decision.session != nil }

    private final class Held {
        let slot: ConnectionSlot
        init(_ slot: consuming ConnectionSlot) { self.slot = slot }
    }

    @Test(
        "the right password begins a session of the user's, and the log does not say so before it has begun")
    func right() {
        let decision = desk().decide(request("ann", "right"))
        #expect(decision.answer == .accepted && decision.account?.name == "ann")
        #expect(hasSession(decision))
        #expect(decision.delay == .seconds(2), "if the session cannot begin")
        #expect(logged == [])
    }

    @Test("where no program is to serve the client, the right password is answered at once, and is a login")
    func answeredOnly() {
        let decision = desk(nil).decide(request("ann", "right"))
        #expect(decision.answer == .accepted && decision.account == nil && decision.delay == .zero)
        #expect(logged == ["login: Login: user=<ann>, method=PLAIN, rip=192.0.2.7"])
    }

    @Test(
        "a wrong password is answered late, and the later the more of its address wait; what was wrong makes no difference"
    )
    func wrong() throws {
        for (others, seconds) in [(0, 2), (4, 2), (5, 4), (10, 6), (63, 10)] {
            let held = try waiting(others)
            let isDelayed = soon {
                let decision = desk().decide(request("ann", "wrong"))
                defer { decision.release() }
                return decision.answer == .refused && decision.account == nil
                    && decision.delay == .seconds(seconds)
            }
            #expect(isDelayed, "behind \(others)")
            withExtendedLifetime(held) {}
        }
        #expect(logged.count >= 5)
        #expect(
            Set(logged) == [
                "imap-login: Aborted login (auth failed, 1 attempts): user=<ann>, method=PLAIN, rip=192.0.2.7"
            ])
    }

    @Test("an attempt is one of its address's until its answer is out")
    func place() {
        let first = desk().decide(request("ann", "wrong"))
        var others: [LoginDecision] = []
        for _ in 0..<4 { others.append(desk().decide(request("ann", "wrong"))) }
        #expect(others.allSatisfy { $0.delay == .seconds(2) })
        #expect(desk().decide(request("ann", "wrong")).delay == .seconds(4))
        first.release()
        #expect(soon { desk().decide(request("ann", "wrong")).delay == .seconds(2) })
        others.forEach { $0.release() }
    }

    @Test(
        "behind so many attempts no password is looked at, and none is called wrong; another address, and who logged in from there lately, are let through"
    )
    func crowded() throws {
        let known = desk().decide(request("ann", "right"))
        known.release()
        let held = try waiting(Guessing.mostAttempts)
        looked = 0
        let unknown = desk().decide(request("bob", "right"))
        #expect(unknown.answer == .later && unknown.delay == .seconds(2) && looked == 0)
        #expect(
            logged == [
                "warning: imap-login: too many attempts at a time: user=<bob>, method=PLAIN, rip=192.0.2.7"
            ])
        #expect(desk().decide(request("bob", "right", from: "192.0.2.8")).answer == .accepted)
        #expect(desk().decide(request("ann", "right")).answer == .accepted)
        #expect(desk().decide(request("ann", "wrong")).answer == .refused)
        withExtendedLifetime(held) {}
    }

    @Test("who has no address is counted, too, under one that nobody has")
    func local() throws {
        let held = try waiting(Guessing.mostAttempts, at: "0.0.0.0")
        #expect(desk().decide(request("ann", "right", from: "local")).answer == .later)
        #expect(logged.first?.hasSuffix("user=<ann>, method=PLAIN, rip=local") == true)
        withExtendedLifetime(held) {}
    }

    @Test("what cannot be decided is later, as late as no, and the log has the reason")
    func trouble() {
        let broken = desk().decide(request("ann", "broken"))
        #expect(broken.answer == .later && broken.delay == .seconds(2) && broken.account == nil)
        let others = desk(serves: false).decide(request("ann", "right"))
        #expect(others.answer == .later && others.delay == .seconds(2) && others.account == nil)
        #expect(desk(serves: false).decide(request("ann", "wrong")).answer == .refused)
        configuration.slotsDirectory = directory + "/none"
        looked = 0
        let uncounted = desk().decide(request("ann", "right"))
        #expect(uncounted.answer == .later && looked == 0)
        #expect(logged.count == 4)
        #expect(
            logged[0].hasPrefix("error: imap-login: open /etc/shadow: ")
                && logged[0].hasSuffix("rip=192.0.2.7"))
        #expect(logged[1].hasPrefix("warning: imap-login: this private instance serves its own user only: "))
        #expect(logged[3].hasPrefix("warning: imap-login: attempts cannot be counted: "))
    }

    @Test(
        "a user has so many sessions from one address; those of others, from elsewhere, of another program are not counted"
    )
    func sessions() {
        var open: [LoginDecision] = []
        func logIn(_ user: String, _ address: String, _ program: String = "/x/imapd") -> LoginAnswer {
            let decision = desk(program).decide(request(user, "right", from: address))
            decision.release()
            open.append(decision)
            return decision.answer
        }
        #expect(logIn("ann", "192.0.2.7") == .accepted && logIn("ann", "192.0.2.7") == .accepted)
        let refused = desk().decide(request("ann", "right"))
        #expect(refused.answer == .tooManySessions && refused.delay == .zero && refused.account == nil)
        #expect(
            desk().decide(request("ann", "wrong")).answer == .refused,
            "that is told to who knows the password")
        #expect(logIn("ann", "192.0.2.8") == .accepted && logIn("bob", "192.0.2.7") == .accepted)
        #expect(logIn("ann", "192.0.2.7", "/x/pop3d") == .accepted)
        open[0].session = nil
        #expect(logIn("ann", "192.0.2.7") == .accepted && logIn("ann", "192.0.2.7") == .tooManySessions)
    }

    @Test("where sessions cannot be counted, mail can be read, and the log says so")
    func uncounted() throws {
        try Directory(directory + "/slots").open("sessions", .create(mode: 0o600)).write([])
        let decision = desk().decide(request("ann", "right"))
        #expect(decision.answer == .accepted && decision.account != nil && !hasSession(decision))
        #expect(logged.first?.hasPrefix("warning: imap-login: sessions cannot be counted: ") == true)
    }

    @Test("lines begin with Dovecot's words for the program, and hold nothing raw that a stranger sent")
    func lines() {
        for (program, origin) in [
            ("/x/imapd", "imap-login"), ("pop3d", "pop3-login"), ("/x/other", "login"), (nil, "login"),
        ] as [(String?, String)] {
            #expect(desk(program).origin == origin)
        }
        let name = "x>, rip=192.0.2.99\n\u{1B}[2J" + String(repeating: "y", count: 500)
        _ = desk().decide(request(name, "wrong"))
        #expect(
            logged.count == 1 && logged[0].utf8.allSatisfy { $0.isPrintable } && logged[0].utf8.count < 300)
        #expect(!logged[0].contains("<x>") && logged[0].hasSuffix(">, method=PLAIN, rip=192.0.2.7"))
    }
}
