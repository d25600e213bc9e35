package import Mail

/// What came of delivering to one recipient, or to one of the places that its mail goes to.
package struct DeliveryOutcome: Equatable {
    package var verdict: Report.Verdict
    package var status: EnhancedStatus
    package var text: [UInt8]
    /// Addresses that the message goes on to; only where the verdict is `forwarded`.
    package var forwards: [[UInt8]] = []

    package init(_ verdict: Report.Verdict, _ status: EnhancedStatus, _ text: [UInt8]) {
        self.verdict = verdict
        self.status = status
        self.text = text
    }

    package static func delivered(_ text: String) -> DeliveryOutcome {
        DeliveryOutcome(.delivered, EnhancedStatus(2, 0, 0), Array(text.utf8))
    }

    package static func deferred(_ status: EnhancedStatus, _ text: String) -> DeliveryOutcome {
        DeliveryOutcome(.deferred, status, Array(text.utf8))
    }

    package static func failed(_ status: EnhancedStatus, _ text: String) -> DeliveryOutcome {
        DeliveryOutcome(.failed, status, Array(text.utf8))
    }

    package static func forwarded(to addresses: [[UInt8]]) -> DeliveryOutcome {
        let count = addresses.count
        let text = "forwarded to \(count) address" + (count == 1 ? "" : "es")
        var outcome = DeliveryOutcome(.forwarded, EnhancedStatus(2, 0, 0), Array(text.utf8))
        outcome.forwards = addresses
        return outcome
    }

    /// One outcome for a recipient whose mail went to several places. One that has to be tried again means
    /// that all are, and the others get it twice; one that failed makes it fail, so that the sender hears of
    /// it; mail is forwarded only if all went well.
    package static func merged(_ outcomes: [DeliveryOutcome]) -> DeliveryOutcome {
        for verdict in [Report.Verdict.deferred, .failed] {
            if let worst = outcomes.first(where: { $0.verdict == verdict }) { return worst }
        }
        guard var result = outcomes.first else { return .delivered("nothing to do") }
        for outcome in outcomes.dropFirst() {
            result.text += [UInt8]("; ".utf8) + outcome.text
            result.forwards += outcome.forwards
        }
        result.verdict = result.forwards.isEmpty ? .delivered : .forwarded
        return result
    }
}
