import Bytes

/// One authentication exchange from the server's side (RFC 4422 §3): `begin` once, then `take` for each of the client's
/// responses, as long as the step is a challenge. It knows no secrets: what comes out is for somebody to verify who does.
package struct ServerExchange {
    package enum Step: Equatable {
        /// For the client, whose response is to be taken; it may be empty.
        case challenge([UInt8])
        /// All that the client has to say.
        case verify(Credentials)
        /// No message of the mechanism; nothing comes behind it.
        case malformed
    }

    private let mechanism: Mechanism
    /// LOGIN: who it is, while the password is waited for.
    private var user: [UInt8]?
    private var isOver = false

    package init(_ mechanism: Mechanism) { self.mechanism = mechanism }

    /// `initialResponse`: what came with the mechanism's name. RFC 4422 §5: a client that speaks first and sent nothing with it
    /// is asked by a challenge without data.
    package mutating func begin(_ initialResponse: [UInt8]?) -> Step {
        guard let initialResponse else {
            return .challenge(mechanism == .login ? Self.askingForUser : [])
        }
        return take(initialResponse)
    }

    private static let askingForUser = Array("Username:".utf8)
    private static let askingForPassword = Array("Password:".utf8)

    package mutating func take(_ response: [UInt8]) -> Step {
        guard !isOver else { return .malformed }
        switch mechanism {
        case .plain:
            isOver = true
            return Credentials(plain: response).map { .verify($0) } ?? .malformed
        case .login: return takeLogin(response)
        }
    }

    /// Name and password, each asked for.
    private mutating func takeLogin(_ response: [UInt8]) -> Step {
        isOver = true
        guard !response.isEmpty, !response.contains(.nul) else { return .malformed }
        guard let user else {
            user = response
            isOver = false
            return .challenge(Self.askingForPassword)
        }
        return .verify(Credentials(user: user, password: response))
    }
}
