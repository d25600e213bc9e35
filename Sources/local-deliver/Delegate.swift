import Bytes
import Delivery
import Jobs
import Mail
import Program
import Unix

/// Another process of this program that delivers one account's part of a batch, because a process can
/// become only one. It is spoken to as the queue-runner speaks to us.
struct Delegate {
    let configurationPath: String?
    let rights: DeliveryPlan.Rights
    let log: Log
    /// How long it may go on when nobody wants its reports any more: for the command that it runs.
    let patience: Duration

    func deliver(
        _ numbers: [Int], of batch: Batch, _ jobs: [JobReceiver.Received], for runner: JobReceiver, tell: Tell
    ) {
        var left = Set(numbers)
        do throws(SystemError) {
            let sockets = try DescriptorPair.sockets()
            let child = try start(over: sockets.second.raw)
            let sender = JobSender(adopting: sockets.keepFirst())
            do throws(ExchangeError) {
                let places = try hand(numbers, of: batch, jobs, to: sender)
                try listen(to: sender, for: runner) { reports in
                    let told = reports.compactMap { report in
                        places[report.job][report.recipient].map { number in
                            (number: number, outcomes: [DeliveryOutcome(report)])
                        }
                    }
                    for (number, _) in told { left.remove(number) }
                    tell(told)
                }
            } catch {
                child.end()
                log.warning("delivery as \(rights.shown): \(error)")
            }
            _ = try child.wait()
        } catch { log.warning("delivery as \(rights.shown): \(error)") }
        let silence = DeliveryOutcome.deferred(
            EnhancedStatus(4, 3, 0), "delivery process ended without an answer")
        tell(left.sorted().map { number in (number: number, outcomes: [silence]) })
    }

    private func start(over socket: CInt) throws(SystemError) -> ChildProcess {
        var arguments = ["local-deliver", "--service", "--only", rights.shown]
        if let configurationPath { arguments += ["--config", configurationPath] }
        let null = try Path.openForReading("/dev/null")
        return try ChildProcess.start(
            try Path.ofThisProgram(), arguments: arguments, input: socket, output: null.raw, error: null.raw)
    }

    /// Hands the letters over as jobs; for each of these, our number of the letter by its recipient.
    private func hand(
        _ numbers: [Int], of batch: Batch, _ jobs: [JobReceiver.Received], to sender: JobSender
    ) throws(ExchangeError) -> [[Int: Int]] {
        var places: [[Int: Int]] = []
        for (number, received) in jobs.enumerated() {
            var place: [Int: Int] = [:]
            for letter in numbers where batch.letters[letter].job == number {
                place[batch.letters[letter].recipient] = letter
            }
            guard !place.isEmpty else { continue }
            var job = received.job
            job.recipients.removeAll { place[$0.index] == nil }
            try sender.send(job, file: received.file)
            places.append(place)
        }
        try sender.endBatch()
        return places
    }

    /// Takes its reports to the end. A runner that gives up, or is gone, is what it cannot see for itself: it is told.
    private func listen(
        to sender: JobSender, for runner: JobReceiver, _ take: ([Report]) -> Void
    ) throws(ExchangeError) {
        var isWanted = true
        var end = Deadline.never
        while true {
            let watched = isWanted ? [sender.raw, runner.raw] : [sender.raw]
            let ready: [CInt]
            do throws(SystemError) { ready = try Poll.wait(anyOf: watched, until: end) } catch {
                throw .ended
            }
            if ready.isEmpty { throw .timedOut }
            if isWanted, ready.contains(runner.raw) {
                isWanted = false
                sender.giveUp()
                end = .after(patience)
            }
            guard ready.contains(sender.raw) else { continue }
            let progress = sender.receive()
            take(progress.reports)
            if let failure = progress.failure { throw failure }
            if progress.isOver { return }
        }
    }
}

extension DeliveryOutcome {
    fileprivate init(_ report: Report) {
        self.init(report.verdict, report.status, report.text)
        forwards = report.forward?.copies ?? []
        answerable = report.answerable
    }
}
