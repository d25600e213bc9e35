import Bytes
import Queue
import Unix

/// `--show`: a message as it stands in the queue, in the words of Postfix's postcat: its envelope, then its content.
struct Printout {
    private let message: QueuedMessage
    private let queue: QueueDirectory
    private let states: RecipientStates
    /// What a stranger wrote must not move a terminal's cursor.
    private let isTerminal: Bool

    init(of message: QueuedMessage, in queue: QueueDirectory, isTerminal: Bool) throws(QueueError) {
        self.message = message
        self.queue = queue
        self.isTerminal = isTerminal
        states = RecipientStates(try queue.history(of: message))
    }

    func write(to output: OutputBuffer) throws(QueueError) {
        output.write(envelope)
        output.write("*** MESSAGE CONTENTS \(message.place.path)/\(message.id) ***\n")
        let isThere = try queue.forEachPart(of: message) { part in
            output.write(isTerminal ? Self.shown(part) : part)
            return !output.hasFailed
        }
        if !isThere { output.write("*** IT WENT ON MEANWHILE ***\n") }
        output.write("*** MESSAGE FILE END \(message.place.path)/\(message.id) ***\n")
    }

    private var envelope: String {
        var text = "*** ENVELOPE RECORDS \(message.place.path)/\(message.id) ***\n"
        text += "message_size: \(message.head.length)\n"
        text += "message_arrival_time: \(LocalTime(message.arrival).listStamp)\n"
        text +=
            "sender: \(message.envelope.reversePath.escaped())\(parameters(message.envelope.parameters))\n"
        for (index, recipient) in message.envelope.recipients.enumerated() {
            let word = states.isOpen(index + 1) ? "recipient" : "done_recipient"
            text += "\(word): \(recipient.address.escaped())\(parameters(recipient.parameters))\n"
        }
        return text
    }

    private func parameters(_ text: [UInt8]) -> String { text.isEmpty ? "" : " \(text.escaped(limit: 2000))" }

    private static func shown(_ part: [UInt8]) -> [UInt8] {
        var text: [UInt8] = []
        for byte in part {
            if byte == .lf || byte == .ascii("\t") || byte.isPrintable || !byte.isASCII && byte >= 0xA0 {
                text.append(byte)
            } else {
                text += [byte].escaped().utf8
            }
        }
        return text
    }
}
