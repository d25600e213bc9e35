import Bytes
import Delivery
import Mail
import Program
import Unix

/// Another process of this program that delivers one account's part of a batch, because a process can
/// become only one. It is spoken to as the queue-runner speaks to us.
struct Delegate {
    let configurationPath: String?
    let account: DeliveryPlan.Account
    let log: Log

    /// Outcomes in the order of the letters, empty for those that have no part in it.
    func deliver(_ batch: Batch, _ jobs: [JobReceiver.Received]) -> [[DeliveryOutcome]] {
        let isInvolved = batch.letters.map { $0.accounts.contains(account) }
        var outcomes: [[DeliveryOutcome]] = isInvolved.map { involved in
            involved ? [.deferred(EnhancedStatus(4, 3, 0), "delivery process ended without an answer")] : []
        }
        do throws(SystemError) {
            let sockets = try DescriptorPair.sockets()
            let child = try start(over: sockets.second.raw)
            let sender = JobSender(adopting: sockets.keepFirst())
            do throws(ExchangeError) {
                try exchange(sender, batch, jobs, isInvolved, &outcomes)
            } catch { log.warning("delivery as \(account.shown): \(error)") }
            _ = try child.wait()
        } catch { log.warning("delivery as \(account.shown): \(error)") }
        return outcomes
    }

    private func start(over socket: CInt) throws(SystemError) -> ChildProcess {
        var arguments = ["local-deliver", "--service", "--only", account.shown]
        if let configurationPath { arguments += ["--config", configurationPath] }
        let null = try Path.openForReading("/dev/null")
        return try ChildProcess.start(
            try Path.ofThisProgram(), arguments: arguments, input: socket, output: null.raw, error: null.raw)
    }

    private func exchange(
        _ sender: JobSender, _ batch: Batch, _ jobs: [JobReceiver.Received], _ isInvolved: [Bool],
        _ outcomes: inout [[DeliveryOutcome]]
    ) throws(ExchangeError) {
        // The child's number of each job, to ours.
        var numbers: [Int] = []
        for (number, received) in jobs.enumerated() {
            var job = received.job
            let indexes = Set(
                zip(batch.letters, isInvolved).filter { $0.0.job == number && $0.1 }.map { $0.0.recipient })
            job.recipients.removeAll { !indexes.contains($0.index) }
            guard !job.recipients.isEmpty else { continue }
            try sender.send(job, file: received.file)
            numbers.append(number)
        }
        try sender.endBatch()
        while true {
            let progress = sender.receive()
            for report in progress.reports {
                let place = batch.letters.firstIndex {
                    $0.job == numbers[report.job] && $0.recipient == report.recipient
                }
                if let place { outcomes[place] = [DeliveryOutcome(report)] }
            }
            if let failure = progress.failure { throw failure }
            if progress.isOver { return }
        }
    }
}

extension DeliveryOutcome {
    fileprivate init(_ report: Report) {
        self.init(report.verdict, report.status, report.text)
        forwards = report.forward?.addresses ?? []
    }
}
