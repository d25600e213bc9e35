package import Jobs
import Bytes

/// Who has a message, or gets it as one of its recipients, so that a copy which another recipient's alias or
/// .forward asks for need not go there as well. It is only believed of copies that are in the queue, and of
/// recipients whose mail goes where the address says.
package struct Coverage {
    private let isLocal: ([UInt8]) -> Bool
    private let sharesUsers: ([UInt8]) -> Bool
    /// The message's own recipients by address, with their numbers.
    private var direct: [[UInt8]: [(number: Int, meaning: Successor.Meaning)]] = [:]
    /// What copies have gone to.
    private var sent: Set<[UInt8]> = []

    /// `sharesUsers`: as `RecipientRules` has it.
    package init(
        _ recipients: [Successor], isLocal: @escaping ([UInt8]) -> Bool,
        sharesUsers: @escaping ([UInt8]) -> Bool = { _ in true }
    ) {
        self.isLocal = isLocal
        self.sharesUsers = sharesUsers
        for (index, recipient) in recipients.enumerated() {
            direct[Self.key(Successor(recipient.address), isLocal, sharesUsers), default: []].append(
                (index + 1, recipient.meaning))
        }
    }

    /// Whether `successor` of the recipient with this number needs no copy. `isAlias`: whether there is an alias
    /// for an address of this host, or that cannot be told; asked where it matters.
    package func covers(
        _ successor: Successor, of recipient: Int, isAlias: (RecipientAddress) -> Bool
    ) -> Bool {
        let key = Self.key(successor, isLocal, sharesUsers)
        if sent.contains(key) { return true }
        let address = RecipientAddress(successor.address)
        let isRemote = address.domain.map { !isLocal($0) } ?? false
        let others = (direct[[Successor.Meaning.open.rawValue] + key.dropFirst()] ?? []).filter {
            $0.number != recipient
        }
        if isRemote { return !others.isEmpty }
        switch successor.meaning {
        case .mailbox: return false
        // The alias serves them itself.
        case .targets: return others.contains { $0.meaning == .open }
        case .account:
            if others.contains(where: { $0.meaning == .account }) { return true }
            let isOpen =
                others.contains { $0.meaning == .open } || sent.contains(Self.changed(key, to: .open))
            return isOpen && !isAlias(address)
        // Another recipient's .forward may lead back here: then each would rely on the other.
        case .open: return sent.contains(Self.changed(key, to: .account)) && !isAlias(address)
        }
    }

    /// A copy has gone there.
    package mutating func note(_ successors: [Successor]) {
        for successor in successors { sent.insert(Self.key(successor, isLocal, sharesUsers)) }
    }

    /// The same for all spellings of an address: the case of a local part is its own host's to ignore.
    package static func key(
        _ successor: Successor, _ isLocal: ([UInt8]) -> Bool, _ sharesUsers: ([UInt8]) -> Bool
    ) -> [UInt8] {
        let address = RecipientAddress(successor.address)
        let start = [successor.meaning.rawValue]
        guard let domain = address.domain, !isLocal(domain) || !sharesUsers(domain) else {
            return start + address.localPart.folded()
        }
        let localPart = isLocal(domain) ? address.localPart.folded() : address.localPart
        return start + localPart + [.ascii("@")] + domain.folded()
    }

    private static func changed(_ key: [UInt8], to meaning: Successor.Meaning) -> [UInt8] {
        [meaning.rawValue] + key.dropFirst()
    }
}
