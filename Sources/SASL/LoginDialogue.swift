/// The conversation up to the login, as POP3 and IMAP have it. It touches no descriptor: whoever carries it on starts TLS, and
/// asks whether a password is right.
package protocol LoginDialogue {
    var greeting: [UInt8] { get }
    /// Reads from the front of `input`. With nothing consumed more is needed.
    mutating func step(_ input: ArraySlice<UInt8>) -> LoginStep
    /// What is said in the clear before TLS begins, and what is said where it cannot be had.
    func readyForTLS(_ tag: [UInt8]) -> [UInt8]
    func refusalOfTLS(_ tag: [UInt8]) -> [UInt8]
    /// What was said in the clear is forgotten.
    mutating func startedTLS()
    /// The answer to a login that came to nothing, and whether it was the last one that is allowed.
    mutating func refused(_ tag: [UInt8], _ refusal: LoginRefusal) -> (output: [UInt8], isOver: Bool)
}

/// What one command comes to.
package struct LoginStep: Equatable {
    package enum Next: Equatable {
        case proceed
        /// Start TLS, saying `readyForTLS` first; then `startedTLS`, or `refusalOfTLS` is said.
        case startTLS(tag: [UInt8])
        /// Ask whether the password is right; then `refused`, or the session goes on elsewhere. Credentials that nobody can have
        /// are empty, and cost what a wrong password costs.
        case login(tag: [UInt8], user: [UInt8], password: [UInt8])
        case close
    }

    package let consumed: Int
    package let output: [UInt8]
    /// The tags are IMAP's; POP3 has none.
    package let next: Next

    package init(consumed: Int, output: [UInt8], next: Next) {
        (self.consumed, self.output, self.next) = (consumed, output, next)
    }
}

package enum LoginRefusal: Equatable {
    /// Wrong name or password, or an account that may not log in: the client learns no more.
    case wrong
    /// Could not be decided.
    case undecided
    /// The right password, of a user who has as many sessions as one may have.
    case tooManySessions
}
