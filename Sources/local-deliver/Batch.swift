import Bytes
import Delivery
import Mail
import Program
import Unix

/// All letters of one connection, delivered account by account: under one account in this process, which
/// becomes it for good; under several (an alias that names people and a program) in a process for each.
struct Batch {
    let configuration: Configuration
    let rules: RecipientRules
    let log: Log
    var letters: [Letter]

    /// Whose rights are needed, in order of appearance. A letter that is only passed on is looked at under
    /// relais's own: its header tells whether it has been here.
    var accounts: [DeliveryPlan.Account] {
        var accounts: [DeliveryPlan.Account] = []
        for letter in letters {
            for account in letter.accounts where !accounts.contains(account) { accounts.append(account) }
        }
        return accounts
    }

    /// Letters that can be served together: those of one account; one that needs several is served alone, so that
    /// its report need not wait for another letter's.
    var groups: [(numbers: [Int], accounts: [DeliveryPlan.Account])] {
        var groups: [(numbers: [Int], accounts: [DeliveryPlan.Account])] = []
        for (number, letter) in letters.enumerated() {
            let accounts = letter.accounts
            if accounts.count < 2, let place = groups.firstIndex(where: { $0.accounts == accounts }) {
                groups[place].numbers.append(number)
            } else {
                groups.append(([number], accounts))
            }
        }
        return groups
    }

    /// Becomes the account and delivers its part of these letters.
    func deliver(
        _ numbers: [Int], as account: DeliveryPlan.Account, runner: JobReceiver?, tell: Tell
    ) {
        do throws(AccountFailure) {
            let user = try resolve(account)
            let group = try MailboxDirectory.prepare(for: user, configuration)
            let delivery = try enter(user, keeping: group, runner: runner)
            delivery.deliver(numbers.map { ($0, letters[$0]) }, account, tell: tell)
        } catch {
            log.warning("\(error.text)")
            tell(numbers.map { ($0, [.deferred(EnhancedStatus(4, 3, 0), error.text)]) })
        }
    }

    /// Becomes the account to look, not to deliver.
    func enter(_ account: DeliveryPlan.Account) throws(AccountFailure) -> AccountDelivery {
        try enter(try resolve(account), keeping: nil, runner: nil)
    }

    private func enter(
        _ user: User, keeping group: UInt32?, runner: JobReceiver?
    ) throws(AccountFailure) -> AccountDelivery {
        log.open()
        try become(user, keeping: group)
        return AccountDelivery(
            user: user, configuration: configuration, rules: rules, log: log, keptGroup: group, runner: runner
        )
    }

    private func resolve(_ account: DeliveryPlan.Account) throws(AccountFailure) -> User {
        let found: User?
        do throws(SystemError) {
            switch account {
            case .service where !Identity.isRoot:
                found = try configuration.users.user(withID: Identity.user)
            case .service: found = try configuration.users.user(named: ServiceAccount.aliases)
            case .user(let name): found = try configuration.users.user(named: name)
            }
        } catch { throw AccountFailure("account lookup failed: \(error)") }
        guard let found else { throw AccountFailure("no account \(account.shown)") }
        return found
    }

    private func become(_ user: User, keeping group: UInt32?) throws(AccountFailure) {
        guard user.uid != 0 || !Identity.isRoot else { throw AccountFailure("nothing is delivered as root") }
        do throws(SystemError) {
            let groups = try configuration.users.groups(of: user)
            try Identity.become(user: user.uid, group: user.gid, groups: groups, keeping: group)
        } catch { throw AccountFailure("cannot become \(user.name): \(error)") }
    }
}

/// Why an account cannot be delivered for just now.
struct AccountFailure: Error {
    let text: String
    init(_ text: String) { self.text = text }
}

extension Letter {
    var accounts: [DeliveryPlan.Account] {
        var accounts: [DeliveryPlan.Account] = []
        for part in plan.parts where !accounts.contains(part.account) { accounts.append(part.account) }
        if accounts.isEmpty, plan.outcomes.contains(where: { $0.verdict == .forwarded }) {
            accounts = [.service]
        }
        return accounts
    }
}

extension DeliveryPlan.Account {
    /// As `--only` and messages name it.
    var shown: String {
        switch self {
        case .user(let name): name
        case .service: ServiceAccount.aliases
        }
    }
}
