import Bytes
package import Unix

extension QueueDirectory {
    /// What a log of some length, and a bucket, take.
    private static let leastRoom: (bytes: UInt64, inodes: UInt64) = (1 << 16, 4)

    /// Fails with ENOSPC where a log could hardly be begun.
    package func checkRoom() throws(QueueError) {
        try step(QueueError.log) { () throws(SystemError) in
            let free = try Path.freeSpace(path)
            let hasInodes = !free.hasInodes || free.inodes >= Self.leastRoom.inodes
            guard free.bytes >= Self.leastRoom.bytes, hasInodes else {
                throw SystemError("write", .noSpace, path)
            }
        }
    }

    /// Puts a claimed message into the bucket of its next attempt, which is later than the current minute.
    package func postpone(_ message: ClaimedMessage, until next: Time, now: Time) throws(QueueError) {
        let minute = max(next.seconds / 60, now.seconds / 60 + 1)
        guard message.place != .deferred(minute: minute) else { return }
        try move(message, toFirstOf: .deferred(minute: minute)) { .deferred(minute: $0) }
    }

    /// Into a bucket, or, where that is none of ours, into one of the next minutes.
    func move(
        _ message: ClaimedMessage, toFirstOf bucket: Place, _ bucketOf: (Int64) -> Place
    ) throws(QueueError) {
        let first = bucket.minute ?? 0
        for minute in first...(first + Self.mostBuckets) {
            do throws(QueueError) {
                return try move(message, to: minute == first ? bucket : bucketOf(minute))
            } catch {
                let isOfBucket =
                    switch error.cause?.code {
                    case .accessDenied, .notDirectory, .tooManyLinks: true
                    default: false
                    }
                guard isOfBucket, minute < first + Self.mostBuckets else { throw error }
            }
        }
    }

    private static let mostBuckets: Int64 = 5

    /// Moves a claimed message; its lock stays.
    package func move(_ message: ClaimedMessage, to place: Place) throws(QueueError) {
        guard message.place != place else { return }
        try rename(message.id.text, from: message.place, to: place)
        let before = message.place
        message.place = place
        tidy(before)
    }

    /// Sets a file aside that is none of ours or damaged, whatever its name; where one of that name is there
    /// already, with a number behind it.
    package func setAside(_ name: [UInt8], in place: Place) throws(QueueError) {
        try step(QueueError.move) { () throws(SystemError) in
            let corrupt = try Directory(Place.corrupt.path, in: root)
            try withDirectory(place) { source throws(SystemError) in
                for number in 0... {
                    let suffix = number == 0 ? [] : Array(".\(number)".utf8)
                    do throws(SystemError) {
                        return try source.rename(name, to: corrupt, as: name.prefix(240) + suffix)
                    } catch {
                        guard error.code == .exists, number < 1000 else { throw error }
                    }
                }
            }
        }
    }

    private func rename(_ name: String, from: Place, to: Place) throws(QueueError) {
        try step(QueueError.move) { () throws(SystemError) in
            // A bucket just made can be removed by another runner before the rename: try again.
            for _ in 0..<10 {
                try makeBucket(of: to)
                do throws(SystemError) {
                    let target = try Directory(to.path, in: root)
                    return try withDirectory(from) { source throws(SystemError) in
                        try source.rename(name, to: target, as: name)
                    }
                } catch {
                    guard error.code == .noEntry, to.bucket != nil else { throw error }
                }
            }
            throw SystemError("rename", .noEntry, name)
        }
    }

    func makeBucket(of place: Place) throws(SystemError) {
        guard let bucket = place.bucket else { return }
        let parent = try Directory(place.parent, in: root)
        if try parent.makeDirectory(bucket, mode: 0o700) { try parent.descriptor.keepOrderOfNames() }
    }

    /// Removes a bucket that is empty; where what was in it could come back after a power cut, `clean` does.
    package func tidy(_ place: Place) {
        guard place.bucket != nil, root.descriptor.carriesNameWithSync() else { return }
        _ = try? removeIfEmpty(place)
    }

    /// Whether it went: a message may have come into it meanwhile, or another runner removed it.
    private func removeIfEmpty(_ place: Place) throws(QueueError) -> Bool {
        guard let bucket = place.bucket else { return false }
        do throws(SystemError) { try Directory(place.parent, in: root).removeDirectory(bucket) } catch {
            if error.code != .notEmpty { try passOver(error) }
            return false
        }
        return true
    }

    /// Ends a message with whose recipients nothing is left to do: S7 and S8 of queue(5). Done is it without the message; what
    /// keeps its log from being removed is told, and tried again by `removeLeftLogs`.
    package func remove(_ message: ClaimedMessage, log: MessageLog?) throws(QueueError) {
        if let log, !log.endsInRemoval {
            try log.append([LogEvent(time: .now(), recipient: 0, kind: .removed)])
            try log.synchronize()
        }
        try step(QueueError.move) { () throws(SystemError) in
            try withDirectory(message.place) { directory throws(SystemError) in
                try directory.remove(message.id.text)
            }
        }
        if let log { removeLog(of: message.id, opened: log) }
        tidy(message.place)
    }

