package import Accounts
import Bytes
import Mail
package import Program
import Unix

/// A lookup that could not be made; the text is for the log.
package struct LookupFailure: Error, Equatable {
    package let text: String
    package init(_ text: String) { self.text = text }
}

/// What `decide` needs to know. The lookups are closures, so that a table can stand for a host.
package struct RecipientRules {
    /// Whether mail for the domain is delivered here; whether strangers may send to it through us.
    package var isLocal: ([UInt8]) -> Bool
    package var isRelayed: ([UInt8]) -> Bool
    /// Of local domains: whether only those have mail there whom the users file or an alias names with it; whether a local part
    /// means the same user there as at the others, and the same alias.
    package var isVirtual: ([UInt8]) -> Bool = { _ in false }
    package var sharesUsers: ([UInt8]) -> Bool = { _ in true }
    /// One that is local and not virtual.
    package var ownDomain: [UInt8]?
    /// Who asks may send anywhere.
    package var mayRelay = false
    package var delimiter: UInt8? = .ascii("+")
    /// Who gets postmaster's mail when no alias and no account says: a local part or an address.
    package var postmaster = [UInt8]("root")
    package var firstUserID: UInt32 = 1000
    /// In an instance that an ordinary user runs: the one user it can deliver for.
    package var onlyUserID: UInt32?
    /// Whether an account that is there, but for an instance with more rights, has its mail wait: that of mail which
    /// was accepted already is not to be returned for it.
    package var defersOthers = false
    /// Whether `decide` looks at the aliases: not for an address that an alias has led to as an account.
    package var looksAtAliases = true
    /// The alias of the first of these names, which are folded, that has one.
    package var alias: ([[UInt8]]) throws(LookupFailure) -> Alias?
    /// Where `alias` looks, for whoever has many names to ask for.
    package var aliasFile: AliasFile?
    /// Whose mail it is that is for a local part at a domain, as it is written or in lower case.
    package var account: ([UInt8], [UInt8]?) throws(LookupFailure) -> Account?

    package init(
        isLocal: @escaping ([UInt8]) -> Bool, isRelayed: @escaping ([UInt8]) -> Bool,
        alias: @escaping ([[UInt8]]) throws(LookupFailure) -> Alias?,
        account: @escaping ([UInt8], [UInt8]?) throws(LookupFailure) -> Account?
    ) {
        self.isLocal = isLocal
        self.isRelayed = isRelayed
        self.alias = alias
        self.account = account
    }
}

extension RecipientRules {
    /// Why a decision came out as it did: sentences that are not even made where nobody asks.
    private struct Steps {
        let areWanted: Bool
        private(set) var texts: [String] = []

        init(areWanted: Bool) { self.areWanted = areWanted }

        mutating func note(_ text: @autoclosure () -> String) {
            if areWanted { texts.append(text()) }
        }
    }

    /// Decides about `localPart` (unquoted) at `domain`; nil: no domain was given, the address is ours. `own`: the alias in
    /// whose list it stands. `explaining`: with the steps that led there.
    package func decide(
        localPart: [UInt8], domain: [UInt8]?, in own: [UInt8]? = nil, explaining: Bool = false
    ) -> RecipientDecision {
        var steps = Steps(areWanted: explaining)
        let outcome: RecipientDecision.Outcome
        do throws(LookupFailure) {
            outcome = try route(localPart, domain, own, &steps)
        } catch {
            steps.note("lookup failed: \(error.text)")
            outcome = .deferred(EnhancedStatus(4, 3, 0), "recipient lookup failed", cause: error.text)
        }
        return RecipientDecision(outcome: outcome, steps: steps.texts)
    }

    private func route(
        _ localPart: [UInt8], _ domain: [UInt8]?, _ own: [UInt8]?, _ steps: inout Steps
    ) throws(LookupFailure) -> RecipientDecision.Outcome {
        guard !localPart.isEmpty, !localPart.contains(where: { $0.isControl }) else {
            steps.note("the local part is empty or holds control characters")
            return .refused(EnhancedStatus(5, 1, 3), "bad recipient address")
        }
        guard let domain else {
            steps.note("no domain: local")
            return try local(localPart, nil, own, &steps)
        }
        guard !domain.isEmpty else {
            steps.note("the domain is empty")
            return .refused(EnhancedStatus(5, 1, 3), "bad recipient address")
        }
        var shown: String { domain.escaped(limit: 255) }
        if isLocal(domain) {
            steps.note("\(shown) is in \(isVirtual(domain) ? "virtual" : "local")-domains")
            return try local(localPart, domain, own, &steps)
        }
        if mayRelay {
            steps.note("\(shown) is another host's, and the sender may relay")
            return .relay(domain)
        }
        guard isRelayed(domain) else {
            steps.note("\(shown) is neither in local-domains nor in relay-domains")
            return .refused(EnhancedStatus(5, 7, 1), "relay access denied")
        }
        // T20: behind us the domain's own host may trust us, and read a route in the local part.
        guard !localPart.contains(where: { "%!@:".utf8.contains($0) }) else {
            steps.note("\(shown) is in relay-domains, but the local part holds a route")
            return .refused(EnhancedStatus(5, 7, 1), "relay access denied")
        }
        steps.note("\(shown) is in relay-domains")
        return .relay(domain)
    }

