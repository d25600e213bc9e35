import Accounts
import Bytes
import Delivery
import Jobs
import Recipients
import Mail
import Program
import Unix

/// What became of a letter, by its number among those that were handed over, and durable.
typealias Tell = ([(number: Int, outcomes: [DeliveryOutcome])]) -> Void

/// Delivery under one account, which this process has become: looks at the header for loops, follows the
/// .forward, runs commands, writes mailboxes. Only what is durable is said to be delivered.
struct AccountDelivery {
    let account: Account
    let batch: Batch
    let keptGroup: UInt32?
    let runner: JobReceiver?

    private var configuration: Configuration { batch.configuration }
    private var rules: RecipientRules { batch.rules }
    private var log: Log { batch.log }

    /// Letters without a command come first: they are written and made durable together, and wait for nobody's
    /// command. The others go one by one, and each is told of before the next begins: whatever ends this process,
    /// one command at most is run again. No mailbox is locked while one runs.
    func deliver(_ numbers: [Int], _ rights: DeliveryPlan.Rights, tell: Tell) {
        var mailboxes = Mailboxes(
            account: account, keptGroup: keptGroup, hostname: configuration.hostname, log: log)
        var staged: [(number: Int, steps: [Step])] = []
        var later: [(number: Int, letter: Letter, errand: Errand)] = []
        for number in numbers {
            let letter = batch.letters[number]
            let errand = errand(letter, rights)
            if errand.hasCommands {
                later.append((number, letter, errand))
            } else {
                batch.begin([number])
                staged.append((number, mailboxes.stage(letter, perform(errand, letter))))
            }
        }
        commit(staged, &mailboxes, tell)
        for (place, (number, first, errand)) in later.enumerated() {
            guard place > 0 else {
                batch.begin([number])
                commit([(number, mailboxes.stage(first, perform(errand, first)))], &mailboxes, tell)
                continue
            }
            // What the user or the operator wants may have changed while the commands before this one ran.
            guard let letter = batch.turn(of: number, after: first) else {
                tell([(number, [.hasChanged])])
                continue
            }
            let steps = perform(self.errand(letter, rights), letter)
            commit([(number, mailboxes.stage(letter, steps))], &mailboxes, tell)
        }
    }

    private func commit(_ staged: [(number: Int, steps: [Step])], _ mailboxes: inout Mailboxes, _ tell: Tell)
    {
        guard !staged.isEmpty else { return }
        guard !runnerIsGone else {
            // Not written, the letters are as if they had never been here.
            mailboxes.abandon()
            return tell(staged.map { ($0.number, $0.steps.map { $0.outcome(gone: .runnerIsGone) }) })
        }
        let results = mailboxes.commit()
        tell(staged.map { ($0.number, $0.steps.map { $0.outcome(results) }) })
    }

    /// The runner holds the claim on the messages; without it somebody else may have them by now.
    private var runnerIsGone: Bool { runner?.runnerIsGone ?? false }

    /// Something that is done for a letter, as far as it is done.
    enum Step {
        case known(DeliveryOutcome)
        /// To be written into the mailbox at a path.
        case mailbox(String)
        /// Written; what comes of it is known when the mailboxes have been made durable.
        case staged(Int)

        var isDeferred: Bool {
            if case .known(let outcome) = self { outcome.verdict == .deferred } else { false }
        }

        func outcome(_ results: [DeliveryOutcome]) -> DeliveryOutcome {
            switch self {
            case .known(let outcome): outcome
            case .staged(let ticket): results[ticket]
            case .mailbox: .deferred(EnhancedStatus(4, 3, 0), "another part has to be tried again first")
            }
        }

        /// The same where nothing was made durable.
        func outcome(gone: DeliveryOutcome) -> DeliveryOutcome {
            if case .known(let outcome) = self { outcome } else { gone }
        }
    }

    /// What is to be done for a letter, and what is known of it before anything is.
    private struct Errand {
        var known: [Step] = []
        var parts: [SortedTargets] = []

        /// Behind a deferral nothing is done: it would only come again with the next attempt.
        var hasCommands: Bool {
            !known.contains { $0.isDeferred } && parts.contains { !$0.commands.isEmpty }
        }
    }

    private func errand(_ letter: Letter, _ rights: DeliveryPlan.Rights) -> Errand {
        do throws(SystemError) {
            if letter.plan.looksForLoops, try letter.content.wasDelivered(to: letter.address) {
                return Errand(known: [.known(.failed(EnhancedStatus(5, 4, 6), "mail forwarding loop"))])
            }
        } catch {
            log.warning("message cannot be read: \(error)")
            return Errand(known: [.known(.deferred(EnhancedStatus(4, 3, 0), "message cannot be read"))])
        }
        var errand = Errand()
        for part in letter.plan.parts where part.rights == rights {
            do throws(Deferral) {
                var targets = SortedTargets()
                switch part.action {
                case .mailbox(let followForward, let detail):
                    let found = followForward ? try forwardTargets(detail) : []
                    targets = found.isEmpty ? .mailboxAlone : sortedOrMailbox(found, letter)
                case .targets(let found):
                    targets = try sorted(found, letter)
                    if rights == .service { targets.leaveOut(letter.address) }
                }
                errand.parts.append(targets)
            } catch {
                log.warning("\(account.name): \(error.cause)")
                errand.known.append(.known(.deferred(EnhancedStatus(4, 3, 5), error.text)))
            }
        }
        return errand
    }