    /// Of a message that is gone. `opened`: one that came back without its log would be delivered again.
    func removeLog(of id: MessageID, opened: MessageLog?) {
        do throws(SystemError) {
            try opened?.keepOrderOfNames()
            try log.removeIfPresent(id.text)
        } catch { if leftLogs.insert(id.text).inserted { tellPassedOver(error) } }
    }

    /// Removes the logs that an ended message had to leave; not that of a message which has come back under its id.
    package func removeLeftLogs() throws(QueueError) {
        guard !leftLogs.isEmpty else { return }
        try step(QueueError.move) { () throws(SystemError) in try root.descriptor.keepOrderOfNames() }
        try removeLogs(try orphanLogs().filter { leftLogs.contains($0) })
        leftLogs = []
    }

    /// Injects under an id that is the same at each attempt: an earlier one that got through is enough, wherever
    /// in the queue it has come to meanwhile; of one that did not nothing is kept. `isFirst`: there was none.
    package func once(
        _ id: MessageID, isFirst: Bool = false, _ inject: () throws(QueueError) -> Void
    ) throws(QueueError) {
        if !isFirst, isBeyondIncoming(id) { return }
        do throws(QueueError) { try inject() } catch {
            guard error == .exists else { throw error }
            if try !isInjected(id) { try inject() }
        }
    }

    /// Whether runners of other hosts have worked here: each leaves its file.
    package var hasOtherRunners: Bool {
        var count = 0
        do throws(SystemError) {
            try root.forEachName { name in
                if name.starts(with: Self.runnerPrefix) { count += 1 }
                return count < 2
            }
        } catch { return true }
        return count > 1
    }

    private static let runnerPrefix = [UInt8]("runner.")

    /// What cannot be looked into is taken for empty, and what was found damaged for nothing: rather twice than never.
    /// Looks into each bucket, as each may have it: 3 ms of processor time where there are 500 of them, 13 ms where there
    /// are 2,000, beside 1 ms for all else that a report or a copy takes (ext4). A runner that is busy is spared it: what came in
    /// its own time nobody worked on before, and what it did itself it has written down.
    private func isBeyondIncoming(_ id: MessageID) -> Bool {
        let places = (try? allPlaces()) ?? []
        return places.contains { place in
            guard place != .incoming, place != .corrupt else { return false }
            let status = try? root.status(of: "\(place.path)/\(id)")
            return (status ?? nil) != nil
        }
    }

    /// Whether an earlier attempt to inject under `id`, whose injector is known to be gone, got through; it is
    /// durable then. What it left unfinished is removed.
    private func isInjected(_ id: MessageID) throws(QueueError) -> Bool {
        switch try claim(id, in: .incoming) {
        case .claimed(let message):
            try message.synchronize()
            return true
        // A runner has it, or had it.
        case .busy, .gone: return true
        case .invalid: return false
        case .unfinished:
            try removeUnfinished(id, in: .incoming)
            return false
        }
    }

    /// Removes a file that was never acknowledged and that nobody is writing. Locks it, so that an injector
    /// that comes back to life sees that its name is gone.
    package func removeUnfinished(_ id: MessageID, in place: Place) throws(QueueError) {
        guard case .unfinished = try claim(id, in: place) else { return }
        try step(QueueError.move) { () throws(SystemError) in
            try withDirectory(place) { directory throws(SystemError) in
                _ = try directory.removeIfPresent(id.text)
            }
        }
    }
}

extension QueueDirectory {
    /// Removes what only a crash leaves: logs without a message, and empty buckets. How many.
    package func clean() throws(QueueError) -> Int {
        try step(QueueError.move) { () throws(SystemError) in try root.descriptor.keepOrderOfNames() }
        let orphans = try orphanLogs()
        try removeLogs(orphans)
        return orphans.count
            + (try allPlaces().count { place throws(QueueError) in try removeIfEmpty(place) })
    }

    /// Logs that tell of no message; none where there are places that cannot be read, as their messages may be there.
    func orphanLogs() throws(QueueError) -> [String] {
        var orphans = Set(try step(QueueError.scan) { () throws(SystemError) in try log.names() })
        // The messages are read after the logs: one that comes meanwhile has no log among those read. One that
        // moves meanwhile can be missed; not so when all are read again, the other way round.
        for place in try allPlaces() { orphans.subtract(try names(in: place).ids.map({ $0.text })) }
        if !orphans.isEmpty {
            for place in try allPlaces().reversed() {
                orphans.subtract(try names(in: place).ids.map({ $0.text }))
            }
        }
        guard passedOver.isEmpty else { return [] }
        // One whose message ended meanwhile is gone by now, or is about to be.
        if !orphans.isEmpty {
            pause(.milliseconds(100))
            let left = Set(try step(QueueError.scan) { () throws(SystemError) in try log.names() })
            orphans.formIntersection(left)
        }
        return orphans.filter { MessageID($0) != nil }.sorted()
    }

    func removeLogs(_ names: [String]) throws(QueueError) {
        for name in names {
            try step(QueueError.log) { () throws(SystemError) in _ = try log.removeIfPresent(name) }
        }
    }
}
