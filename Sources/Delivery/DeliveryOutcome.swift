package import Jobs
package import Mail

/// What came of delivering to one recipient, or to one of the places that its mail goes to.
package struct DeliveryOutcome: Equatable {
    package var verdict: Report.Verdict
    package var status: EnhancedStatus
    package var text: [UInt8]
    /// What the message goes on as; only where the verdict is `forwarded`. Each reverse-path once.
    package var forwards: [Report.Forward.Copy] = []
    /// Who is to hear of it besides the sender: see `Report`.
    package var answerable: [UInt8]?

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

    package static func forwarded(as copies: [Report.Forward.Copy]) -> DeliveryOutcome {
        var outcome = DeliveryOutcome(.forwarded, EnhancedStatus(2, 0, 0), [])
        for copy in copies { outcome.add(copy) }
        let count = outcome.forwardCount
        outcome.text = Array("forwarded to \(count) address\(count == 1 ? "" : "es")".utf8)
        return outcome
    }

    package static func forwarded(to addresses: [[UInt8]]) -> DeliveryOutcome {
        forwarded(as: [.init(recipients: addresses.map { Successor($0) })])
    }

    private var forwardCount: Int { forwards.reduce(0) { $0 + $1.recipients.count } }

    private mutating func add(_ copy: Report.Forward.Copy) {
        if let place = forwards.firstIndex(where: { $0.reversePath == copy.reversePath }) {
            forwards[place].recipients += copy.recipients
        } else {
            forwards.append(copy)
        }
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
            for copy in outcome.forwards { result.add(copy) }
        }
        guard result.forwardCount <= Report.mostAddresses else {
            return .failed(EnhancedStatus(5, 2, 4), "more than \(Report.mostAddresses) addresses")
        }
        result.verdict = result.forwards.isEmpty ? .delivered : .forwarded
        return result
    }
}
