import Bytes
import Mail
import Unix

/// How one local recipient's mail is delivered: under which accounts, what is done there, and where copies
/// go on to. Made as root from a decision; nothing of a user's is looked at for it.
package struct DeliveryPlan: Equatable {
    /// Under whose rights.
    package enum Account: Hashable {
        case user(String)
        /// Relais's own account: what the aliases file names, and root's mail.
        case service
    }

    package enum Action: Equatable {
        /// The account's mailbox, or what its .forward says instead.
        case mailbox(followForward: Bool, extension: [UInt8]?)
        /// Programs, files and lists of the aliases file.
        case targets([Target])
    }

    package struct Part: Equatable {
        package let account: Account
        package let action: Action
    }

    package private(set) var parts: [Part] = []
    /// What is known without becoming anybody.
    package private(set) var outcomes: [DeliveryOutcome] = []
    /// The reverse-path of copies that go on, if the alias has an owner.
    package private(set) var owner: [UInt8]?

    package init(_ decision: RecipientDecision, for address: RecipientAddress, rules: RecipientRules) {
        switch decision.outcome {
        case .user(let user, let detail):
            parts = [
                Part(account: .user(user.name), action: .mailbox(followForward: true, extension: detail))
            ]
        case .rootMailbox:
            parts = [Part(account: .service, action: .mailbox(followForward: true, extension: nil))]
        case .alias(let name, let targets, let owner):
            self.owner = owner.map { Self.qualified($0, address.domain) }
            do throws(LookupFailure) {
                try expand(name, targets, address.domain, rules)
            } catch {
                (parts, outcomes) = ([], [.deferred(EnhancedStatus(4, 3, 0), "recipient lookup failed")])
            }
        case .relay:
            outcomes = [.deferred(EnhancedStatus(4, 3, 5), "the address is not local any more")]
        case .refused(let status, let text):
            outcomes = [.failed(status, text)]
        case .deferred(let status, let text, _):
            outcomes = [.deferred(status, text)]
        }
    }

    private mutating func expand(
        _ name: [UInt8], _ targets: [Target], _ domain: [UInt8]?, _ rules: RecipientRules
    ) throws(LookupFailure) {
        var forwards: [[UInt8]] = []
        var others: [Target] = []
        for target in targets {
            switch target {
            case .address(let text):
                let target = RecipientAddress(text)
                let isSelf =
                    target.localPart.equalsFolded(name) && (target.domain.map(rules.isLocal) ?? true)
                if isSelf {
                    // An alias that names itself means the account behind it: asking again would go round.
                    try add(name, followForward: true, rules)
                } else {
                    forwards.append(Self.qualified(text, domain))
                }
            case .mailbox(let name):
                try add(name, followForward: false, rules)
            case .program, .file, .include:
                others.append(target)
            }
        }
        if !others.isEmpty { parts.append(Part(account: .service, action: .targets(others))) }
        if !forwards.isEmpty { outcomes.append(.forwarded(to: forwards)) }
    }

    private mutating func add(
        _ name: [UInt8], followForward: Bool, _ rules: RecipientRules
    ) throws(LookupFailure) {
        let name = String(decoding: name.folded(), as: UTF8.self)
        let account: Account
        let user = try rules.user(name)
        switch user.map({ rules.keeper(of: $0.uid) }) {
        case .itself: account = .user(user?.name ?? name)
        // Asked for by its address; a mailbox of its own, `\root`, it has none.
        case .relais where followForward: account = .service
        case .another:
            outcomes.append(
                .deferred(EnhancedStatus(4, 3, 5), "this instance delivers for its own user alone"))
            return
        case nil, .nobody, .relais:
            outcomes.append(.failed(EnhancedStatus(5, 1, 1), "user unknown"))
            return
        }
        let action = Action.mailbox(followForward: followForward, extension: nil)
        let part = Part(account: account, action: action)
        if !parts.contains(part) { parts.append(part) }
    }

    /// An address without a domain is one of the domain that led to it.
    package static func qualified(_ address: [UInt8], _ domain: [UInt8]?) -> [UInt8] {
        guard let domain, !address.contains(.ascii("@")) else { return address }
        return address + [.ascii("@")] + domain
    }
}
