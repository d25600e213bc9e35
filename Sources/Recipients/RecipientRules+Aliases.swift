import Bytes
import Unix

/// Which aliases an address means. An alias for one address goes before the one of that name for all of local-domains, and
/// either before an account: so it is with Postfix's virtual(5) and aliases(5). One for a whole domain comes behind the accounts.
extension RecipientRules {
    /// Their names, folded; the first that is there counts. Those without a domain are the host's: at a virtual domain they mean
    /// nobody. `own`: the alias in whose list the address stands, which means by its own name what is behind it: the alias of that
    /// name without a domain, or the account.
    package func aliasNames(_ localPart: [UInt8], at domain: [UInt8]?, in own: [UInt8]? = nil) -> [[UInt8]] {
        // What is quoted may look like somebody's address at another domain.
        guard !localPart.contains(.ascii("@")) else { return [] }
        let (base, detail) = Self.split(localPart, at: delimiter)
        let names = detail == nil ? [localPart.folded()] : [localPart.folded(), base.folded()]
        let complete = Self.domainKey(domain ?? ownDomain).map { key in names.map { $0 + key } } ?? []
        let isHosts = !(domain.map(isVirtual) ?? false)
        return Array(complete.prefix { $0 != own }) + (isHosts ? names.prefix { $0 != own } : [])
    }

    /// That of the alias which has the mail of all of a domain for whom there is nothing else.
    package func catchAllNames(at domain: [UInt8]?, in own: [UInt8]? = nil) -> [[UInt8]] {
        guard let key = Self.domainKey(domain ?? ownDomain), key != own else { return [] }
        return [key]
    }

    private static func domainKey(_ domain: [UInt8]?) -> [UInt8]? {
        domain.map { [.ascii("@")] + ($0.last == .dot ? $0.dropLast() : $0[...]).folded() }
    }

    /// The alias that an address of this host means, if it does; `lookup` stands for `alias`.
    package func alias(
        meantBy address: RecipientAddress, in own: [UInt8]?,
        _ lookup: ([[UInt8]]) throws(LookupFailure) -> Alias?
    ) throws(LookupFailure) -> Alias? {
        let names = aliasNames(address.localPart, at: address.domain, in: own)
        if !names.isEmpty, let found = try lookup(names) { return found }
        let others = catchAllNames(at: address.domain, in: own)
        guard !others.isEmpty, let found = try lookup(others) else { return nil }
        return try hasAccount(address) ? nil : found
    }

    /// Who answers for a list: `owner-NAME`, if there is such an alias.
    package func owner(
        of alias: Alias, _ lookup: ([[UInt8]]) throws(LookupFailure) -> Alias?
    ) throws(LookupFailure) -> [UInt8]? {
        guard !alias.isCatchAll else { return nil }
        return try lookup([[UInt8]("owner-") + alias.name])?.name
    }
}

/// Whether the aliases file has names of one domain alone, for who has many questions: one costs a stat, until it changes.
final class DomainNames {
    private let file: AliasFile
    private var held: (status: FileStatus, areThere: Bool)?

    init(of file: AliasFile) { self.file = file }

    /// Where it cannot be told they are: a copy too many is better than none.
    var areThere: Bool {
        // Before it is read: what changes meanwhile is read again.
        guard let status = try? Path.status(file.path) else { return (try? file.domains())?.isEmpty != true }
        if let held, held.status == status { return held.areThere }
        guard let domains = try? file.domains() else { return true }
        held = (status: status, areThere: !domains.isEmpty)
        return !domains.isEmpty
    }
}
