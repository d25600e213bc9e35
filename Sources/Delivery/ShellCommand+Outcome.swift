import Jobs
import Bytes
import Mail

/// What a command's end means for the message.
extension ShellCommand.Result {
    /// Exit statuses are read as sysexits(3) has them, and as qmail's programs use them (100 never, 111
    /// later). A shell that finds no command (126, 127) is the owner's mistake: it can be mended, so later.
    package var outcome: DeliveryOutcome {
        switch ending {
        case .exited(0): DeliveryOutcome(.delivered, EnhancedStatus(2, 0, 0), "delivered to command", output)
        case .exited(let code): Self.outcome(ofExit: code, output)
        case .signalled(let signal):
            DeliveryOutcome(.deferred, EnhancedStatus(4, 3, 0), "command died of signal \(signal)", output)
        case .timedOut:
            DeliveryOutcome(.deferred, EnhancedStatus(4, 3, 0), "command took too long and was ended", output)
        case .failed(let error):
            DeliveryOutcome(.deferred, EnhancedStatus(4, 3, 0), "command could not be run: \(error)", output)
        }
    }

    private static func outcome(ofExit code: Int32, _ output: [UInt8]) -> DeliveryOutcome {
        let status =
            switch code {
            case 71, 74, 75, 111, 126, 127: EnhancedStatus(4, 3, 0)
            case 65: EnhancedStatus(5, 6, 0)
            case 67: EnhancedStatus(5, 1, 1)
            case 68: EnhancedStatus(5, 1, 2)
            case 73: EnhancedStatus(5, 2, 0)
            case 77: EnhancedStatus(5, 7, 0)
            case 78: EnhancedStatus(5, 3, 5)
            default: EnhancedStatus(5, 3, 0)
            }
        let verdict: Report.Verdict = status.kind == .permanentFailure ? .failed : .deferred
        return DeliveryOutcome(verdict, status, "command exited with status \(code)", output)
    }
}

extension DeliveryOutcome {
    fileprivate init(
        _ verdict: Report.Verdict, _ status: EnhancedStatus, _ text: String, _ output: [UInt8]
    ) {
        self.verdict = verdict
        self.status = status
        var said = output[...]
        while let last = said.last, last.isWhitespace || last == .lf || last == .cr { said.removeLast() }
        self.text = Array(text.utf8) + (said.isEmpty ? [] : [UInt8](": ") + said)
    }
}
