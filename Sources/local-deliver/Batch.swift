import Accounts
import Bytes
import Delivery
import Jobs
import Recipients
import Mail
import Program
import Unix

/// All letters of one connection, delivered account by account: under one account in this process, which
/// becomes it for good; under several (an alias that names people and a program) in a process for each.
///
/// Commands take long. What is done for a letter is decided by what relais.conf and the aliases file say when its turn
/// comes.
final class Batch {
    /// Nil by hand.
    private let source: ConfigurationSource?
    private(set) var configuration: Configuration
    private(set) var rules: RecipientRules
    let log: Log
    private(set) var letters: [Letter]
    /// Those whose turn has come: what was decided of them stays.
    private var begun: Set<Int> = []
    private var seenAliases: FileStatus?
    /// Whether this process has a part of the letters only: what is told of them beside it was decided elsewhere.
    private let isPart: Bool

    init(_ configuration: Configuration, _ rules: RecipientRules, log: Log, letters: [Letter]) {
        (source, isPart) = (nil, false)
        (self.configuration, self.rules, self.log, self.letters) = (configuration, rules, log, letters)
    }

    /// The letters are planned here.
    init(_ source: ConfigurationSource, log: Log, letters: [Letter], isPart: Bool) {
        self.source = source
        self.isPart = isPart
        self.log = log
        self.letters = letters
        configuration = source.current
        rules = RecipientRules(ofService: source.current)
        // Before it is read: what changes meanwhile is read again.
        seenAliases = Self.status(configuration.aliasesFile)
        planOthers()
    }

    /// Whose rights are needed, in order of appearance. A letter that is only passed on is looked at under
    /// relais's own: its header tells whether it has been here.
    var rights: [DeliveryPlan.Rights] {
        var rights: [DeliveryPlan.Rights] = []
        for letter in letters {
            for one in letter.rights where !rights.contains(one) { rights.append(one) }
        }
        return rights
    }

    // MARK: When it is decided

    private static func status(_ path: String) -> FileStatus? {
        path.isEmpty ? nil : (try? Path.status(path)) ?? nil
    }

    /// Asks for changes; what they mean for letters whose turn has not come. Costs two stats.
    private func refresh() {
        guard let source else { return }
        var hasChanged = false
        switch source.refresh() {
        case .none: break
        case .damaged(let error): log.error("\(error); what was read before still holds")
        case .changed:
            configuration = source.current
            rules = RecipientRules(ofService: configuration)
            hasChanged = true
        }
        let aliases = Self.status(configuration.aliasesFile)
        if aliases != seenAliases {
            seenAliases = aliases
            hasChanged = true
        }
        if hasChanged { planOthers() }
    }

    private func planOthers() {
        for number in letters.indices where !begun.contains(number) {
            letters[number].plan = plan(letters[number])
        }
    }

    private func plan(_ letter: Letter) -> DeliveryPlan {
        var rules = rules
        rules.looksAtAliases = letter.meaning != .account
        let address = letter.target
        let decision = rules.decide(localPart: address.localPart, domain: address.domain)
        if case .deferred(_, _, let cause) = decision.outcome { log.warning(cause) }
        let plan = DeliveryPlan(decision, for: address, meaning: letter.meaning, rules: rules)
        for outcome in plan.outcomes where outcome.answerable != nil {
            log.warning("\(outcome.text.escaped())")
        }
        return plan
    }

    /// The next letters that can be served together: those of one account. One that needs several is served alone, so
    /// that its report need not wait for another letter's; so is, where others deliver (`byOthers`), one of which more
    /// is to be told than they know.
    func nextGroup(byOthers: Bool) -> (numbers: [Int], rights: [DeliveryPlan.Rights])? {
        refresh()
        let left = letters.indices.filter { !begun.contains($0) }
        guard let first = left.first else { return nil }
        let rights = letters[first].rights
        func isAlone(_ number: Int) -> Bool { byOthers && !letters[number].plan.outcomes.isEmpty }
        guard rights.isEmpty || rights.count == 1 && !isAlone(first) else { return ([first], rights) }
        return (left.filter { letters[$0].rights == rights && (rights.isEmpty || !isAlone($0)) }, rights)
    }

