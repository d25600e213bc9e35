import Bytes
import Jobs
import Mail
import SMTP
import Unix

/// One message on its way to one destination, and what is known of each of its recipients.
final class OutgoingMessage {
    let transaction: ClientTransaction
    let content: Extents
    /// By recipient; nil until it is decided.
    private(set) var results: [Result?]
    /// By recipient: what the last host said that would not take it now, and left it to the next.
    private var postponed: [Result?]

    struct Result {
        var outcome: ClientOutcome
        /// `mx.example[192.0.2.1]:25`, or `none`.
        var relay: String
        /// Microseconds.
        var connecting: Int
        var transmitting: Int
        /// No server could be made use of: other messages would fare the same.
        var isOfDestination = false
        /// Whether the server said that it does DSN: what the sender wants to hear is its duty now.
        var serverReports = false
    }

    private let whenDecided: (OutgoingMessage) -> Void

    /// `whenDecided` is called once, as soon as the last recipient is decided.
    init(
        _ transaction: ClientTransaction, _ content: Extents,
        whenDecided: @escaping (OutgoingMessage) -> Void = { _ in }
    ) {
        self.transaction = transaction
        self.content = content
        self.whenDecided = whenDecided
        results = Array(repeating: nil, count: transaction.recipients.count)
        postponed = results
    }

    var isDecided: Bool { results.allSatisfy { $0 != nil } }

    /// Those that a host has not been asked for, or would have to be asked for again.
    func undecided(at relay: String) -> [Int] {
        results.indices.filter { results[$0] == nil && postponed[$0]?.relay != relay }
    }

    /// What was said of the first recipient that another host is asked for.
    var postponement: ClientOutcome? {
        results.indices.first { results[$0] == nil && postponed[$0] != nil }.flatMap {
            postponed[$0]?.outcome
        }
    }

    /// The transaction with only some of the recipients, for `data`.
    func transaction(for recipients: [Int], _ data: MailData) -> ClientTransaction {
        var part = transaction
        part.recipients = recipients.map { transaction.recipients[$0] }
        part.size = data.survey.size
        part.hasEightBits = data.survey.hasEightBits
        return part
    }

    private func decide(_ recipient: Int, _ result: Result) {
        results[recipient] = result
        if isDecided { whenDecided(self) }
    }

    func decide(_ recipients: [Int], _ result: Result) {
        for recipient in recipients { decide(recipient, result) }
    }

    /// Takes over the outcomes of one transaction; the recipients that should have another with this host.
    func decide(
        _ recipients: [Int], _ outcomes: [ClientOutcome?], result: (ClientOutcome) -> Result
    ) -> [Int] {
        let tookSome = outcomes.contains { $0?.verdict == .delivered }
        var again: [Int] = []
        for (recipient, outcome) in zip(recipients, outcomes) {
            guard let outcome else { continue }
            switch outcome.verdict {
            case .undecided: break
            case .tooMany where tookSome: again.append(recipient)
            case .later, .tooMany: postponed[recipient] = result(outcome)
            case .delivered, .deferred, .failed: decide(recipient, result(outcome))
            }
        }
        return again
    }

    /// Decides whatever is left: by what a host said of a recipient, else for a reason that is the destination's,
    /// unless said otherwise.
    func decideRest(_ outcome: ClientOutcome, relay: String = "none", ofDestination: Bool = true) {
        for recipient in results.indices where results[recipient] == nil {
            decide(
                recipient,
                postponed[recipient]
                    ?? Result(
                        outcome: outcome, relay: relay, connecting: 0, transmitting: 0,
                        isOfDestination: ofDestination)
            )
        }
    }
}

extension OutgoingMessage.Result {
    /// As the queue-runner wants it. What is not decided, or delivered without a success code, is deferred.
    func report(job: Int, recipient: Int) -> Report {
        let verdict: Report.Verdict =
            switch outcome.verdict {
            case .delivered: serverReports ? .delivered : .relayed
            case .failed: .failed
            case .later, .deferred, .undecided, .tooMany: .deferred
            }
        return Report(
            job: job, recipient: recipient, verdict, status(for: verdict), outcome.text,
            relay: Array(relay.utf8), connecting: connecting, transmitting: transmitting,
            isOfDestination: isOfDestination && verdict == .deferred)
    }

    private func status(for verdict: Report.Verdict) -> EnhancedStatus {
        let status = outcome.status
        guard verdict == .deferred, status.kind != .persistentTransientFailure else { return status }
        return EnhancedStatus(4, status.subject, status.detail)
    }
}
