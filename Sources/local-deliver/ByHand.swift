import Accounts
import Bytes
import Delivery
import Jobs
import Recipients
import Mail
import Program
import Unix

/// `local-deliver [-n] RECIPIENT SENDER <message`: one message, one recipient, an exit status.
struct ByHand {
    let configuration: Configuration
    let configurationPath: String?
    let log: Log
    let recipient: String
    let sender: String
    /// Our own, beside this program. Looked up before this process becomes anybody: it may not know where it
    /// comes from then.
    private let sendmail: String

    init(
        configuration: Configuration, configurationPath: String?, log: Log, recipient: String, sender: String
    ) {
        self.configuration = configuration
        self.configurationPath = configurationPath
        self.log = log
        self.recipient = recipient
        self.sender = sender
        let beside = (try? Path.ofThisProgram()).map { Path.split($0).directory + "/sendmail-compat" }
        sendmail = beside.flatMap { Path.isExecutable($0) ? $0 : nil } ?? "/usr/sbin/sendmail"
    }

    func run(explaining: Bool) -> ExitStatus {
        let rules = RecipientRules(local: configuration)
        let bytes = Array(recipient.utf8)
        let address = RecipientAddress(bytes)
        let path = Array(sender.utf8)
        guard !(bytes + path).contains(where: { $0.isControl }), path.count <= Job.longestPath,
            bytes.count <= Job.longestPath
        else {
            Main.tool.wrong("no such address")
        }
        let reversePath = path == [UInt8]("<>") ? [] : path
        let decision = rules.decide(
            localPart: address.localPart, domain: address.domain, explaining: true)
        let plan = DeliveryPlan(decision, for: address, isByHand: !explaining, rules: rules)
        if explaining { return explain(decision, plan, rules) }

        let message: Descriptor
        do throws(SystemError) {
            message = try Extents.seekableInput(upTo: configuration.messageSizeLimit)
        } catch {
            Main.tool.fail("message cannot be read: \(error)", .inputOutput)
        }
        guard let length = try? message.status().size else {
            Main.tool.fail("message cannot be read", .inputOutput)
        }
        let letter = Letter(
            job: 0, recipient: 0, address: bytes, reversePath: reversePath,
            content: Extents(file: message.raw, count: length), plan: plan)
        let batch = Batch(configuration, rules, log: log, letters: [letter])
        var outcomes = plan.outcomes
        // One process becomes one account; what else the plan names is told, not done.
        let rights = batch.rights
        guard rights.count <= 1 else {
            Main.tool.fail("this recipient needs several accounts: send it through the queue", .unavailable)
        }
        for one in rights {
            batch.deliver([0], as: one, runner: nil) { for told in $0 { outcomes += told.outcomes } }
        }
        return finish(DeliveryOutcome.merged(outcomes), letter)
    }

    private func finish(_ outcome: DeliveryOutcome, _ letter: Letter) -> ExitStatus {
        switch outcome.verdict {
        case .delivered, .relayed: return .ok
        case .forwarded: return forward(outcome, letter)
        case .deferred: Main.tool.fail("\(outcome.status) \(outcome.text.escaped())", .temporaryFailure)
        case .failed:
            let isUnknown = outcome.status == EnhancedStatus(5, 1, 1)
            Main.tool.fail("\(outcome.status) \(outcome.text.escaped())", isUnknown ? .noUser : .unavailable)
        }
    }

    /// What goes on to other addresses goes through sendmail, as a user would send it.
    private func forward(_ outcome: DeliveryOutcome, _ letter: Letter) -> ExitStatus {
        let from = letter.reversePath.isEmpty ? "<>" : String(decoding: letter.reversePath, as: UTF8.self)
        let addresses = outcome.forwards.flatMap { $0.recipients }.map {
            String(decoding: $0.address, as: UTF8.self)
        }
        let options = ["-i", "-f", from] + (configurationPath.map { ["-C", $0] } ?? [])
        let command = ([sendmail] + options + ["--"] + addresses).map(Self.quoted).joined(separator: " ")
        let result = ShellCommand(
            Array("exec \(command)".utf8), environment: ["PATH=/usr/bin:/bin"], timeLimit: .seconds(300)
        ).run(prefix: letter.deliveredTo, content: letter.content)
        guard result.ending == .exited(0) else {
            Main.tool.fail("not forwarded: \(result.outcome.text.escaped())", .temporaryFailure)
        }
        return .ok
    }

    private static func quoted(_ word: String) -> String {
        "'" + word.split(separator: "'", omittingEmptySubsequences: false).joined(separator: #"'\''"#) + "'"
    }

    // MARK: - -n

    private func explain(
        _ decision: RecipientDecision, _ plan: DeliveryPlan, _ rules: RecipientRules
    ) -> ExitStatus {
        var lines = decision.steps
        for outcome in plan.outcomes { lines += Self.lines(outcome) }
        for part in plan.parts {
            switch part.action {
            case .targets(let targets):
                lines += targets.map { "as \(part.rights.shown): \($0.shown)" }
            case .mailbox(let followForward, let detail):
                // Only one account can be looked into: there is no way back from being somebody.
                lines += mailboxLines(
                    part.rights, rules, detail: detail,
                    isFollowed: followForward && plan.parts.count == 1)
            }
        }
        try? File.writeAll(1, (lines.joined(separator: "\n") + "\n").utf8)
        switch decision.outcome {
        case .refused(let status, _): return status == EnhancedStatus(5, 1, 1) ? .noUser : .unavailable
        case .deferred: return .temporaryFailure
        default: return .ok
        }
    }

    private static func lines(_ outcome: DeliveryOutcome) -> [String] {
        outcome.verdict == .forwarded
            ? outcome.forwards.flatMap { copy in
                let path = copy.reversePath.map { ", as from \($0.escaped(limit: 512))" } ?? ""
                return copy.recipients.map { $0.shown + path }
            }
            : ["\(outcome.status) \(outcome.text.escaped())"]
    }

    /// Where an account's mail goes: what its .forward says, as far as this process can become the account,
    /// or the mailbox.
    private func mailboxLines(
        _ rights: DeliveryPlan.Rights, _ rules: RecipientRules, detail: [UInt8]?, isFollowed: Bool
    ) -> [String] {
        let batch = Batch(configuration, rules, log: log, letters: [])
        do throws(AccountFailure) {
            let delivery = try batch.enter(rights)
            let account = delivery.account
            let mailbox =
                "as \(account.name): mailbox \(configuration.mailboxPath(of: account))"
            guard isFollowed else { return [mailbox] }
            do throws(AccountDelivery.Deferral) {
                let targets = try delivery.forwardTargets(detail)
                return targets.isEmpty
                    ? [mailbox] : targets.map { "as \(account.name): .forward says \($0.shown)" }
            } catch { return ["as \(account.name): deferred: \(error.cause)"] }
        } catch { return ["as \(rights.shown): \(error.text)"] }
    }
}

extension Successor {
    fileprivate var shown: String {
        let address = address.escaped(limit: 512)
        return switch meaning {
        case .open: "forward to \(address)"
        case .account: "forward to \(address), the account"
        case .mailbox: "forward to \(address), the mailbox"
        case .targets: "forward to \(address), its programs, files and lists"
        }
    }
}
