import Accounts
import Bytes
import Delivery
import Recipients
import Reception
import Mail
import Program
import Unix

/// `-bv`: what each address becomes, step by step; nothing is sent.
struct AddressVerification {
    private let rules: RecipientRules
    /// Aliases whose lists were shown: each is once, whatever roads lead there.
    private var shown: Set<[UInt8]> = []

    init(_ configuration: Configuration) {
        var rules = RecipientRules(configuration)
        // Who sends from this host may send anywhere.
        rules.mayRelay = true
        self.rules = rules
    }

    mutating func run(_ words: [String]) -> ExitStatus {
        guard !words.isEmpty else { Main.tool.fail("no recipients", .usage) }
        var status = ExitStatus.ok
        for word in words {
            let list = AddressList(word.utf8)
            let addresses = list.exactMailboxes.map { $0.address.text }
            if addresses.isEmpty || !list.unclear.isEmpty {
                status = .dataError
                try? File.writeAll(2, "sendmail: bad address \(Array(word.utf8).escaped(limit: 100))\n".utf8)
            }
            for address in addresses where !verify(address, depth: 0) { status = .noUser }
        }
        return status
    }

    /// Prints the steps and the end; whether mail would be accepted. `own`: the alias that leads there.
    private mutating func verify(_ address: [UInt8], in own: [UInt8]? = nil, depth: Int) -> Bool {
        let margin = String(repeating: "  ", count: depth)
        func say(_ text: String) { try? File.writeAll(1, "\(margin)\(text)\n".utf8) }
        let parsed = RecipientAddress(address)
        let decision = rules.decide(
            localPart: parsed.localPart, domain: parsed.domain, in: own, explaining: true)
        let shown = address.escaped(limit: 320)
        for step in decision.steps { say("\(shown): \(step)") }
        switch decision.outcome {
        case .user(let user, _): say("\(shown)... deliverable: mailbox of \(user.name)")
        case .rootMailbox: say("\(shown)... deliverable: mailbox of the postmaster")
        case .relay(let domain): say("\(shown)... deliverable: to \(domain.escaped(limit: 255))")
        case .refused(let status, let text): say("\(shown)... \(status) \(text)")
        case .deferred(let status, let text, _): say("\(shown)... \(status) \(text)")
        case .alias(let name, let targets, _):
            say("\(shown)... deliverable: alias")
            guard self.shown.insert(name).inserted else { break }
            for target in targets {
                guard case .address(let next) = target, depth < AliasExpansion.deepest else {
                    say("  \(target.shown)")
                    continue
                }
                let whole = DeliveryPlan.qualified(next, rules.origin(for: parsed.domain))
                _ = verify(whole, in: name, depth: depth + 1)
            }
        }
        return decision.isAccepted
    }
}

/// `newaliases`: there is no second file to build; what can be done is to say what is wrong.
struct NewAliases {
    let configuration: Configuration

    func run() -> ExitStatus {
        let path = configuration.aliasesFile
        guard !path.isEmpty else { return .ok }
        let (entries, problems) = AliasFile(path).check { configuration.isLocal(domain: $0) }
        for problem in problems {
            let place = problem.line == 0 ? path : "\(path):\(problem.line)"
            try? File.writeAll(2, "newaliases: \(place): \(problem.text)\n".utf8)
        }
        try? File.writeAll(1, "\(path): \(entries) aliases\n".utf8)
        return problems.isEmpty ? .ok : .configuration
    }
}