    /// Aliases first, then accounts, then the alias of all others; the whole local part first, then what stands before the
    /// delimiter.
    private func local(
        _ localPart: [UInt8], _ domain: [UInt8]?, _ own: [UInt8]?, _ steps: inout Steps
    ) throws(LookupFailure) -> RecipientDecision.Outcome {
        let names = looksAtAliases ? aliasNames(localPart, at: domain, in: own) : []
        if let outcome = try aliasOutcome(names, &steps) { return outcome }
        if let outcome = try accountOutcome(localPart, domain, &steps) { return outcome }
        let others = looksAtAliases ? catchAllNames(at: domain, in: own) : []
        if let outcome = try aliasOutcome(others, &steps) { return outcome }
        let (base, _) = Self.split(localPart, at: delimiter)
        if base.equalsFolded("postmaster") {
            // RFC 5321 §4.5.1: postmaster is always there. A virtual domain without one of its own has the host's.
            let isHosts = !(domain.map(isVirtual) ?? false)
            return try isHosts ? postmasterOutcome(&steps) : local(localPart, nil, own, &steps)
        }
        return .refused(EnhancedStatus(5, 1, 1), "user unknown")
    }

    private func aliasOutcome(
        _ names: [[UInt8]], _ steps: inout Steps
    ) throws(LookupFailure) -> RecipientDecision.Outcome? {
        guard !names.isEmpty else { return nil }
        guard let found = try alias(names) else {
            for name in names where name.first != .ascii("@") {
                steps.note("no alias \(name.escaped(limit: 320))")
            }
            return nil
        }
        steps.note("alias \(found.name.escaped(limit: 320)), \(found.targets.count) targets")
        return .alias(found.name, found.targets, owner: try owner(of: found, alias))
    }

    /// Whether somebody of this host has the mail for an address of it where no alias does.
    package func hasAccount(_ address: RecipientAddress) throws(LookupFailure) -> Bool {
        var steps = Steps(areWanted: false)
        return try accountOutcome(address.localPart, address.domain, &steps) != nil
    }

    private func accountOutcome(
        _ localPart: [UInt8], _ domain: [UInt8]?, _ steps: inout Steps
    ) throws(LookupFailure) -> RecipientDecision.Outcome? {
        if let outcome = try mailbox(localPart, domain, &steps) { return outcome }
        let (base, detail) = Self.split(localPart, at: delimiter)
        return detail == nil ? nil : try mailbox(base, domain, extension: detail, &steps)
    }

    private func postmasterOutcome(
        _ steps: inout Steps
    ) throws(LookupFailure) -> RecipientDecision.Outcome {
        var shown: String { postmaster.escaped(limit: 64) }
        steps.note("postmaster is \(shown)")
        if postmaster.equalsFolded("postmaster") { return .rootMailbox }
        if postmaster.contains(.ascii("@")) {
            let isSomebody = try leadsToSomebody(RecipientAddress(postmaster))
            return isSomebody
                ? .alias([UInt8]("postmaster"), [.address(postmaster)], owner: nil) : .rootMailbox
        }
        if let found = try alias([postmaster.folded()]) {
            steps.note("alias \(shown), \(found.targets.count) targets")
            return .alias(found.name, found.targets, owner: nil)
        }
        // A postmaster who is configured but missing must not make us refuse postmaster's mail.
        return try mailbox(postmaster, nil, &steps) ?? .rootMailbox
    }

    /// Whether mail for an address goes to another host, to an alias or to an account: neither is postmaster's own at a domain of
    /// this host, which would come back.
    private func leadsToSomebody(_ address: RecipientAddress) throws(LookupFailure) -> Bool {
        guard let domain = address.domain, isLocal(domain) else { return true }
        if try alias(meantBy: address, in: nil, alias) != nil { return true }
        return try hasAccount(address)
    }

