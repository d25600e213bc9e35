package import Accounts
import Bytes
package import Front
package import Program
package import Unix

/// What checkpassword's service decides of an attempt to log in: whether the password is looked at, what is answered and how late,
/// and whether the user has a session left. It writes what it decides to the log, and tells nobody else.
package struct LoginDesk {
    package typealias Verifier = (_ name: [UInt8], _ password: [UInt8]) throws(SystemError) -> Account?

    /// Records that one connection may bring: whoever guesses needs a new one then.
    package static let mostTries = 3
    /// Attempts under way at a time, over all processes and addresses.
    static let mostAttempts = 1000

    private let configuration: Configuration
    private let log: Log
    private let program: String?
    private let verify: Verifier
    private let serves: (UInt32) -> Bool

    /// `program`: what an account that is let in becomes; nil where it is answered only, for who goes on serving the client
    /// itself. `serves`: the user ids that this process can become.
    package init(
        _ configuration: Configuration, _ log: Log, program: String?,
        serves: @escaping (UInt32) -> Bool = { Identity.isRoot || $0 == Identity.user },
        verify: @escaping Verifier
    ) {
        self.configuration = configuration
        self.log = log
        self.program = program
        self.serves = serves
        self.verify = verify
    }

    /// What lines begin with: as Dovecot's.
    package var origin: String {
        switch program.map({ Path.split($0).name }) {
        case "pop3d": "pop3-login"
        case "imapd": "imap-login"
        default: "login"
        }
    }

    /// Dovecot's words for a wrong name or password, which fail2ban's filter counts: one line a failure.
    private static let failure = "Aborted login (auth failed, 1 attempts)"

    package func decide(_ request: LoginRequest) -> LoginDecision {
        let who = request.logged
        // What names no address is counted all the same, under one that nobody has.
        let address = request.client ?? .v4([0, 0, 0, 0])
        let known = KnownLogins(configuration.slotsFile("known-logins"))
        let place: AttemptPlace
        do throws(ConnectionSlot.Refusal) {
            place = try takePlace(address, isKnown: { known.contains(request.user, from: address) })
        } catch {
            // The password was not looked at: nothing is said about it, and nothing counted against anybody.
            log.warning("\(origin): \(Self.reason(error)): \(who)")
            return LoginDecision(.later, after: Guessing.delay(behind: 0))
        }
        let failureDelay = Guessing.delay(behind: place.number)
        let account: Account
        do throws(SystemError) {
            guard let found = try verify(request.user, request.password) else {
                log.info("\(origin): \(Self.failure): \(who)")
                return LoginDecision(.refused, after: failureDelay, place)
            }
            account = found
        } catch {
            log.error("\(origin): \(error): \(who)")
            return LoginDecision(.later, after: failureDelay, place)
        }
        guard serves(account.uid) else {
            log.warning("\(origin): this private instance serves its own user only: \(who)")
            return LoginDecision(.later, after: failureDelay, place)
        }
        known.remember(request.user, from: address)
        guard let program else {
            log.info("\(origin): Login: \(who)")
            return LoginDecision(.accepted, after: .zero, place)
        }
        let decision = LoginDecision(.accepted, after: failureDelay, place, account)
        do throws(SystemError) {
            let session = try SessionPlace.take(
                in: configuration.slotsFile("sessions"), service: Path.split(program).name,
                user: Array(account.name.utf8), address: address, most: configuration.sessionsPerUser)
            guard let session else {
                log.warning("\(origin): too many sessions: \(who)")
                return LoginDecision(.tooManySessions, after: .zero, place)
            }
            decision.session = consume session
        } catch {
            // Mail can be read where nothing can be written.
            log.warning("\(origin): sessions cannot be counted: \(error): \(who)")
        }
        return decision
    }

    private func takePlace(
        _ address: IPAddress, isKnown: () -> Bool
    ) throws(ConnectionSlot.Refusal) -> AttemptPlace {
        let file = configuration.slotsFile("login")
        do throws(ConnectionSlot.Refusal) {
            return AttemptPlace(
                try ConnectionSlot(
                    file, total: Self.mostAttempts, perAddress: Guessing.mostAttempts, address: address))
        } catch {
            guard error == .tooManyFromAddress, isKnown() else { throw error }
            return AttemptPlace(
                try ConnectionSlot(file, total: Self.mostAttempts, perAddress: 0, address: nil))
        }
    }

    private static func reason(_ refusal: ConnectionSlot.Refusal) -> String {
        if case .unusable(let error) = refusal {
            "attempts cannot be counted: \(error)"
        } else {
            "too many attempts at a time"
        }
    }
}

/// What came of an attempt.
package final class LoginDecision {
    package let answer: LoginAnswer
    /// How long behind its record the answer may go out, at the soonest. For an account that becomes a program: any other than
    /// the one that it was accepted.
    package let delay: Duration
    /// Whose session begins, where a program is to become it.
    package let account: Account?
    /// The user's place among the sessions, open as long as it lasts. None where it cannot be counted.
    package var session: Descriptor?
    private var place: AttemptPlace?

    fileprivate init(
        _ answer: LoginAnswer, after delay: Duration, _ place: AttemptPlace? = nil, _ account: Account? = nil
    ) {
        self.answer = answer
        self.delay = delay
        self.place = place
        self.account = account
    }

    /// Lets go of the attempt's place among those of its address: when the answer is out.
    package func release() { place = nil }
}

/// A place among the attempts of one address.
private final class AttemptPlace {
    /// How many others its address had waiting.
    let number: Int
    private let slot: ConnectionSlot

    init(_ slot: consuming ConnectionSlot) {
        number = slot.number
        self.slot = slot
    }
}

extension LoginRequest {
    /// As Dovecot's lines name it.
    package var logged: String {
        "user=<\(user.escapedInAngles(limit: 100))>, method=PLAIN, rip=\(client?.description ?? "local")"
    }
}
