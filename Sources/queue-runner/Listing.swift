import Bytes
import Queue
import Unix

/// What waits in the queue, in the layout of Postfix's mailq, so that what reads that reads this.
struct Listing {
    private let queue: QueueDirectory
    private let memory: DestinationMemory

    init(_ queue: QueueDirectory) {
        self.queue = queue
        memory = DestinationMemory(queue: queue.path)
    }

    /// Writes a block a message, and the sum; as it goes, never the whole queue in memory.
    func write(to output: CInt) throws(QueueError) {
        var count = 0
        var bytes = 0
        let minutes = try queue.buckets()
        let places: [Place] = [.incoming] + minutes.map { .deferred(minute: $0) } + [.hold]
        for place in places {
            for id in try queue.names(in: place).ids {
                guard let head = try queue.inspect(id, in: place) else { continue }
                if count == 0 {
                    put(
                        "-Queue ID----------------- --Size-- ---Arrival Time---- --Sender/Recipient------\n",
                        output)
                }
                count += 1
                bytes += head.contentLength
                put(try block(head, place), output)
            }
        }
        put(count == 0 ? "Mail queue is empty\n" : sum(count, bytes), output)
    }

    private func sum(_ count: Int, _ bytes: Int) -> String {
        "-- \((bytes + 1023) / 1024) Kbytes in \(count) Request\(count == 1 ? "" : "s").\n"
    }

    /// The message's line, then its recipients in groups, each under the reason why they wait.
    private func block(_ head: MessageHead, _ place: Place) throws(QueueError) -> String {
        var states: [Int: LogEvent] = [:]
        for event in try MessageLog.read(head.id, in: queue) where event.recipient > 0 {
            states[event.recipient] = event
        }
        let sender = head.envelope.reversePath.isEmpty ? "MAILER-DAEMON" : head.envelope.reversePath.escaped()
        let mark = place == .hold ? "!" : " "
        var text =
            "\(head.id)\(mark)  \(padded(head.contentLength)) \(LocalTime(head.arrival).listStamp) \(sender)\n"
        var groups: [(reason: String, recipients: [String])] = []
        for (index, recipient) in head.envelope.recipients.enumerated() {
            let state = states[index + 1]
            if let state, state.kind != .deferred { continue }
            let reason = state?.text ?? suspension(of: recipient.address)
            if groups.last?.reason == reason, !groups.isEmpty {
                groups[groups.count - 1].recipients.append(recipient.address.escaped())
            } else {
                groups.append((reason, [recipient.address.escaped()]))
            }
        }
        for group in groups {
            if !group.reason.isEmpty { text += "    (\(Array(group.reason.utf8).escaped(limit: 400)))\n" }
            for recipient in group.recipients { text += String(repeating: " ", count: 57) + recipient + "\n" }
        }
        return text + "\n"
    }

    /// Why a recipient waits that was never tried.
    private func suspension(of address: [UInt8]) -> String {
        guard let at = address.lastIndex(of: .ascii("@")) else { return "" }
        return memory[address[(at + 1)...].folded()]?.text ?? ""
    }

    private func padded(_ number: Int) -> String {
        let text = String(number)
        return String(repeating: " ", count: max(0, 8 - text.utf8.count)) + text
    }

    private func put(_ text: String, _ output: CInt) { try? File.writeAll(output, text.utf8) }
}