    /// A user's or operator's file that cannot be followed now: what the sender may hear, and the cause.
    struct Deferral: Error {
        let text: String
        let cause: String
    }

    // MARK: - Targets

    /// What the user's own file says; empty: nothing, so the mailbox.
    func forwardTargets(_ detail: [UInt8]?) throws(Deferral) -> [Target] {
        let home: Directory
        do throws(SystemError) { home = try Directory(account.forwardHome) } catch {
            // What is not there holds no .forward. Only a mailbox in it has to wait for it.
            if error.isMissing, !configuration.isMailboxInHome { return [] }
            throw Deferral(text: "home directory is not usable", cause: error.description)
        }
        // Whoever may write to a directory may put another .forward into it.
        guard let status = try? home.descriptor.status(), status.mode & 0o002 == 0 else {
            ignoreForward("\(account.forwardHome) can be written by everybody")
            return []
        }
        for name in ForwardFile.names(for: detail) {
            do throws(ForwardFile.Failure) {
                guard let targets = try ForwardFile.targets(name, in: home, owner: account.uid) else {
                    continue
                }
                return targets
            } catch {
                if error.isUsersToMend {
                    ignoreForward("\(account.forwardHome)/\(name) \(error)")
                    return []
                }
                throw Deferral(
                    text: "\(name) cannot be followed", cause: "\(account.forwardHome)/\(name) \(error)")
            }
        }
        return []
    }

    /// Instructions that may be somebody else's, or that say nothing sensible, are never obeyed. Mail is not kept from
    /// the user for it, let alone returned: it goes where it would go without them.
    private func ignoreForward(_ cause: String) {
        log.warning("\(account.name): \(cause): not followed, mail goes to the mailbox")
    }

    private func sortedOrMailbox(_ list: [Target], _ letter: Letter) -> SortedTargets {
        do throws(Deferral) { return try sorted(list, letter) } catch {
            ignoreForward(error.cause)
            return .mailboxAlone
        }
    }

    private func sorted(_ list: [Target], _ letter: Letter) throws(Deferral) -> SortedTargets {
        do throws(SortedTargets.Failure) {
            return try SortedTargets(
                list, home: Array(account.forwardHome.utf8),
                isOwn: { rules.isOwn($0, of: account, as: letter.target) }, origin: letter.target.domain,
                include: ForwardFile.targets(owner: account.uid))
        } catch { throw Deferral(text: error.text, cause: error.cause) }
    }

    // MARK: - Serving them

    /// Everything but the mailboxes. What is most likely to fail comes first, and nothing goes on behind a
    /// deferral.
    private func perform(_ errand: Errand, _ letter: Letter) -> [Step] {
        var steps = errand.known
        for targets in errand.parts {
            for command in targets.commands where !steps.contains(where: { $0.isDeferred }) {
                steps.append(.known(runnerIsGone ? .runnerIsGone : run(command, letter)))
            }
        }
        guard !steps.contains(where: { $0.isDeferred }) else { return steps }
        for targets in errand.parts {
            steps += targets.files.map { .mailbox(String(decoding: $0, as: UTF8.self)) }
            if targets.mailbox { steps.append(.mailbox(configuration.mailboxPath(of: account))) }
            if !targets.addresses.isEmpty { steps.append(.known(.forwarded(to: targets.addresses))) }
        }
        return steps
    }

    private func run(_ text: [UInt8], _ letter: Letter) -> DeliveryOutcome {
        do throws(SystemError) {
            do throws(SystemError) { try Path.changeDirectory(to: account.forwardHome) } catch {
                guard error.isMissing else { throw error }
                try Path.changeDirectory(to: "/")
            }
        } catch {
            log.warning("\(account.name): \(error)")
            return .deferred(EnhancedStatus(4, 3, 5), "home directory is not usable")
        }
        let target = letter.target
        let (base, detail) = RecipientRules.split(target.localPart, at: rules.delimiter)
        let environment = CommandEnvironment.variables(
            account: account, sender: letter.reversePath, recipient: letter.address, localPart: base,
            detail: detail, domain: target.domain ?? [])
        let command = ShellCommand(text, environment: environment, timeLimit: configuration.programTimeout)
        // Programs that file mail expect the line that begins a message in an mbox.
        let outcome = command.run(prefix: letter.separator + letter.trace, content: letter.content).outcome
        if outcome.verdict != .delivered {
            log.warning("\(account.name): \(text.escaped(limit: 200)): \(outcome.text.escaped(limit: 500))")
        }
        return outcome
    }
}

extension SystemError {
    fileprivate var isMissing: Bool { code == .noEntry || code == .notDirectory }
}

extension DeliveryOutcome {
    static let hasChanged = deferred(
        EnhancedStatus(4, 3, 5), "what is to be done with it has changed meanwhile: it is looked at again")
    fileprivate static let runnerIsGone = deferred(EnhancedStatus(4, 3, 0), "queue-runner is gone")
}
