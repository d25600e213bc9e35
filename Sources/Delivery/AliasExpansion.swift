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
        var levels = [Level(rest: targets[...], name: name, owner: nil)]
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
                if levels.count == 1 { others.append(target) } else { add(level.name, .targets, level.owner) }
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
        let address = RecipientAddress(text)
        guard address.domain.map(rules.isLocal) ?? true else {
            add(text, .open, level.owner)
            return nil
        }
        for name in rules.aliasNames(address.localPart, at: address.domain) {
            // An alias that names itself means the account behind it.
            if name == level.name { break }
            do throws(LookupFailure) {
                guard let targets = try alias(name) else { continue }
                guard isFollowed else {
                    add(text, .open, level.owner)
                    return nil
                }
                let owner = [UInt8]("owner-") + name
                let hasOwner = try alias(owner) != nil
                guard visited.insert(name).inserted else { return nil }
                return Level(
                    rest: targets[...], name: name,
                    owner: hasOwner ? DeliveryPlan.qualified(owner, origin) : level.owner)
            } catch {
                // A bad entry harms nobody but its own name: it is looked at again by itself.
                add(text, .open, level.owner)
                return nil
            }
        }
        add(text, .account, level.owner)
        return nil
    }

    private mutating func alias(_ name: [UInt8]) throws(LookupFailure) -> [Target]? {
        lookups += 1
        guard let file = rules.aliasFile, lookups > Self.fewLookups else { return try rules.alias(name) }
        do throws(AliasFile.Failure) {
            if let snapshot { return try snapshot.targets(of: name) }
            let made = try file.snapshot()
            snapshot = made
            return try made.targets(of: name)
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
