import Bytes
package import Unix

// What the operator threw away waits in a bucket named by the minute in which it goes for good: S11 of queue(5).

extension QueueDirectory {
    /// Throws a claimed message away; until `end` it can come back.
    package func discard(_ message: ClaimedMessage, until end: Time) throws(QueueError) {
        let place = try roomInTrash(until: end, wasHeld: message.place == .hold)
        try move(message, toFirstOf: place) { .trash(minute: $0, wasHeld: place.wasHeld) }
    }

    /// The same for a message that failed and of which nobody could be told: brought back, it is tried as if it were
    /// new. A crash between the two steps makes it be tried again without that.
    package func discard(
        _ message: ClaimedMessage, until end: Time, forgetting log: MessageLog?
    ) throws(QueueError) {
        if log != nil {
            try step(QueueError.log) { () throws(SystemError) in
                _ = try self.log.removeIfPresent(message.id.text)
            }
        }
        try discard(message, until: end)
    }

    /// Puts a claimed message back where it was: on hold, or among those that are due.
    package func restore(_ message: ClaimedMessage) throws(QueueError) {
        guard case .trash(_, let wasHeld) = message.place else { return }
        try move(message, to: wasHeld ? .hold : .incoming)
    }

    /// Earliest end first.
    package func trashPlaces() throws(QueueError) -> [Place] {
        try namesOfBuckets(in: "trash").compactMap { Place.trash(bucket: $0) }
            .sorted { ($0.minute ?? 0, $0.path) < ($1.minute ?? 0, $1.path) }
    }

    /// Removes for good what has been in the trash for its time, at most `limit` messages: a runner has other
    /// things to do. How many.
    package func emptyTrash(at now: Time, limit: Int) throws(QueueError) -> Int {
        var removed = 0
        for place in try trashPlaces() where place.minute.map({ $0 <= now.seconds / 60 }) ?? false {
            for id in try names(in: place, limit: limit - removed).ids {
                if try destroy(id, in: place) { removed += 1 }
            }
            tidy(place)
            if removed >= limit { break }
        }
        return removed
    }

    /// Removes a message for good, whatever its file holds; false where it is gone, or somebody is just bringing it
    /// back. Nothing is left to do for it whatever a power cut brings back of it, so nothing is synced.
    package func destroy(_ id: MessageID, in place: Place) throws(QueueError) -> Bool {
        let isGone = try step(QueueError.move) { () throws(SystemError) in
            try withDirectory(place) { directory throws(SystemError) in
                guard let file = try directory.openIfPresent(id.text, .readWrite), try file.tryLock(),
                    let named = try directory.status(of: id.text), try named.isSameFile(as: file.status())
                else { return false }
                // Another name is that of a move that was cut: what is elsewhere too is mail, and keeps its log.
                let isOnly = named.links == 1
                return try directory.removeIfPresent(id.text) && isOnly
            }
        }
        if isGone { removeLog(of: id, opened: nil) }
        return isGone
    }

    /// The bucket for what goes for good at `end`; where there is no room for a new one, the latest that there is.
    private func roomInTrash(until end: Time, wasHeld: Bool) throws(QueueError) -> Place {
        let wanted = Place.trash(minute: end.seconds / 60 + 1, wasHeld: wasHeld)
        do throws(SystemError) {
            try makeBucket(of: wanted)
            return wanted
        } catch {
            let others = try trashPlaces().filter { $0.wasHeld == wasHeld }
            guard error.code == .noSpace || error.code == .overQuota, let latest = others.last else {
                throw .move(error)
            }
            return latest
        }
    }
}
