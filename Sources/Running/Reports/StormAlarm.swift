import Bytes
import Mail
import Program
package import Queue
import Reception
import Unix

/// The one message that tells the operator of a storm of reports, which are put on hold.
struct StormAlarm {
    let first: MessageID
    let recipient: [UInt8]
    let configuration: Configuration

    init(first: MessageID, to recipient: [UInt8], configuration: Configuration) {
        self.first = first
        self.recipient = recipient
        self.configuration = configuration
    }

    func send(by reception: Reception) throws(ReceptionFailure) {
        var parameters = Parameters()
        // Nobody is told when this one fails.
        parameters.add(MailParameters.doubleBounce, nil)
        let envelope = Envelope(
            reversePath: [], parameters: parameters.text, recipients: [Envelope.Recipient(recipient)])
        let message = try reception.take(envelope)
        message.append(text(message.id))
        try message.commit()
    }

    private func text(_ id: MessageID) -> [UInt8] {
        let host = configuration.hostname
        var text = Array("From: Mail Delivery System <MAILER-DAEMON@\(host)>\nTo: ".utf8)
        text += recipient
        text += """

            Subject: Storm of reports at \(host): they are put on hold
            Date: \(DateTime(seconds: Time.now().seconds).text)
            Message-ID: <\(id)@\(host)>
            Auto-Submitted: auto-generated

            The mail system at \(host) has made \(configuration.bounceLimit) reports on messages that
            failed, were delayed or were delivered within one hour. That is as many as
            bounce-limit of relais.conf allows. Until it is less again, further reports
            are not sent but put on hold; no other mail is. The first of them is
            \(first).

            Perhaps somebody sends mail in the name of senders of this host, or a program
            here sends to addresses that are not there. Have a look at what is held:

                queue-runner --list
                queue-runner --why \(first)

            Then let the reports go with queue-runner --release, or throw them away with
            queue-runner --remove. This message comes once a storm.

            """
        return text
    }
}

/// What --check and --list say of a storm, as long as anything of it may be on hold.
package struct StormNotice {
    package let text: String

    package init?(_ queue: QueueDirectory) {
        guard let holding = queue.storm()?.holding, let held = try? queue.names(in: .hold).ids, !held.isEmpty
        else { return nil }
        text =
            "storm: \(holding.count) report\(holding.count == 1 ? " was" : "s were") put on hold from "
            + "\(holding.since.inWords) to \(holding.last.inWords); \(held.count) "
            + "message\(held.count == 1 ? " is" : "s are") on hold: release or remove them"
    }
}
