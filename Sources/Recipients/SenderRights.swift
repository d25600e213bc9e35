package import Accounts
import Bytes
package import Mail
import Unix

/// Which addresses are whose: what somebody who has logged in may send under (RFC 6409 §6.1). What sender-logins-file says of an
/// address is all there is to it; of others they are those whose mail comes to the account, with extensions, and by aliases.
package struct SenderRights {
    private let login: [UInt8]
    private let rules: RecipientRules
    private let table: AliasFile?
    private let account: () throws(LookupFailure) -> Account?

    /// Aliases that lead to aliases, at most.
    private static let deepest = 10

    /// `rules`: those of who may relay. `login`: the name that was given with the password. `table`: the file; empty for none.
    package init(
        of login: [UInt8], _ rules: RecipientRules, _ accounts: AccountDatabase, table: String
    ) {
        self.login = login
        self.rules = rules
        self.table = table.isEmpty ? nil : AliasFile(table)
        account = { () throws(LookupFailure) in
            do throws(SystemError) { return try accounts.owner(named: login) } catch {
                throw LookupFailure("\(error)")
            }
        }
    }

    package func include(_ address: Address) throws(LookupFailure) -> Bool {
        if let isListed = try isListed(address) { return isListed }
        guard let account = try account() else { return false }
        return try leads(
            address.unquotedLocalPart, at: address.domain.isEmpty ? nil : address.domain, to: account,
            depth: 0)
    }

    /// What the table says of it: the address itself, or all of its domain. Nil: nothing.
    private func isListed(_ address: Address) throws(LookupFailure) -> Bool? {
        guard let table else { return nil }
        do throws(AliasFile.Failure) {
            for name in [address.text, [.ascii("@")] + address.domain] {
                guard let logins = try table.targets(of: name) else { continue }
                return logins.contains { $0 == .address(login) }
            }
            return nil
        } catch { throw LookupFailure("\(table.path): \(error)") }
    }

    private func leads(
        _ localPart: [UInt8], at domain: [UInt8]?, to account: Account, depth: Int
    ) throws(LookupFailure) -> Bool {
        switch rules.decide(localPart: localPart, domain: domain).outcome {
        case .user(let found, extension: _): return found == account
        case .deferred(_, _, let cause): throw LookupFailure(cause)
        case .rootMailbox, .relay, .refused: return false
        case .alias(_, let targets, owner: _):
            guard depth < Self.deepest else { return false }
            for target in targets {
                guard let next = Self.recipient(target) else { continue }
                let origin = next.domain ?? rules.origin(for: domain)
                if next.localPart.equalsFolded(localPart) {
                    // An alias of the account's own name means its mailbox.
                    if try rules.account(localPart, origin) == account { return true }
                } else if try leads(next.localPart, at: origin, to: account, depth: depth + 1) {
                    return true
                }
            }
            return false
        }
    }

    /// Where a target is somebody.
    private static func recipient(_ target: Target) -> RecipientAddress? {
        switch target {
        case .address(let text), .mailbox(let text): RecipientAddress(text)
        case .program, .file, .include: nil
        }
    }
}
