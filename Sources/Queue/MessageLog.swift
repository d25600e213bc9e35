import Bytes
package import Unix

/// A line of a message's log: what happened to one recipient.
package struct LogEvent: Equatable {
    package enum Kind: UInt8 {
        case delivered = 0x44
        case deferred = 0x5A
        /// For good; the sender is yet to be told.
        case failed = 0x46
        /// For good; the sender has been told, or is not to be.
        case settled = 0x58
        case removed = 0x52
        /// Delivered, and the sender, who asked to hear of it, is yet to be told; the same for what was handed
        /// to a host that knows nothing of that, and for what was sent on to several addresses.
        case succeeded = 0x53
        case relayed = 0x4C
        case expanded = 0x45
        /// The sender has been warned that the message waits, or is not to be (recipient 0).
        case warned = 0x57

        /// Whether the sender is yet to be told.
        package var isOwed: Bool { [.failed, .succeeded, .relayed, .expanded].contains(self) }
    }

    package var time: Time
    /// From 1; 0 for the whole message.
    package var recipient: Int
    package var kind: Kind
    /// An enhanced status code, or `-`.
    package var status: String
    package var next: Time
    package var text: String

    package init(
        time: Time, recipient: Int, kind: Kind, status: String = "-", next: Time = Time(microseconds: 0),
        text: String = ""
    ) {
        self.time = time
        self.recipient = recipient
        self.kind = kind
        self.status = status
        self.next = next
        self.text = text
    }

    package var encoded: [UInt8] {
        var line: [UInt8] = []
        line.append(decimal: time.microseconds)
        line.append(.space)
        line.append(decimal: recipient)
        line += [.space, kind.rawValue, .space]
        line += status
        line.append(.space)
        line.append(decimal: next.microseconds)
        line.append(.space)
        line += Array(text.utf8).filter { $0 >= 0x20 && $0 != .del }
        line.append(.lf)
        return line
    }

    package init?(line: ArraySlice<UInt8>) {
        let fields = line.split(separator: .space, maxSplits: 5, omittingEmptySubsequences: false)
        guard fields.count == 6, let time = Int64(strictDecimal: fields[0]),
            let recipient = Int(strictDecimal: fields[1]), fields[2].count == 1,
            let kind = Kind(rawValue: fields[2].first!), let next = Int64(strictDecimal: fields[4])
        else { return nil }
        self.init(
            time: Time(microseconds: time), recipient: recipient, kind: kind,
            status: String(decoding: fields[3], as: UTF8.self), next: Time(microseconds: next),
            text: String(decoding: fields[5], as: UTF8.self))
    }
}

/// The append-only history of one message: the truth about its recipients. Written by the runner that has
/// the message locked, and by nobody else.
package final class MessageLog {
    private let file: Descriptor
    package private(set) var events: [LogEvent]
    /// A crash cut the last line off: the next append begins a new one.
    private var isTorn: Bool

    private init(_ file: consuming Descriptor, events: [LogEvent], isTorn: Bool) {
        self.file = file
        self.events = events
        self.isTorn = isTorn
    }

    private static let longest = 1 << 26

    /// The log of a claimed message; nil if it has none and `creating` is false. One that tells of another
    /// file (an id cannot come twice, but a restored backup can) is begun anew.
    package static func open(
        for message: ClaimedMessage, in queue: QueueDirectory, creating: Bool
    ) throws(QueueError) -> MessageLog? {
        try step(QueueError.log) { () throws(SystemError) in
            let opening: Directory.Opening = creating ? .append(createMode: 0o600) : .appendExisting
            guard let file = try queue.log.openIfPresent(message.id.text, opening) else { return nil }
            let first = Array("message \(message.inode) \(message.arrival.microseconds)".utf8)
            let bytes = try file.readAll(limit: longest) ?? []
            let lines = bytes.split(separator: .lf, omittingEmptySubsequences: false)
            guard lines.count > 1, lines[0].elementsEqual(first) else {
                if !bytes.isEmpty { try file.truncate(to: 0) }
                try file.write(first + [.lf])
                return MessageLog(file, events: [], isTorn: false)
            }
            // What follows the last LF is a torn line, or nothing.
            let events = lines.dropFirst().dropLast().compactMap { LogEvent(line: $0) }
            return MessageLog(file, events: events, isTorn: !lines[lines.count - 1].isEmpty)
        }
    }

    /// The events of a message that nobody needs to have locked: for listings.
    package static func read(
        _ id: MessageID, in queue: QueueDirectory, inode: UInt64, arrival: Time
    ) throws(QueueError) -> [LogEvent] {
        let lines = try text(of: id, in: queue).split(separator: .lf, omittingEmptySubsequences: false)
        guard lines.count > 1, lines[0].elementsEqual("message \(inode) \(arrival.microseconds)".utf8)
        else { return [] }
        return lines.dropFirst().dropLast().compactMap { LogEvent(line: $0) }
    }

    /// All of it, as it stands.
    static func text(of id: MessageID, in queue: QueueDirectory) throws(QueueError) -> [UInt8] {
        try step(QueueError.log) { () throws(SystemError) in
            guard let file = try queue.log.openIfPresent(id.text, .read) else { return [] }
            do throws(SystemError) { return try file.readAll(limit: longest) ?? [] } catch {
                // Which file it was is to be told, too: a directory opens, and cannot be read.
                throw SystemError("read", error.code, "\(queue.log.path)/\(id)")
            }
        }
    }

    /// Appends lines in one write. Durable only after `synchronize`.
    package func append(_ new: [LogEvent]) throws(QueueError) {
        var bytes: [UInt8] = isTorn ? [.lf] : []
        for event in new { bytes += event.encoded }
        // Until it is all there: a part may be.
        isTorn = true
        try step(QueueError.log) { () throws(SystemError) in try file.write(bytes) }
        isTorn = false
        events += new
    }

    func keepOrderOfNames() throws(SystemError) { try file.keepOrderOfNames() }

    package func synchronize() throws(QueueError) {
        try step(QueueError.log) { () throws(SystemError) in try file.synchronizeWithName() }
    }

    package var endsInRemoval: Bool { events.last?.kind == .removed }

    /// What each recipient's last event was, by number.
    package var states: [Int: LogEvent] {
        var states: [Int: LogEvent] = [:]
        for event in events where event.recipient > 0 { states[event.recipient] = event }
        return states
    }
}
