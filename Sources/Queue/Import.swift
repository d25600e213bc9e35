import Bytes
import Unix

/// Reads messages that another queue exported, one behind the other, and injects each under its own id.
package struct Import {
    private let input: CInt
    private let queue: QueueDirectory
    private var buffer: [UInt8] = []
    private var start = 0
    /// Where in the stream the next message begins.
    package private(set) var offset = 0

    private static let portion = 1 << 16

    package init(from input: CInt, into queue: QueueDirectory) {
        self.input = input
        self.queue = queue
    }

    package enum Taken {
        case new(MessageID)
        /// It is in this queue already: left as it is.
        case present(MessageID)
    }

    /// Takes the next message into the queue; nil at the end. Nothing is kept of one that is not whole.
    package mutating func next() throws(QueueError) -> Taken? {
        guard let (head, headSize, headCRC) = try readHead() else { return nil }
        let isPresent = try queue.isPresent(head.id)
        let injection =
            isPresent
            ? nil
            : try Injection(queue: queue.path, envelope: head.envelope, id: head.id, arrival: head.arrival)
        var contentCRC = CRC32C()
        try take(head.contentLength, &contentCRC) { part throws(QueueError) in try injection?.append(part) }
        var top: [UInt8] = []
        try take(head.topLength, &contentCRC) { top += $0 }
        injection?.putOnTop(top)
        try fill(MessageTrailer.size)
        let trailer = MessageTrailer(Array(buffer[start...].prefix(MessageTrailer.size)))
        let expected = MessageTrailer(
            id: head.id, contentLength: head.length, headCRC: headCRC, contentCRC: contentCRC.value)
        guard trailer == expected else {
            throw .damaged("the end of \(head.id) is missing, or tells another CRC")
        }
        start += MessageTrailer.size
        offset += headSize + head.length + MessageTrailer.size
        guard let injection else { return .present(head.id) }
        do throws(QueueError) { try injection.commit(kick: nil) } catch {
            guard error == .exists else { throw error }
            return .present(head.id)
        }
        return .new(head.id)
    }

    private mutating func readHead() throws(QueueError) -> (head: MessageHead, size: Int, crc: UInt32)? {
        var wanted = 1
        while true {
            let available = try fill(wanted)
            if available == 0 { return nil }
            do throws(SyntaxError) {
                if let (head, size) = try MessageHead.parse(Array(buffer[start...])) {
                    var crc = CRC32C()
                    crc.update(buffer[start..<(start + size)])
                    start += size
                    return (head, size, crc.value)
                }
            } catch { throw .damaged("no message begins with \"\(buffer[start...].prefix(40).escaped())\"") }
            guard available >= wanted, available < MessageHead.longest else {
                throw .damaged("no message begins with \"\(buffer[start...].prefix(40).escaped())\"")
            }
            wanted = available + 1
        }
    }

    /// The next bytes. What is missing at the end is for the trailer to tell.
    private mutating func take(
        _ length: Int, _ crc: inout CRC32C, _ body: ([UInt8]) throws(QueueError) -> Void
    ) throws(QueueError) {
        var left = length
        while left > 0, try fill(1) > 0 {
            let part = Array(buffer[start...].prefix(left))
            start += part.count
            left -= part.count
            crc.update(part[...])
            try body(part)
        }
    }

    /// Reads until `count` bytes are there, or the input ends; how many are.
    @discardableResult
    private mutating func fill(_ count: Int) throws(QueueError) -> Int {
        while buffer.count - start < count {
            if start > 0 {
                buffer.removeSubrange(..<start)
                start = 0
            }
            do throws(SystemError) {
                if try File.append(input, to: &buffer, upTo: Self.portion) == 0 { break }
            } catch { throw .inject(error) }
        }
        return buffer.count - start
    }
}

extension QueueDirectory {
    /// Whether a message that is about to be imported is here; it is durable then. What an earlier attempt, or a
    /// message of that id that is gone, left behind is removed.
    fileprivate func isPresent(_ id: MessageID) throws(QueueError) -> Bool {
        try removeUnfinished(id, in: .incoming)
        for place in try allPlaces() {
            let found: Claim
            do throws(QueueError) { found = try claim(id, in: place) } catch {
                guard let cause = error.cause else { throw error }
                try passOver(cause)
                continue
            }
            switch found {
            case .gone, .unfinished: continue
            case .busy, .invalid: return true
            case .claimed(let message):
                try message.synchronize()
                return true
            }
        }
        try step(QueueError.log) { () throws(SystemError) in _ = try log.removeIfPresent(id.text) }
        return false
    }
}
