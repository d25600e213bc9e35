import Bytes
package import Unix

/// A message as it stands in the queue, seen without its lock: a moment later it may be elsewhere, or gone.
package struct QueuedMessage {
    package let head: MessageHead
    package let place: Place
    package let inode: UInt64
    /// The owner of its file.
    package let injector: UInt32
    /// Where the content begins in the file.
    let contentOffset: Int

    package var id: MessageID { head.id }
    package var envelope: Envelope { head.envelope }
    package var arrival: Time { head.arrival }
}

extension QueueDirectory {
    /// Looks at a message; nil if it is not there (any more), or is none of ours.
    package func look(at id: MessageID, in place: Place) throws(QueueError) -> QueuedMessage? {
        do throws(SystemError) {
            return try withDirectory(place) { directory throws(SystemError) in
                guard let file = try directory.openIfPresent(id.text, .read) else { return nil }
                return try look(at: file, id, place)
            }
        } catch {
            switch error.code {
            case .noEntry, .tooManyLinks, .noSuchDevice: break
            default: try passOver(error)
            }
            return nil
        }
    }

    private func look(
        at file: borrowing Descriptor, _ id: MessageID, _ place: Place
    ) throws(SystemError) -> QueuedMessage? {
        let status = try file.status()
        guard status.kind == .regular else { return nil }
        var size = 4096
        while size <= MessageHead.longest {
            let bytes = try readExactly(file, size, at: 0)
            do throws(SyntaxError) {
                if let (head, size) = try MessageHead.parse(bytes) {
                    guard head.id == id else { return nil }
                    return QueuedMessage(
                        head: head, place: place, inode: status.inode, injector: status.user,
                        contentOffset: size)
                }
            } catch { return nil }
            if bytes.count < size { return nil }
            size *= 8
        }
        return nil
    }

    /// Where messages wait, in the order in which a runner would come to them, then those on hold.
    package func waitingPlaces() throws(QueueError) -> [Place] {
        [.incoming] + (try buckets().map { Place.deferred(minute: $0) }) + [.hold]
    }

    /// Wherever a message can be.
    package func allPlaces() throws(QueueError) -> [Place] {
        try waitingPlaces() + [.corrupt] + trashPlaces()
    }

    /// Calls `body` with each message of the places, oldest first in each, until it returns false. What moves
    /// meanwhile may be seen twice, or not at all.
    package func forEachMessage(
        in places: [Place], _ body: (QueuedMessage) throws(QueueError) -> Bool
    ) throws(QueueError) {
        for place in places {
            for id in try names(in: place).ids {
                guard let message = try look(at: id, in: place) else { continue }
                guard try body(message) else { return }
            }
        }
    }

    /// Finds a message, wherever it is.
    package func find(_ id: MessageID) throws(QueueError) -> QueuedMessage? {
        for place in try allPlaces() {
            if let message = try look(at: id, in: place) { return message }
        }
        return nil
    }

    /// What happened to a message so far; empty if nothing did, or if the log is that of another file.
    /// A log that cannot be read is passed over.
    package func history(of message: QueuedMessage) throws(QueueError) -> [LogEvent] {
        do throws(QueueError) {
            return try MessageLog.read(message.id, in: self, inode: message.inode, arrival: message.arrival)
        } catch {
            guard let cause = error.cause else { throw error }
            try passOver(cause)
            return []
        }
    }

    /// Calls `body` with the text of a message, part by part, until it returns false; false where the message
    /// is there no more.
    package func forEachPart(
        of message: QueuedMessage, _ body: ([UInt8]) -> Bool
    ) throws(QueueError) -> Bool {
        do throws(SystemError) {
            return try withDirectory(message.place) { directory throws(SystemError) in
                guard let file = try directory.openIfPresent(message.id.text, .read),
                    try file.status().inode == message.inode
                else { return false }
                let text = message.head.text(of: file.raw, contentOffset: message.contentOffset)
                var position = 0
                while position < text.count {
                    // One that is shorter than it says is shown as far as it goes.
                    guard let part = try? text.part(at: position), body(part) else { break }
                    position += part.count
                }
                return true
            }
        } catch {
            if error.code == .noEntry { return false }
            throw .claim(error)
        }
    }
}
