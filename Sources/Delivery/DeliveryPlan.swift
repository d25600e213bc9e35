package import Jobs
package import Recipients
package import Accounts
import Bytes
import Mail

/// How one local recipient's mail is delivered: under which accounts, what is done there, and where copies
/// go on to. Made as root from a decision; nothing of a user's is looked at for it.
package struct DeliveryPlan: Equatable {
    /// Under whose.
    package enum Rights: Hashable {
        case account(Account)
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
        package let rights: Rights
        package let action: Action
    }

    package private(set) var parts: [Part] = []
    /// What is known without becoming anybody.
    package private(set) var outcomes: [DeliveryOutcome] = []
    /// The reverse-path of copies that go on, if the alias has an owner.
    package private(set) var owner: [UInt8]?
    /// Whether a `Delivered-To:` of the same address means that the message goes round. One that an alias has sent
    /// on to the account of the same name does not.
    package private(set) var looksForLoops = true

    /// Nothing yet.
    package static let undecided = DeliveryPlan()

    private init() {}

    /// `meaning`: what is decided of the address already. `isByHand`: there is no queue behind this process, which
    /// keeps what is decided, so one alias is taken at a time, and what it says of accounts is done here.
    package init(
        _ decision: RecipientDecision, for address: RecipientAddress, meaning: Successor.Meaning = .open,
        isByHand: Bool = false, rules: RecipientRules
    ) {
        looksForLoops = meaning == .open
        let origin = rules.origin(for: address.domain)
        switch decision.outcome {
        case _ where meaning == .mailbox:
            do throws(LookupFailure) { try add(address, followForward: false, rules) } catch {
                (parts, outcomes) = ([], [Self.lookupFailed])
            }
        case .user(let account, let detail):
            parts = [
                Part(rights: .account(account), action: .mailbox(followForward: true, extension: detail))
            ]
        case .rootMailbox:
            parts = [Part(rights: .service, action: .mailbox(followForward: true, extension: nil))]
        case .alias(let name, let targets, let owner):
            self.owner = owner.map { Self.qualified($0, origin) }
            if meaning == .targets {
                serve(targets.filter { $0.isServedByRelais })
            } else {
                looksForLoops = true
                expand(name, targets, origin, isByHand: isByHand, rules)
            }
        case .relay:
            outcomes = [.deferred(EnhancedStatus(4, 3, 5), "the address is not local any more")]
        case .refused(let status, let text):
            outcomes = [.failed(status, text)]
        case .deferred(let status, let text, _):
            outcomes = [.deferred(status, text)]
        }
    }

    private mutating func serve(_ targets: [Target]) {
        if !targets.isEmpty { parts.append(Part(rights: .service, action: .targets(targets))) }
    }

    private mutating func expand(
        _ name: [UInt8], _ targets: [Target], _ domain: [UInt8]?, isByHand: Bool, _ rules: RecipientRules
    ) {
        let expansion: AliasExpansion
        do throws(AliasExpansion.Failure) {
            expansion = try AliasExpansion(
                of: name, targets, origin: domain, rules: rules,
                deepest: isByHand ? 0 : AliasExpansion.deepest)
        } catch {
            var outcome = DeliveryOutcome.failed(error.status, error.text)
            outcome.answerable = owner ?? []
            outcomes = [outcome]
            return
        }
        var copies = expansion.copies
        do throws(LookupFailure) {
            if isByHand { copies = try serveAccounts(among: copies, of: name, rules) }
            serve(expansion.others)
            if !copies.isEmpty { outcomes.append(.forwarded(as: copies)) }
        } catch {
            (parts, outcomes) = ([], [Self.lookupFailed])
        }
    }

    private static let lookupFailed = DeliveryOutcome.deferred(
        EnhancedStatus(4, 3, 0), "recipient lookup failed")

    /// Mailboxes, and the account that the alias `name` is called like, which would lead to the alias again; the
    /// others are the result.
    private mutating func serveAccounts(
        among copies: [Report.Forward.Copy], of name: [UInt8], _ rules: RecipientRules
    ) throws(LookupFailure) -> [Report.Forward.Copy] {
        var left: [Report.Forward.Copy] = []
        for var copy in copies {
            var others: [Successor] = []
            for successor in copy.recipients {
                var address = RecipientAddress(successor.address)
                let names = rules.aliasNames(address.localPart, at: address.domain)
                if successor.meaning == .mailbox {
                    try add(address, followForward: false, rules)
                } else if successor.meaning == .account, names.contains(name) {
                    address.localPart = RecipientRules.split(address.localPart, at: rules.delimiter).base
                    try add(address, followForward: true, rules)
                } else {
                    others.append(successor)
                }
            }
            copy.recipients = others
            if !others.isEmpty { left.append(copy) }
        }
        return left
    }

    private mutating func add(
        _ address: RecipientAddress, followForward: Bool, _ rules: RecipientRules
    ) throws(LookupFailure) {
        let rights: Rights
        let account = try rules.account(address.localPart, address.domain)
        switch account.map({ (account: $0, keeper: rules.keeper(of: $0.uid)) }) {
        case (let account, .itself)?: rights = .account(account)
        // Asked for by its address; a mailbox of its own, `\root`, it has none.
        case (let account, .relais)? where followForward && account.isSystems: rights = .service
        case (_, .another)?:
            outcomes.append(
                .deferred(EnhancedStatus(4, 3, 5), "this instance delivers for its own user alone"))
            return
        case nil, (_, .nobody)?, (_, .relais)?:
            outcomes.append(.failed(EnhancedStatus(5, 1, 1), "user unknown"))
            return
        }
        let action = Action.mailbox(followForward: followForward, extension: nil)
        let part = Part(rights: rights, action: action)
        if !parts.contains(part) { parts.append(part) }
    }

    /// An address without a domain is one of the domain that led to it.
    package static func qualified(_ address: [UInt8], _ domain: [UInt8]?) -> [UInt8] {
        guard let domain, !address.contains(.ascii("@")) else { return address }
        return address + [.ascii("@")] + domain
    }
}