    func begin(_ numbers: [Int]) { begun.formUnion(numbers) }

    /// A letter whose turn has come; nil where what is to be done with it by now is not this process's to do.
    func turn(of number: Int, after letter: Letter) -> Letter? {
        refresh()
        begun.insert(number)
        let now = letters[number]
        let isOurs =
            now.rights == letter.rights && (!isPart || now.plan.outcomes == letter.plan.outcomes)
        if !isOurs { letters[number].plan = letter.plan }
        return isOurs ? now : nil
    }

    /// Whether a letter that has begun would be planned otherwise by now.
    func isOutOfDate(_ number: Int) -> Bool {
        refresh()
        return plan(letters[number]) != letters[number].plan
    }

    // MARK: Delivery

    /// Becomes the account and delivers its part of these letters.
    func deliver(_ numbers: [Int], as rights: DeliveryPlan.Rights, runner: JobReceiver?, tell: Tell) {
        do throws(AccountFailure) {
            let account = try account(of: rights)
            let group = try MailboxDirectory.prepare(for: account, configuration)
            let delivery = try enter(account, keeping: group, runner: runner)
            try makeHome(of: account)
            delivery.deliver(numbers, rights, tell: tell)
        } catch {
            log.warning(error.cause)
            tell(numbers.map { ($0, [.deferred(EnhancedStatus(4, 3, 0), error.text)]) })
        }
    }

    /// Becomes the account to look, not to deliver.
    func enter(_ rights: DeliveryPlan.Rights) throws(AccountFailure) -> AccountDelivery {
        try enter(try account(of: rights), keeping: nil, runner: nil)
    }

    private func enter(
        _ account: Account, keeping group: UInt32?, runner: JobReceiver?
    ) throws(AccountFailure) -> AccountDelivery {
        log.open()
        try become(account, keeping: group)
        return AccountDelivery(account: account, batch: self, keptGroup: group, runner: runner)
    }

    private func account(of rights: DeliveryPlan.Rights) throws(AccountFailure) -> Account {
        if case .account(let account) = rights { return account }
        let found: Account?
        do throws(SystemError) { found = try ServiceAccount.serving(configuration.systemAccounts) } catch {
            throw AccountFailure("account lookup failed: \(error)")
        }
        guard let found else { throw AccountFailure("no account \(rights.shown)") }
        return found
    }

    /// A user of the users file has mail before there is a home. Where it cannot be made, mail waits, if it goes there.
    private func makeHome(of account: Account) throws(AccountFailure) {
        guard configuration.isMailboxInHome else { return }
        do throws(SystemError) { try account.makeHome() } catch {
            throw AccountFailure(
                "home directory cannot be made", cause: "\(account.name): home \(account.home): \(error)")
        }
    }

    private func become(_ account: Account, keeping group: UInt32?) throws(AccountFailure) {
        guard account.uid != 0 || !Identity.isRoot else {
            throw AccountFailure("nothing is delivered as root")
        }
        do throws(SystemError) { try configuration.systemAccounts.become(account, keeping: group) } catch {
            throw AccountFailure("cannot become \(account.name): \(error)")
        }
    }
}

/// Why an account cannot be delivered for just now.
struct AccountFailure: Error {
    let text: String
    /// For the log.
    let cause: String

    init(_ text: String, cause: String? = nil) {
        self.text = text
        self.cause = cause ?? text
    }
}

extension RecipientRules {
    /// The rules for jobs of the queue-runner's.
    fileprivate init(ofService configuration: Configuration) {
        self.init(local: configuration)
        defersOthers = true
    }
}

extension Letter {
    var rights: [DeliveryPlan.Rights] {
        var rights: [DeliveryPlan.Rights] = []
        for part in plan.parts where !rights.contains(part.rights) { rights.append(part.rights) }
        if rights.isEmpty, plan.outcomes.contains(where: { $0.verdict == .forwarded }) { return [.service] }
        return rights
    }
}

extension DeliveryPlan.Rights {
    /// As `--only` and messages name them.
    var shown: String {
        switch self {
        case .account(let account): account.name
        case .service: ServiceAccount.aliases
        }
    }
}
