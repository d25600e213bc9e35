import Accounts
import Bytes
package import Program
import Unix

extension RecipientRules {
    /// The rules of this host: relais.conf, its aliases file and its accounts.
    package init(_ configuration: Configuration) {
        let aliases = configuration.aliasesFile.isEmpty ? nil : AliasFile(configuration.aliasesFile)
        let accounts = configuration.accounts
        let relayed = configuration.relayDomains
        self.init(
            isLocal: { configuration.isLocal(domain: $0) },
            isRelayed: { domain in relayed.contains { domain.equalsFolded($0.utf8) } },
            alias: { name throws(LookupFailure) in
                do throws(AliasFile.Failure) { return try aliases?.targets(of: name) } catch {
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
        sharesUsers = { configuration.sharesUsers(domain: $0[...]) }
        ownDomain = Array(configuration.ownDomain.utf8)
        aliasFile = aliases
        delimiter = configuration.recipientDelimiter.utf8.first
        postmaster = Array(configuration.postmaster.utf8)
        firstUserID = configuration.firstUserID
    }
}
