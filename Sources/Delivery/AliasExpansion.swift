package import Jobs
package import Recipients
import Bytes
package import Mail

/// What an alias comes to, with all that it leads to: each alias is looked at once, by whatever roads it is reached,
/// and each address is named once. What is in the end somebody's mail goes on as one copy (one for each owner of a
/// list), programs and files of the alias itself are served where it is.
package struct AliasExpansion {
    /// Why it comes to nothing; for the sender, and for whoever answers for the alias.
    package struct Failure: Error, Equatable {
        package let status: EnhancedStatus
        package let text: String
    }

    /// A copy without a reverse-path has the one of the alias that it began with.
    package private(set) var copies: [Report.Forward.Copy] = []
    /// Programs, files and lists of the alias itself. Those of others become recipients (`Successor.Meaning.targets`),
    /// so that each is tried again by itself, and two lists that lead there run it once.
    package private(set) var others: [Target] = []

    private var seen: Set<[UInt8]> = []
    private var visited: Set<[UInt8]>
    private var lookups = 0
    private var snapshot: AliasFile.Snapshot?
    private let rules: RecipientRules
    private let origin: [UInt8]?

    /// Most aliases within aliases.
    package static let deepest = 100
    /// So many names are looked for in the file; from then on it is held in memory.
    private static let fewLookups = 8

    private struct Level {
        var rest: ArraySlice<Target>
        let name: [UInt8]
        /// What leads to this alias, and to no other.
        let address: [UInt8]
        /// The reverse-path of what it leads to; nil: the first alias's.
        let owner: [UInt8]?
    }

    /// `name` is folded; an address without a domain gets `origin`. `deepest`: how many aliases within aliases are
    /// followed; with 0, what is one goes on as an address.
    package init(
        of name: [UInt8], _ targets: [Target], origin: [UInt8]?, rules: RecipientRules, deepest: Int = deepest
    ) throws(Failure) {
        self.rules = rules
        self.origin = origin
        visited = [name]
        var levels = [Level(rest: targets[...], name: name, address: name, owner: nil)]
        while var level = levels.popLast() {
            guard let target = level.rest.popFirst() else { continue }
            levels.append(level)
            switch target {
            case .address(let text):
                guard let alias = next(text, in: level, isFollowed: deepest > 0) else { break }
                guard levels.count <= deepest else {
                    throw Failure(
                        status: EnhancedStatus(5, 2, 4),
                        text:
                            "aliases are nested more than \(deepest) deep at \(alias.name.escaped(limit: 64))"
                    )
                }
                levels.append(alias)
            case .mailbox(let name): add(name, .mailbox, level.owner)
            case .program, .file, .include:
                if levels.count == 1 {
                    others.append(target)
                } else {
                    add(level.address, .targets, level.owner)
                }
            }
            guard seen.count <= Target.most else {
                throw Failure(
                    status: EnhancedStatus(5, 2, 4),
                    text: "alias \(name.escaped(limit: 64)) leads to more than \(Target.most) addresses")
            }
        }
        guard !copies.isEmpty || !others.isEmpty else {
            throw Failure(
                status: EnhancedStatus(5, 4, 6),
                text: "alias \(name.escaped(limit: 64)) leads nowhere but to itself")
        }
    }

    /// The alias that an address means and that was not met before; nil: the address has been dealt with.
    private mutating func next(_ text: [UInt8], in level: Level, isFollowed: Bool) -> Level? {
        let text = DeliveryPlan.qualified(text, origin)
        let address = RecipientAddress(text)
        guard address.domain.map(rules.isLocal) ?? true else {
            add(text, .open, level.owner)
            return nil
        }
        let rules = rules
        do throws(LookupFailure) {
            let found = try rules.alias(meantBy: address, in: level.name) { names throws(LookupFailure) in
                try alias(ofAny: names)
            }
            guard let found else {
                add(text, .account, level.owner)
                return nil
            }
            guard isFollowed else {
                add(text, .open, level.owner)
                return nil
            }
            let owner = try rules.owner(of: found) { names throws(LookupFailure) in try alias(ofAny: names) }
            guard visited.insert(found.name).inserted else {
                // What a domain's alias runs wants to know for whom: it is run for each.
                let isRun = found.isCatchAll && found.targets.contains { $0.isServedByRelais }
                if isRun { add(text, .targets, level.owner) }
                return nil
            }
            return Level(
                rest: found.targets[...], name: found.name,
                address: found.isCatchAll ? text : DeliveryPlan.qualified(found.name, address.domain),
                owner: owner.map { DeliveryPlan.qualified($0, origin) } ?? level.owner)
        } catch {
            // A bad entry harms nobody but its own name: it is looked at again by itself.
            add(text, .open, level.owner)
            return nil
        }
    }

    private mutating func alias(ofAny names: [[UInt8]]) throws(LookupFailure) -> Alias? {
        lookups += 1
        guard let file = rules.aliasFile, lookups > Self.fewLookups else { return try rules.alias(names) }
        do throws(AliasFile.Failure) {
            if let snapshot { return try snapshot.alias(ofAny: names) }
            let made = try file.snapshot()
            snapshot = made
            return try made.alias(ofAny: names)
        } catch { throw LookupFailure("\(file.path): \(error)") }
    }

    private mutating func add(_ address: [UInt8], _ meaning: Successor.Meaning, _ owner: [UInt8]?) {
        let successor = Successor(DeliveryPlan.qualified(address, origin), meaning)
        guard seen.insert(Coverage.key(successor, rules.isLocal, rules.sharesUsers)).inserted else { return }
        if let place = copies.firstIndex(where: { $0.reversePath == owner }) {
            copies[place].recipients.append(successor)
        } else {
            copies.append(.init(reversePath: owner, recipients: [successor]))
        }
    }
}
