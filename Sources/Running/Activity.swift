import Bytes
import Program
import Queue
import Unix

/// `-v`: what a run does, for people. A line a message and a line an outcome on standard output; meanwhile, where
/// standard error is a terminal, one line that is drawn again and again; at the end, the sum. Silent without it.
package final class Activity {
    private let isVerbose: Bool
    private let line: ProgressLine?
    private let began = Time.now()
    private var delivered = 0
    private var deferred = 0
    private var failed = 0
    private var ended = 0

    package init(isVerbose: Bool) {
        self.isVerbose = isVerbose
        line = isVerbose ? ProgressLine() : nil
    }

    // MARK: What happens

    /// An attempt begins.
    func begins(_ message: ClaimedMessage) {
        guard isVerbose else { return }
        let sender = message.envelope.reversePath
        let count = message.envelope.recipients.count
        say(
            "\(message.id): \(sizeInWords(message.head.length)) from <\(sender.escaped())> "
                + "to \(count) recipient\(count == 1 ? "" : "s"), \((Time.now() - message.arrival).inWords) old"
        )
    }

    /// What became of a recipient.
    func outcome(_ event: LogEvent, of recipient: [UInt8], _ id: MessageID, relay: String) {
        guard isVerbose else { return }
        let what: String
        switch event.kind {
        case .delivered, .succeeded, .relayed, .expanded:
            delivered += 1
            what = "delivered to \(relay)"
        case .deferred:
            deferred += 1
            let isKnown = event.next.microseconds > 0
            what = "waits" + (isKnown ? ", next attempt \(event.next.inWords)" : "")
        default:
            failed += 1
            what = "failed"
        }
        say("\(id): <\(recipient.escaped())> \(what) (\(event.text))")
    }

    func ends(_ id: MessageID) {
        ended += 1
        note("\(id): done")
    }

    /// Anything else that the operator may want to know.
    func note(_ text: String) {
        if isVerbose { say(text) }
    }

    private func say(_ text: String) {
        line?.erase()
        try? File.writeAll(1, "\(text)\n".utf8)
    }

    // MARK: The line that moves

    func isWaiting(sessions: Int) {
        line?.draw {
            "\(counts); \(sessions) session\(sessions == 1 ? "" : "s"), \((Time.now() - began).inWords)"
        }
    }

    private var counts: String { "\(delivered) delivered, \(deferred) waiting, \(failed) failed" }

    /// What the run came to.
    func summary() {
        guard isVerbose else { return }
        let hundredths = max(0, (Time.now() - began).microseconds / 10_000)
        let seconds = "\(hundredths / 100).\(hundredths % 100 < 10 ? "0" : "")\(hundredths % 100) s"
        say(
            delivered + deferred + failed == 0
                ? "nothing was due" : "recipients: \(counts); messages done: \(ended); \(seconds)")
    }
}
