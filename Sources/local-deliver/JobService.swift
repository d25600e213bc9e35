import Accounts
import Bytes
import Delivery
import Jobs
import Recipients
import Mail
import Program
import Unix

/// One connection of the queue-runner's: all jobs in, as root; then, as whoever the mail is for, delivery, a
/// report as soon as a recipient is done with. With `only`, this process is one of several that a mixed batch
/// needed, and serves that account's part.
struct JobService {
    let source: ConfigurationSource
    let configurationPath: String?
    let log: Log
    let only: String?

    private static let socket: CInt = 0

    private var configuration: Configuration { source.current }

    func run() -> ExitStatus {
        let receiver = JobReceiver(over: Self.socket)
        if let lack = ServiceAccount.lackOfRights(configuration) {
            log.error(lack)
            receiver.refuseAll(lack)
            return .noPermission
        }
        guard peerIsTrusted() else { return .noPermission }
        let jobs: [JobReceiver.Received]
        do throws(ExchangeError) { jobs = try receiver.receiveAll() } catch {
            log.warning("jobs refused: \(error)")
            return .protocolError
        }
        deliver(batch(jobs), jobs, receiver)
        do throws(ExchangeError) { try receiver.finish() } catch {
            log.warning("reports not taken: \(error)")
            return .temporaryFailure
        }
        return .ok
    }

    /// The queue-runner, or root; in a private instance whoever runs it.
    private func peerIsTrusted() -> Bool {
        do throws(SystemError) {
            let peer = try Socket.peerCredentials(Self.socket).user
            if peer == 0 || peer == Identity.user { return true }
            if Identity.isRoot,
                try configuration.systemAccounts.account(named: ServiceAccount.queue)?.uid == peer
            {
                return true
            }
            log.warning("connection from uid \(peer) refused")
        } catch { log.warning("no peer credentials: \(error)") }
        return false
    }

    private func batch(_ jobs: [JobReceiver.Received]) -> Batch {
        var letters: [Letter] = []
        for (number, received) in jobs.enumerated() {
            let job = received.job
            let content = job.text(of: received.file.raw)
            for recipient in job.recipients {
                letters.append(
                    Letter(
                        job: number, recipient: recipient.index, address: recipient.address,
                        reversePath: job.reversePath, content: content,
                        mark: mark(of: recipient, in: job),
                        meaning: Successor.Meaning(recipient.parameters), plan: .undecided))
            }
        }
        return Batch(source, log: log, letters: letters, isPart: only != nil)
    }

    /// As the queue's id is unique over all hosts and times, so is this.
    private func mark(of recipient: Job.Recipient, in job: Job) -> String? {
        guard job.id.allSatisfy({ $0.isAlphanumeric }) else { return nil }
        let id = String(decoding: job.id, as: UTF8.self)
        return "\(job.arrival.seconds).Q\(id)R\(recipient.index)"
    }

    private func deliver(_ batch: Batch, _ jobs: [JobReceiver.Received], _ receiver: JobReceiver) {
        var last = Deadline.monotonicMicroseconds()
        // A runner that is gone takes no reports; that is seen before the next commit point.
        let tell: Tell = { told in
            let now = Deadline.monotonicMicroseconds()
            for (number, outcomes) in told {
                let outcome = DeliveryOutcome.merged(outcomes)
                try? receiver.report(batch.letters[number].report(outcome, transmitting: Int(now - last)))
            }
            try? receiver.flush()
            last = now
        }
        if let only { return deliverPart(of: only, in: batch, receiver, tell) }
        let isAlone = batch.rights.count <= 1 || !Identity.isRoot
        func deliver(_ numbers: [Int], as rights: DeliveryPlan.Rights, tell: Tell) {
            if isAlone { return batch.deliver(numbers, as: rights, runner: receiver, tell: tell) }
            Delegate(
                configurationPath: configurationPath, rights: rights, log: log,
                patience: configuration.programTimeout + .seconds(60)
            ).deliver(numbers, of: batch, jobs, for: receiver, tell: tell)
        }
        while let (numbers, rights) = batch.nextGroup(byOthers: !isAlone) {
            guard rights.count > 1 else {
                if let first = rights.first {
                    if !isAlone { batch.begin(numbers) }
                    deliver(numbers, as: first) { told in
                        tell(told.map { ($0.number, batch.letters[$0.number].plan.outcomes + $0.outcomes) })
                    }
                } else {
                    tell(numbers.map { ($0, batch.letters[$0].plan.outcomes) })
                }
                batch.begin(numbers)
                continue
            }
            batch.begin(numbers)
            var outcomes = batch.letters[numbers[0]].plan.outcomes
            for (place, one) in rights.enumerated() {
                if place > 0, batch.isOutOfDate(numbers[0]) {
                    outcomes.append(.hasChanged)
                    break
                }
                deliver(numbers, as: one) { for told in $0 { outcomes += told.outcomes } }
            }
            tell([(numbers[0], outcomes)])
        }
    }

    /// One account's part; what needs no account is the first process's to tell.
    private func deliverPart(
        of only: String, in batch: Batch, _ receiver: JobReceiver, _ tell: Tell
    ) {
        guard let rights = batch.rights.first(where: { $0.shown == only }) else {
            return tell(
                batch.letters.indices.map { ($0, [.deferred(.init(4, 3, 0), "nothing to do for \(only)")]) })
        }
        batch.deliver(
            batch.letters.indices.filter { batch.letters[$0].rights.contains(rights) }, as: rights,
            runner: receiver, tell: tell)
    }
}

extension RecipientRules {
    /// The rules for mail that was accepted already: nothing is relayed from here. An instance that an
    /// ordinary user runs delivers for that user alone.
    init(local configuration: Configuration) {
        self.init(configuration)
        guard !Identity.isRoot else { return }
        onlyUserID = Identity.user
    }
}
