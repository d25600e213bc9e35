import Bytes
import Delivery
import Jobs
import Recipients
import Mail
import MailStore
import Unix

/// One recipient's copy of one message, with the plan for it.
struct Letter {
    /// The job's place in the batch and the recipient's index in it: the report's address.
    let job: Int
    let recipient: Int
    let address: [UInt8]
    let reversePath: [UInt8]
    let content: Extents
    /// Names this delivery, whoever attempts it and however often; nil if it is made by hand.
    var mark: String?
    /// What is decided of the address already.
    var meaning = Successor.Meaning.open
    var plan: DeliveryPlan

    var target: RecipientAddress { RecipientAddress(address) }

    /// On top of what goes into a mailbox or a command: RFC 5321 §4.4 for the first.
    var trace: [UInt8] { TraceField.returnPath(reversePath) + deliveredTo }

    /// The line that begins a message in an mbox, for commands.
    var separator: [UInt8] { MboxFormat.separator(from: reversePath, at: .now()) }

    /// On top of every copy, so that one that comes back is known.
    var deliveredTo: [UInt8] { TraceField.deliveredTo(address) }

    /// What to tell the runner.
    func report(_ outcome: DeliveryOutcome, transmitting: Int) -> Report {
        var forward: Report.Forward?
        if outcome.verdict == .forwarded {
            // The copies of a bounce stay bounces, whoever owns the list.
            let copies = outcome.forwards.map { copy in
                Report.Forward.Copy(
                    reversePath: reversePath.isEmpty ? nil : copy.reversePath ?? plan.owner,
                    recipients: copy.recipients)
            }
            forward = Report.Forward(
                copies: DeliveryOutcome.forwarded(as: copies).forwards, header: deliveredTo)
        }
        return Report(
            job: job, recipient: recipient, outcome.verdict, outcome.status, outcome.text,
            transmitting: transmitting, forward: forward,
            answerable: outcome.verdict == .failed ? outcome.answerable : nil)
    }
}
