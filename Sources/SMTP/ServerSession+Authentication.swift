import Bytes
import Mail
import SASL

/// AUTH (RFC 4954), which the submission roles want before the first message (RFC 6409 §4.3).
extension ServerSession {
    /// Logins that fail before the client is sent away.
    package static let mostFailedLogins = 3

    /// Whether a password may come now.
    var offersLogin: Bool {
        switch settings.login {
        case .none: false
        case .required(let inClear): login == nil && (isEncrypted || inClear)
        }
    }

    /// What nobody sends before the login.
    var refusalBeforeLogin: Reply? {
        guard settings.login != .none, login == nil else { return nil }
        return offersLogin ? .loginFirst : .startTLSFirst
    }

    /// Why there is no exchange now.
    private var refusalOfExchange: Reply? {
        if settings.login == .none { return .notImplemented }
        if !isExtended { return .helloFirst }
        if login != nil { return .loggedInAlready }
        if transaction != nil { return .loginInTransaction }
        return offersLogin ? nil : .encryptionFirst
    }

    mutating func authenticate(_ name: [UInt8], _ initial: [UInt8]?, _ consumed: Int) -> Step {
        if let refusal = refusalOfExchange { return refuseLogin(refusal, consumed) }
        guard let mechanism = Mechanism(name) else { return refuseLogin(.unknownMechanism, consumed) }
        var exchange = LineExchange(mechanism)
        let step = exchange.begin(initial)
        self.exchange = (exchange, mechanism)
        return proceed(step, consumed)
    }

    /// A line of the client's in the exchange, whatever it holds.
    mutating func readResponse(_ line: ArraySlice<UInt8>, _ consumed: Int) -> Step {
        guard let step = exchange?.lines.take(Array(line)) else { return refuseLogin(.badResponse, consumed) }
        return proceed(step, consumed)
    }

    private mutating func proceed(_ step: LineExchange.Step, _ consumed: Int) -> Step {
        state = .command
        switch step {
        case .challenge(let text):
            state = .authenticating
            return Step(consumed: consumed, output: Array("334 ".utf8) + text + [.cr, .lf], next: .proceed)
        case .verify(let credentials):
            return Step(consumed: consumed, output: [], next: .verify(credentials))
        case .malformed: return refuseLogin(.badCredentials, consumed)
        case .cancelled: return refuseLogin(.loginCancelled, consumed)
        case .unreadable: return refuseLogin(.badResponse, consumed)
        }
    }

    private mutating func refuseLogin(_ reply: Reply, _ consumed: Int) -> Step {
        exchange = nil
        state = .command
        return refuse(reply, Array("AUTH".utf8)[...], consumed, .command)
    }

    /// How the client is proving, or has proved, who it is; for the log.
    package var mechanism: StaticString? { exchange?.mechanism.name }

    /// The credentials of `.verify` were right.
    package mutating func loggedIn(as user: [UInt8]) -> [UInt8] {
        login = user
        return Reply.loggedIn.wire
    }

    /// They were not, or it could not be decided. What to send, and whether that is all.
    package mutating func loginFailed(isTemporary: Bool) -> (output: [UInt8], isOver: Bool) {
        exchange = nil
        guard !isTemporary else { return (Reply.loginNotPossible.wire, false) }
        failedLogins += 1
        let isOver = failedLogins >= Self.mostFailedLogins
        return (Reply.badCredentials.wire + (isOver ? Reply.tooManyErrors.wire : []), isOver)
    }
}
