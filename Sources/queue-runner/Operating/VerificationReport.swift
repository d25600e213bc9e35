import Program
import Queue
import Unix

/// `--verify`: what was found in the queue, in words, and what was done about it.
struct VerificationReport {
    private let queue: QueueDirectory
    private let isDry: Bool
    private let log: Log

    init(of queue: QueueDirectory, isDry: Bool, log: Log) {
        self.queue = queue
        self.isDry = isDry
        self.log = log
    }

    /// Whether nothing was found.
    func run() throws(QueueError) -> Bool {
        var mended = 0
        var left = 0
        let line = ProgressLine()
        var verification = QueueVerification(of: queue, isDry: isDry) { finding in
            var text = "\(finding.path): \(finding.what)"
            if let remedy = finding.remedy {
                mended += 1
                text += isDry ? " (would be \(remedy))" : ": \(remedy)"
                if !isDry { log.error("verify: \(text)") }
            } else {
                left += 1
            }
            line.erase()
            try? File.writeAll(1, "\(text)\n".utf8)
        }
        try verification.run { count in line.draw { "\(count) messages verified" } }
        line.erase()
        let count = verification.messages
        var text = "\(count) message\(count == 1 ? "" : "s") verified: "
        switch (mended, left) {
        case (0, 0): text += "all is well"
        default:
            let verb = isDry ? "would be mended" : "mended"
            text += "\(mended) thing\(mended == 1 ? "" : "s") \(verb), \(left) left for you to look into"
        }
        try? File.writeAll(1, "\(text)\n".utf8)
        return left + mended == 0
    }
}
