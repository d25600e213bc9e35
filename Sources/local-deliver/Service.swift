import Bytes
import Delivery
import Mail
import Program
import Unix

/// One connection of the queue-runner's: all jobs in, as root; then, as whoever the mail is for, delivery;
/// then all reports out. With `only`, this process is one of several that a mixed batch needed, and serves
/// that account's part.
struct Service {
    let configuration: Configuration
    let configurationPath: String?
    let log: Log
    let only: String?

    private static let socket: CInt = 0

    func run() -> ExitStatus {
        guard peerIsTrusted() else { return .noPermission }
        let receiver = JobReceiver(over: Self.socket)
        let jobs: [JobReceiver.Received]
        do throws(ExchangeError) { jobs = try receiver.receiveAll() } catch {
            log.warning("jobs refused: \(error)")
            return .protocolError
        }
        let start = Deadline.monotonicMicroseconds()
        let batch = plan(jobs)
        let outcomes = deliver(batch, jobs, receiver)
        let took = Int(Deadline.monotonicMicroseconds() - start)
        do throws(ExchangeError) {
            for (letter, outcomes) in zip(batch.letters, outcomes) {
                let outcome = DeliveryOutcome.merged(outcomes)
                try receiver.report(letter.report(outcome, transmitting: took))
            }
            try receiver.finish()
        } catch {
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
            if Identity.isRoot, try configuration.users.user(named: ServiceAccount.queue)?.uid == peer {
                return true
            }
            log.warning("connection from uid \(peer) refused")
        } catch { log.warning("no peer credentials: \(error)") }
        return false
    }

    private func plan(_ jobs: [JobReceiver.Received]) -> Batch {
        let rules = RecipientRules(local: configuration)
        var letters: [Letter] = []
        for (number, received) in jobs.enumerated() {
            let job = received.job
            let content = MessageContent(
                file: received.file.raw, offset: job.contentOffset, length: job.contentLength)
            for recipient in job.recipients {
                let address = RecipientAddress(recipient.address)
                let decision = rules.decide(localPart: address.localPart, domain: address.domain)
                if case .deferred(_, _, let cause) = decision.outcome { log.warning(cause) }
                letters.append(
                    Letter(
                        job: number, recipient: recipient.index, address: recipient.address,
                        reversePath: job.reversePath, content: content,
                        mark: mark(of: recipient, in: job),
                        plan: DeliveryPlan(decision, for: address, rules: rules)))
            }
        }
        return Batch(configuration: configuration, rules: rules, log: log, letters: letters)
    }

    /// As the queue's id is unique over all hosts and times, so is this.
    private func mark(of recipient: Job.Recipient, in job: Job) -> String? {
        guard job.id.allSatisfy({ $0.isAlphanumeric }) else { return nil }
        let id = String(decoding: job.id, as: UTF8.self)
        return "\(job.arrival.seconds).Q\(id)R\(recipient.index)"
    }

    private func deliver(
        _ batch: Batch, _ jobs: [JobReceiver.Received], _ receiver: JobReceiver
    ) -> [[DeliveryOutcome]] {
        let accounts = batch.accounts
        if let only {
            // What needs no account is the first process's to tell.
            guard let account = accounts.first(where: { $0.shown == only }) else {
                return batch.letters.map { _ in [.deferred(.init(4, 3, 0), "nothing to do for \(only)")] }
            }
            return batch.deliver(as: account, runner: receiver)
        }
        var outcomes = batch.letters.map { $0.plan.outcomes }
        let parts: [[[DeliveryOutcome]]]
        if accounts.count > 1, Identity.isRoot {
            parts = accounts.map { account in
                Delegate(configurationPath: configurationPath, account: account, log: log)
                    .deliver(batch, jobs)
            }
        } else {
            parts = accounts.map { batch.deliver(as: $0, runner: receiver) }
        }
        for part in parts {
            for index in outcomes.indices { outcomes[index] += part[index] }
        }
        return outcomes
    }
}

extension RecipientRules {
    /// The rules for mail that was accepted already: nothing is relayed from here. An instance that an
    /// ordinary user runs delivers for that user alone.
    init(local configuration: Configuration) {
        self.init(configuration)
        if !Identity.isRoot { onlyUserID = Identity.user }
    }
}
