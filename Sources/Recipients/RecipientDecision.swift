package import Accounts
package import Mail
import Unix

/// What an address becomes on this host, and why: the one decision behind RCPT, local delivery,
/// `sendmail -bv` and every `-n`. It asks for aliases and accounts through `RecipientRules`, and does
/// nothing.
package struct RecipientDecision {
    package enum Outcome: Equatable {
        /// An account, and what stood behind the delimiter.
        case user(Account, extension: [UInt8]?)
        /// An entry of the aliases file, by the folded name that was found, and who answers for a list: the
        /// reverse-path that its copies bear (`owner-NAME`), if there is such an alias.
        case alias([UInt8], [Target], owner: [UInt8]?)
        /// Mail for root that no alias claims: it goes to the mailbox of relais's own account.
        case rootMailbox
        /// Another host's: routed by this domain.
        case relay([UInt8])
        /// Never: 550 and this.
        case refused(EnhancedStatus, String)
        /// Not now, because a lookup failed: 451 and this. `cause` is for the log.
        case deferred(EnhancedStatus, String, cause: String)

        /// An account that is there, but whose rights this process cannot take: that is no mistake of the sender's.
        static func notByThisUser(_ account: Account) -> Outcome {
            .deferred(
                EnhancedStatus(4, 3, 5), "this instance delivers for its own user alone",
                cause:
                    "\(account.name): only root can deliver for other accounts; this is uid \(Identity.user)")
        }
    }

    package let outcome: Outcome
    /// One line each, for people; none unless they were asked for.
    package let steps: [String]

    package var isAccepted: Bool {
        switch outcome {
        case .user, .alias, .rootMailbox, .relay: true
        case .refused, .deferred: false
        }
    }
}
