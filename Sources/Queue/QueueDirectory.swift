import Bytes
package import Unix

/// The queue as the runner sees it: every move that queue(5) allows, and nothing else.
package final class QueueDirectory {
    package let path: String
    let root: Directory
    private let incoming: Directory
    private let deferred: Directory
    let log: Directory
    private let bootID: String

    /// Opens the queue; fails with EACCES for who may not read it.
    package init(_ path: String) throws(QueueError) {
        do throws(SystemError) {
            root = try Directory(path)
            incoming = try Directory("incoming", in: root)
            deferred = try Directory("deferred", in: root)
            log = try Directory("log", in: root)
            bootID = try Host.bootID()
        } catch { throw .scan(error) }
        self.path = path
    }

    func withDirectory<Result>(
        _ place: Place, _ body: (borrowing Directory) throws(SystemError) -> Result
    ) throws(SystemError) -> Result {
        if place == .incoming { return try body(incoming) }
        let directory = try Directory(place.path, in: root)
        return try body(directory)
    }

    // MARK: Scanning

    /// Names in a place, oldest first, at most `limit`; those that have not the form of an id apart.
    package func names(
        in place: Place, limit: Int = .max
    ) throws(QueueError) -> (ids: [MessageID], strange: [[UInt8]]) {
        var ids: [MessageID] = []
        var strange: [[UInt8]] = []
        do throws(SystemError) {
            try withDirectory(place) { directory throws(SystemError) in
                try directory.forEachName { name in
                    if let id = MessageID(name: name) { ids.append(id) } else { strange.append(name) }
                    return ids.count < limit
                }
            }
        } catch {
            if error.code != .noEntry { throw .scan(error) }
        }
        return (ids.sorted(), strange)
    }

    /// All buckets, earliest first.
    package func buckets() throws(QueueError) -> [Int64] {
        try step(QueueError.scan) { () throws(SystemError) in
            try deferred.names().compactMap { Int64(strictDecimal: Array($0.utf8)) }.sorted()
        }
    }

    /// The buckets whose minute has come, or that lie further ahead than any that this clock would make.
    package func dueBuckets(at now: Time, horizon: Duration) throws(QueueError) -> [Int64] {
        let last = (now + horizon).seconds / 60 + 1
        return try buckets().filter { $0 <= now.seconds / 60 || $0 > last }
    }

    // MARK: Claiming

    /// Locks a message and checks that it is what an injector of ours makes.
    package func claim(_ id: MessageID, in place: Place) throws(QueueError) -> Claim {
        do throws(SystemError) {
            return try withDirectory(place) { directory throws(SystemError) in
                guard let file = try directory.openIfPresent(id.text, .readWrite) else { return .gone }
                return try validate(file, id, place, directory)
            }
        } catch {
            switch error.code {
            case .noEntry: return .gone
            case .tooManyLinks: return .invalid(reason: "is a symbolic link")
            // ENXIO: a socket. EISDIR: a directory opened for writing.
            case .isDirectory, .noSuchDevice: return .invalid(reason: "is not a regular file")
            case .accessDenied: return .invalid(reason: "cannot be read by the runner")
            default: throw .claim(error)
            }
        }
    }

    private func validate(
        _ file: consuming Descriptor, _ id: MessageID, _ place: Place, _ directory: borrowing Directory
    ) throws(SystemError) -> Claim {
        let before = try file.status()
        guard before.kind == .regular else { return .invalid(reason: "is not a regular file") }
        guard try file.tryLock() else { return .busy(since: before.changed) }
        // Between open and lock the name may have been moved, and the file grown.
        let status = try file.status()
        guard let named = try directory.status(of: id.text), named.isSameFile(as: status) else {
            return .gone
        }
        guard status.links == 1 else { return .invalid(reason: "has \(status.links) links") }
        let trailerOffset = status.size - MessageTrailer.size
        guard trailerOffset > 0,
            let trailer = MessageTrailer(try file.read(upTo: MessageTrailer.size, at: trailerOffset)),
            trailer.id == id
        else { return .unfinished(since: status.changed) }
        let headSize = trailerOffset - trailer.contentLength
        guard headSize > 0, headSize <= MessageHead.longest else {
            return .invalid(reason: "has a trailer whose length does not fit")
        }
        guard let head = try readHead(file, headSize), head.id == id,
            head.contentLength == trailer.contentLength
        else { return .invalid(reason: "has a damaged head") }
        if head.bootID != bootID {
            guard try hasCRCs(trailer, file, headSize, trailerOffset) else {
                return .invalid(reason: "does not have the CRC that its trailer tells")
            }
        }
        return .claimed(
            ClaimedMessage(head: head, contentOffset: headSize, status: status, place: place, file: file))
    }

    /// The head, if it is one and ends exactly where the content begins.
    private func readHead(_ file: borrowing Descriptor, _ size: Int) throws(SystemError) -> MessageHead? {
        let bytes = try readExactly(file, size, at: 0)
        do throws(SyntaxError) {
            guard let (head, parsed) = try MessageHead.parse(bytes), parsed == size else { return nil }
            return head
        } catch { return nil }
    }

    func readExactly(
        _ file: borrowing Descriptor, _ count: Int, at offset: Int
    ) throws(SystemError) -> [UInt8] {
        var bytes: [UInt8] = []
        while bytes.count < count {
            let part = try file.read(upTo: count - bytes.count, at: offset + bytes.count)
            if part.isEmpty { break }
            bytes += part
        }
        return bytes
    }

    private func hasCRCs(
        _ trailer: MessageTrailer, _ file: borrowing Descriptor, _ headSize: Int, _ end: Int
    ) throws(SystemError) -> Bool {
        var head = CRC32C()
        head.update(try readExactly(file, headSize, at: 0)[...])
        guard head.value == trailer.headCRC else { return false }
        var content = CRC32C()
        var offset = headSize
        while offset < end {
            let part = try file.read(upTo: min(1 << 16, end - offset), at: offset)
            if part.isEmpty { return false }
            content.update(part[...])
            offset += part.count
        }
        return content.value == trailer.contentCRC
    }

    /// The message's file opened anew, for reading only: what may be handed to a deliverer.
    package func openForDelivery(_ message: ClaimedMessage) throws(QueueError) -> Descriptor {
        try step(QueueError.claim) { () throws(SystemError) in
            let file = try openAnew(message)
            guard try file.status().inode == message.inode else {
                throw SystemError("open", .noEntry, message.id.text)
            }
            return file
        }
    }

    private func openAnew(_ message: ClaimedMessage) throws(SystemError) -> Descriptor {
        if message.place == .incoming { return try incoming.open(message.id.text, .read) }
        return try Directory(message.place.path, in: root).open(message.id.text, .read)
    }

    // MARK: Moving

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
        try move(message, to: .deferred(minute: minute))
    }

    /// Moves a claimed message; its lock stays.
    package func move(_ message: ClaimedMessage, to place: Place) throws(QueueError) {
        try rename(message.id.text, from: message.place, to: place)
        let before = message.place
        message.place = place
        tidy(before)
    }

    /// Sets a file aside that is none of ours or damaged, whatever its name.
    package func setAside(_ name: String, in place: Place) throws(QueueError) {
        try rename(name, from: place, to: .corrupt)
    }

    private func rename(_ name: String, from: Place, to: Place) throws(QueueError) {
        try step(QueueError.move) { () throws(SystemError) in
            // A bucket just made can be removed by another runner before the rename: try again.
            for _ in 0..<10 {
                if case .deferred(let minute) = to {
                    let isNew = try deferred.makeDirectory(String(minute), mode: 0o700)
                    if isNew { try deferred.descriptor.keepOrderOfNames() }
                }
                do throws(SystemError) {
                    let target = try Directory(to.path, in: root)
                    return try withDirectory(from) { source throws(SystemError) in
                        try source.rename(name, to: target, as: name)
                    }
                } catch {
                    guard error.code == .noEntry, case .deferred = to else { throw error }
                }
            }
            throw SystemError("rename", .noEntry, name)
        }
    }

    /// Removes a bucket that is empty; where what was in it could come back after a power cut, `clean` does.
    package func tidy(_ place: Place) {
        guard case .deferred(let minute) = place, deferred.descriptor.carriesNameWithSync() else { return }
        try? deferred.removeDirectory(String(minute))
    }

    /// Ends a message with whose recipients nothing is left to do: S7 to S9 of queue(5).
    package func remove(_ message: ClaimedMessage, log: MessageLog?) throws(QueueError) {
        if let log, !log.endsInRemoval {
            try log.append([LogEvent(time: .now(), recipient: 0, kind: .removed)])
            try log.synchronize()
        }
        try step(QueueError.move) { () throws(SystemError) in
            try withDirectory(message.place) { directory throws(SystemError) in
                try directory.remove(message.id.text)
            }
            guard let log else { return }
            // A message that came back without its log would be delivered again.
            try log.keepOrderOfNames()
            try self.log.removeIfPresent(message.id.text)
        }
        tidy(message.place)
    }

    /// Injects under an id that is the same at each attempt: an earlier one that got through is enough, of
    /// one that did not nothing is kept.
    package func once(_ id: MessageID, _ inject: () throws(QueueError) -> Void) throws(QueueError) {
        do throws(QueueError) { try inject() } catch {
            guard error == .exists else { throw error }
            if try !isInjected(id) { try inject() }
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
        var removed = 0
        try step(QueueError.move) { () throws(SystemError) in try deferred.descriptor.keepOrderOfNames() }
        let minutes = try buckets()
        let before = try step(QueueError.scan) { () throws(SystemError) in try log.names() }
        // The messages are read after the logs: one that comes meanwhile has no log among those read.
        var present: Set<String> = []
        for place in [.incoming, .hold, .corrupt] + minutes.map({ Place.deferred(minute: $0) }) {
            let ids = try names(in: place).ids
            for id in ids { present.insert(id.text) }
            if ids.isEmpty, case .deferred(let minute) = place, try removeIfEmpty(bucket: minute) {
                removed += 1
            }
        }
        for name in before where !present.contains(name) {
            try step(QueueError.log) { () throws(SystemError) in _ = try log.removeIfPresent(name) }
            removed += 1
        }
        return removed
    }

    /// Whether it went: a message may have come into it meanwhile, or another runner removed it.
    private func removeIfEmpty(bucket minute: Int64) throws(QueueError) -> Bool {
        do throws(SystemError) { try deferred.removeDirectory(String(minute)) } catch {
            guard error.code == .notEmpty || error.code == .noEntry else { throw .move(error) }
            return false
        }
        return true
    }
}
