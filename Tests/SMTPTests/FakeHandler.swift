import Bytes
import Mail
import SMTP

/// Stands for smtpd: takes `local@here` and `user1@here` …, refuses the rest, and keeps what was committed.
final class FakeHandler: MailHandler {
    struct Message: Equatable {
        var recipients: [String]
        var content: String
    }

    var committed: [Message] = []
    var abandoned = 0
    var refusals: [RefusedCommand] = []
    private var recipients: [String] = []
    private var content: [UInt8] = []

    func refuseSender(_ sender: Address?, _ parameters: MailParameters) -> Reply? { nil }

    func judgeRecipient(_ recipient: Address, _ parameters: RecipientParameters) -> Reply {
        let text = String(decoding: recipient.text, as: UTF8.self).lowercased()
        if text == "local@here" || text == "local" || text.hasPrefix("user") || text == "postmaster" {
            return Reply(250, EnhancedStatus(2, 1, 5), "Ok")
        }
        return Reply(550, EnhancedStatus(5, 7, 1), "Relay access denied")
    }

    func begin(_ transaction: Transaction) -> Reply? {
        recipients = transaction.recipients.map {
            let parameters = $0.parameters.raw.text
            return String(
                decoding: $0.address.text + (parameters.isEmpty ? [] : [.space] + parameters), as: UTF8.self)
        }
        content = []
        return nil
    }

    func append(_ content: [UInt8]) { self.content += content }

    func commit() -> Reply {
        committed.append(Message(recipients: recipients, content: String(decoding: content, as: UTF8.self)))
        return Reply(250, EnhancedStatus(2, 0, 0), "Ok: queued")
    }

    func rest(in transaction: Transaction?) {}
    func abandon() { abandoned += 1 }

    func note(_ refusal: RefusedCommand) { refusals.append(refusal) }
}

/// A whole conversation against the engine, its input cut as asked.
struct Conversation {
    var codes: [Int] = []
    var output: [UInt8] = []
    var messages: [FakeHandler.Message] = []
    var isClosed = false
    var startsTLS = 0

    init(
        _ input: [UInt8], cut size: Int, sizeLimit: Int = 100_000, recipientLimit: Int = 10, tls: Bool = false
    ) {
        let handler = FakeHandler()
        var session = ServerSession(
            .init(hostname: "here", sizeLimit: sizeLimit, recipientLimit: recipientLimit, offersTLS: tls),
            handler: handler)
        var buffer: [UInt8] = []
        var rest = input[...]
        while !isClosed {
            let step = session.step(buffer[...])
            buffer.removeFirst(step.consumed)
            output += step.output
            if step.next == .close || step.next == .sendAway { isClosed = true }
            if step.next == .startTLS {
                startsTLS += 1
                output += session.readyForTLS
                // As the caller's stream does: what came in the clear is gone.
                buffer = []
                session.startedTLS()
            }
            if step.consumed == 0, step.next == .proceed {
                if rest.isEmpty { break }
                buffer += rest.prefix(size)
                rest = rest.dropFirst(size)
            }
        }
        session.ended()
        messages = handler.committed
        for line in output.split(separator: .lf) where line.count >= 4 && line[line.startIndex + 3] == .space
        {
            codes.append(Int(strictDecimal: line.prefix(3)) ?? -1)
        }
    }
}
