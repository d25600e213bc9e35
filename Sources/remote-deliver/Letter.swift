import Bytes
import Delivery
import Mail
import SMTP

/// One message on its way to one destination, and what is known of each of its recipients.
final class Letter {
    let transaction: ClientTransaction
    let content: MessageContent
    /// By recipient; nil until it is decided.
    private(set) var results: [Result?]

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

    private let whenDecided: (Letter) -> Void

    /// `whenDecided` is called once, as soon as the last recipient is decided.
    init(
        _ transaction: ClientTransaction, _ content: MessageContent,
        whenDecided: @escaping (Letter) -> Void = { _ in }
    ) {
        self.transaction = transaction
        self.content = content
        self.whenDecided = whenDecided
        results = Array(repeating: nil, count: transaction.recipients.count)
    }

    var undecided: [Int] { results.indices.filter { results[$0] == nil } }
    var isDecided: Bool { results.allSatisfy { $0 != nil } }

    /// The transaction with only some of the recipients, for a server that can do so much. What asks for an
    /// extension that the server lacks is looked at: perhaps it does not need it.
    func transaction(for recipients: [Int], _ capabilities: Capabilities) -> ClientTransaction {
        var part = transaction
        part.recipients = recipients.map { transaction.recipients[$0] }
        let lacks =
            (part.needsEightBits && !capabilities.eightBitMIME) || (part.needsUTF8 && !capabilities.smtpUTF8)
        if lacks { part.isSevenBit = isASCII }
        return part
    }

    /// Whether the whole content is ASCII; not, if it cannot be read.
    private lazy var isASCII: Bool = {
        var position = 0
        while position < content.length {
            guard let part = try? content.part(at: position), part.allSatisfy({ $0.isASCII }) else {
                return false
            }
            position += part.count
        }
        return true
    }()

    private func decide(_ recipient: Int, _ result: Result) {
        results[recipient] = result
        if isDecided { whenDecided(self) }
    }

    /// Takes over the outcomes of one transaction; the recipients that should have another.
    func decide(
        _ recipients: [Int], _ outcomes: [ClientOutcome?], result: (ClientOutcome) -> Result
    ) -> [Int] {
        let tookSome = outcomes.contains { $0?.verdict == .delivered }
        var again: [Int] = []
        for (recipient, outcome) in zip(recipients, outcomes) {
            guard let outcome, outcome.verdict != .undecided else { continue }
            if outcome.verdict == .tooMany, tookSome {
                again.append(recipient)
            } else {
                decide(recipient, result(outcome))
            }
        }
        return again
    }

    /// Decides whatever is left, for a reason that is the destination's.
    func decideRest(_ outcome: ClientOutcome, relay: String = "none") {
        for recipient in undecided {
            decide(
                recipient,
                Result(
                    outcome: outcome, relay: relay, connecting: 0, transmitting: 0, isOfDestination: true))
        }
    }
}

extension Letter.Result {
    /// As the queue-runner wants it. What is not decided, or delivered without a success code, is deferred.
    func report(job: Int, recipient: Int) -> Report {
        let verdict: Report.Verdict =
            switch outcome.verdict {
            case .delivered: serverReports ? .delivered : .relayed
            case .failed: .failed
            case .deferred, .undecided, .tooMany: .deferred
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
