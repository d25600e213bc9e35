import Bytes
import Recipients
import Program
import Unix

/// The aliases file: who may write it, what in it leads nowhere, and whether somebody reads root's mail.
struct AliasCheck {
    private let path: String
    private let rules: RecipientRules
    private let isLocal: ([UInt8]) -> Bool

    /// Deeper than that an alias is a maze, whether it ends or not.
    private static let mostDepth = 50
    /// Of one sort, so many lines are told.
    private static let mostTold = 10

    init(_ path: String, _ rules: RecipientRules) {
        self.path = path
        isLocal = rules.isLocal
        var rules = rules
        // Each entry has its questions, and each would read the file.
        if !path.isEmpty, let entries = try? AliasFile(path).snapshot() {
            rules.alias = { names throws(LookupFailure) in
                do throws(AliasFile.Failure) { return try entries.alias(ofAny: names) } catch {
                    throw LookupFailure("\(path): \(error)")
                }
            }
        }
        self.rules = rules
    }

    static func findings(_ installation: Installation) -> [Finding] {
        let configuration = installation.configuration
        var rules = RecipientRules(configuration)
        if installation.isPrivate { rules.onlyUserID = installation.queueOwner }
        let check = AliasCheck(configuration.aliasesFile, rules)
        var findings: [Finding] = []
        if !configuration.aliasesFile.isEmpty {
            do throws(SystemError) {
                guard let about = try Path.status(configuration.aliasesFile) else { return check.root() }
                findings = check.safety(
                    about,
                    owners: [
                        0, installation.queueOwner ?? 0, installation.isPrivate ? installation.askedBy : 0,
                    ])
            } catch { return [.unseen("\(configuration.aliasesFile): \(error)")] }
            findings += check.lines(isSafe: findings.isEmpty) + check.entries()
        }
        return findings + check.root()
    }

    /// Who writes it runs commands as relaisa, and gets everybody's mail.
    func safety(_ about: FileStatus, owners: [UInt32]) -> [Finding] {
        // Anything else is told of where its lines are, or is /dev/null.
        guard about.kind == .regular else { return [] }
        if about.mode & 0o002 != 0 {
            return [.fault("\(path): anybody may write it, and so run commands: chmod 0644 \(path)")]
        }
        if about.mode & 0o020 != 0, about.group != 0 {
            return [.fault("\(path): its group may write it, and so run commands: chmod 0644 \(path)")]
        }
        if !owners.contains(about.user) {
            return [
                .fault(
                    "\(path): belongs to user id \(about.user), who can run commands by it: chown root \(path)"
                )
            ]
        }
        return []
    }

    /// What newaliases tells; not once more that others may write it.
    func lines(isSafe: Bool) -> [Finding] {
        AliasFile(path).check(isLocal: isLocal).problems.filter { isSafe || $0.line > 0 }.prefix(
            Self.mostTold
        ).map {
            .fault("\($0.line == 0 ? path : "\(path):\($0.line)"): \($0.text)")
        }
    }

    /// Names that lead to nobody, and names that lead to themselves.
    func entries() -> [Finding] {
        var unknown: [Finding] = []
        var loops: [Finding] = []
        var looping: Set<[UInt8]> = []
        try? AliasFile(path).forEachEntry { entry throws(AliasFile.Failure) in
            guard !entry.name.isEmpty, let targets = try? entry.targets() else { return true }
            for target in targets {
                guard let address = address(of: target) else { continue }
                if case .refused(_, let why) = decide(address, in: entry.name.folded()).outcome {
                    unknown.append(
                        .fault(
                            "\(path):\(entry.line): \(entry.name.escaped(limit: 64)) leads to \(target.shown): \(why)"
                        ))
                }
            }
            let name = entry.name.folded()
            if !looping.contains(name), let way = loop(from: name) {
                looping.formUnion(way)
                let shown = (way + [name]).map { $0.escaped(limit: 64) }.joined(separator: " -> ")
                loops.append(.fault("\(path):\(entry.line): a loop: \(shown): take one of them out"))
            }
            return true
        }
        return Array(unknown.prefix(Self.mostTold) + loops.prefix(Self.mostTold))
    }

    /// The names on a way that comes back to `name`; nil if there is none. A name that leads to itself at once is the
    /// account of that name.
    private func loop(from name: [UInt8]) -> [[UInt8]]? {
        var seen: Set<[UInt8]> = [name]
        var ways: [[[UInt8]]] = [[name]]
        while let way = ways.popLast(), way.count <= Self.mostDepth {
            for next in names(behind: way[way.count - 1]) {
                if next == name, way.count > 1 { return way }
                if seen.insert(next).inserted { ways.append(way + [next]) }
            }
        }
        return nil
    }

    private func names(behind name: [UInt8]) -> [[UInt8]] {
        let targets = ((try? rules.alias([name])) ?? nil)?.targets ?? []
        return targets.compactMap { address(of: $0) }.compactMap { address in
            ((try? rules.alias(meantBy: address, in: name, rules.alias)) ?? nil)?.name
        }
    }

    /// The address of this host that a target is; nil for what goes elsewhere, or is no address.
    private func address(of target: Target) -> RecipientAddress? {
        guard case .address(let text) = target else { return nil }
        let address = RecipientAddress(text)
        return address.domain.map(isLocal) ?? true ? address : nil
    }

    private func decide(_ address: RecipientAddress, in own: [UInt8]?) -> RecipientDecision {
        rules.decide(localPart: address.localPart, domain: address.domain, in: own)
    }

    /// Mail for root, and so what cron and the host itself report.
    func root() -> [Finding] {
        var seen: Set<[UInt8]> = []
        return isRead(RecipientAddress([UInt8]("root")), in: nil, &seen)
            ? []
            : [
                .fault(
                    "root: no login reads its mail, which goes to relais's own mailbox: write `root: you` into \(path.isEmpty ? "the file of aliases-file" : path)"
                )
            ]
    }

    /// Whether what is sent there comes to somebody, or somewhere that an alias names.
    private func isRead(
        _ address: RecipientAddress, in own: [UInt8]?, _ seen: inout Set<[UInt8]>
    ) -> Bool {
        switch decide(address, in: own).outcome {
        case .user, .relay, .deferred: return true
        case .rootMailbox, .refused: return false
        case .alias(let name, let targets, _):
            guard seen.insert(name).inserted else { return false }
            return targets.contains { target in
                guard case .address = target, let next = self.address(of: target) else {
                    if case .mailbox(let name) = target { return !name.equalsFolded("root") }
                    return true
                }
                return isRead(next, in: name, &seen)
            }
        }
    }
}