    /// The account whose mail it is, if it may have mail.
    private func mailbox(
        _ name: [UInt8], _ domain: [UInt8]?, extension detail: [UInt8]? = nil, _ steps: inout Steps
    ) throws(LookupFailure) -> RecipientDecision.Outcome? {
        var shown: String { name.escaped(limit: 64) }
        guard AccountDatabase.isName(name) else {
            steps.note("no account can be called \(shown)")
            return nil
        }
        guard let found = try account(name, domain) else {
            steps.note("no account \(shown)")
            return nil
        }
        switch keeper(of: found.uid) {
        case let keeper where keeper != .itself && onlyUserID != nil && !defersOthers:
            steps.note("account \(shown), but this private instance delivers for its own user alone")
            return nil
        case .nobody:
            steps.note("account \(shown), which is nobody's")
            return nil
        case .relais where !found.isSystems:
            steps.note("user \(found.name), but uid \(found.uid) is no person's (first-user-id)")
            return .refused(EnhancedStatus(5, 1, 1), "user unknown")
        case .relais where found.uid == 0:
            steps.note("root gets no mail as root: it goes to relais's own mailbox")
            return .rootMailbox
        case .relais:
            steps.note(
                "account \(shown), but its uid \(found.uid) is no person's (first-user-id): root's mail")
            return try rootOutcome(&steps)
        case .another:
            steps.note("account \(shown), but only an instance with root's rights delivers for it")
            return .notByThisUser(found)
        case .itself: break
        }
        var behind: String { detail.map { ", extension \($0.escaped(limit: 64))" } ?? "" }
        steps.note("account \(found.name)\(behind)")
        return .user(found, extension: detail)
    }

    /// Where an alias sends root's mail, or relais's own mailbox. What goes to an account that is no person's is
    /// written by a program for whoever runs the host (cron's words for www-data); Debian's aliases file lists
    /// such accounts one by one, and the next package's is not on it.
    private func rootOutcome(_ steps: inout Steps) throws(LookupFailure) -> RecipientDecision.Outcome {
        let root = [UInt8]("root")
        guard let found = try alias([root]) else { return .rootMailbox }
        steps.note("alias root, \(found.targets.count) targets")
        return .alias(root, found.targets, owner: nil)
    }

    /// Under whose rights an account's mail is delivered.
    package enum Keeper {
        case itself
        /// Root's and the system's: nothing is delivered as these.
        case relais
        /// Its own, but by an instance that has more rights than this one.
        case another
        case nobody
    }

    /// 65534 and 65535 are nobody on every system, and -1 is no uid.
    package func keeper(of uid: UInt32) -> Keeper {
        if uid == onlyUserID, uid != 0 { return .itself }
        if uid == 65534 || uid == 65535 || uid == .max { return .nobody }
        if uid == 0 || uid < firstUserID { return .relais }
        return onlyUserID == nil ? .itself : .another
    }

    /// Whether a list of the account's own means its mailbox by `address`, where mail for `recipient` is the account's: else it
    /// is one of others, who may have the same local part in another domain.
    package func isOwn(
        _ address: RecipientAddress, of account: Account, as recipient: RecipientAddress
    ) -> Bool {
        guard address.localPart.equalsFolded(account.localPart) else { return false }
        guard let domain = address.domain else { return true }
        if account.domain == nil, isLocal(domain), sharesUsers(domain) { return true }
        let base = Self.split(recipient.localPart, at: delimiter).base
        return base.equalsFolded(account.localPart) && recipient.domain?.equalsFolded(domain) == true
    }

    /// The domain of addresses without one that mail for `domain` leads to: aliases lead to users of the host.
    package func origin(for domain: [UInt8]?) -> [UInt8]? {
        domain.map(isVirtual) == true ? ownDomain : domain
    }

    /// What stands before and behind the first delimiter that is not at the very front.
    package static func split(
        _ localPart: [UInt8], at delimiter: UInt8?
    ) -> (base: [UInt8], detail: [UInt8]?) {
        guard let delimiter, let place = localPart.dropFirst().firstIndex(of: delimiter) else {
            return (localPart, nil)
        }
        return (Array(localPart[..<place]), Array(localPart[(place + 1)...]))
    }
}

extension RecipientRules {
    /// The rules of this host: relais.conf, its aliases file and its accounts.
    package init(_ configuration: Configuration) {
        let aliases = configuration.aliasesFile.isEmpty ? nil : AliasFile(configuration.aliasesFile)
        let accounts = configuration.accounts
        let relayed = configuration.relayDomains
        self.init(
            isLocal: { configuration.isLocal(domain: $0) },
            isRelayed: { domain in relayed.contains { domain.equalsFolded($0.utf8) } },
            alias: { names throws(LookupFailure) in
                do throws(AliasFile.Failure) { return try aliases?.alias(ofAny: names) } catch {
                    throw LookupFailure("\(configuration.aliasesFile): \(error)")
                }
            },
            account: { localPart, domain throws(LookupFailure) in
                do throws(AccountDatabase.Failure) {
                    return try accounts.account(
                        for: localPart, at: domain,
                        isVirtual: domain.map { configuration.isVirtual(domain: $0) } ?? false)
                } catch {
                    throw LookupFailure("\(error)")
                }
            })
        isVirtual = { configuration.isVirtual(domain: $0) }
        let domains = aliases.map { DomainNames(of: $0) }
        sharesUsers = { configuration.sharesUsers(domain: $0[...]) && domains?.areThere != true }
        ownDomain = Array(configuration.ownDomain.utf8)
        aliasFile = aliases
        delimiter = configuration.recipientDelimiter.utf8.first
        postmaster = Array(configuration.postmaster.utf8)
        firstUserID = configuration.firstUserID
    }
}
