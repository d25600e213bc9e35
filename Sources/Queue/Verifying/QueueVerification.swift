import Bytes
package import Unix

/// Holds every file of a queue against the state table of queue(5), while runners run: what has its place and its
/// form is not even locked, and what has not is locked and looked at again before anything is said or done.
package struct QueueVerification {
    package struct Finding {
        /// Below the queue's directory.
        package let path: String
        /// What is wrong, as what follows the path in a sentence.
        package let what: String
        /// What was done about it, or would be; nil where only the operator can tell what is right.
        package let remedy: String?
    }

    private let queue: QueueDirectory
    private let isDry: Bool
    private let now: Time
    private let report: (Finding) -> Void
    /// Messages that were found sound, or busy.
    package private(set) var messages = 0
    private var places: [MessageID: Place] = [:]

    /// An injector that has been at it for longer is news, and one that left longer ago does not come back.
    private static let stale = Duration.seconds(3600)

    /// `isDry`: says what it would do, and does nothing.
    package init(
        of queue: QueueDirectory, isDry: Bool, at now: Time = .now(), report: @escaping (Finding) -> Void
    ) {
        self.queue = queue
        self.isDry = isDry
        self.now = now
        self.report = report
    }

    /// `progress` is called with each message.
    package mutating func run(progress: (Int) -> Void) throws(QueueError) {
        try checkRoot()
        // What can be read after this is looked into.
        try checkBuckets()
        queue.tellPassedOver = { [report, path = queue.path] error in
            let isBelow = error.object.hasPrefix("\(path)/")
            report(
                Finding(
                    path: isBelow ? String(error.object.dropFirst(path.count + 1)) : error.object,
                    what:
                        "cannot be read, nor what is in it (\(error.code)): make it the queue's owner's again",
                    remedy: nil))
        }
        // First, before anything more is put there.
        let (ids, strange) = try queue.names(in: .corrupt)
        checkCorrupt(ids.map { Array($0.text.utf8) } + strange)
        for place in try queue.allPlaces() where place != .corrupt {
            let (ids, strange) = try queue.names(in: place)
            for name in strange { checkStrange(name, in: place) }
            for id in ids {
                try check(id, in: place)
                progress(messages)
            }
        }
        try checkLogs()
        try checkAdvice()
    }

    private func find(_ path: String, _ what: String, remedy: String? = nil) {
        report(Finding(path: path, what: what, remedy: remedy))
    }

    // MARK: Messages

    private mutating func check(_ id: MessageID, in place: Place) throws(QueueError) {
        let path = "\(place.path)/\(id)"
        guard let status = try isSound(id, in: place) else { return try checkLocked(id, in: place) }
        messages += 1
        if let other = places.updateValue(place, forKey: id), try queue.look(at: id, in: other) != nil {
            find(path, "has the id of another message, \(other.path)/\(id): look at both, and move one away")
        }
        if status.mode != 0o660 {
            let mode = String(status.mode, radix: 8)
            find(path, "has mode 0\(mode), not 0660: whoever injected it may have shown it to others")
        }
    }

    /// What a sound message's file is; nil if it is not sound, or not there any more. Without a lock: what is sound
    /// is not written any more.
    private func isSound(_ id: MessageID, in place: Place) throws(QueueError) -> FileStatus? {
        do throws(SystemError) {
            return try queue.withDirectory(place) { directory throws(SystemError) in
                guard let file = try directory.openIfPresent(id.text, .read) else { return nil }
                let status = try file.status()
                guard case .sound = try queue.examine(file, status, id, thoroughly: true) else { return nil }
                return status
            }
        } catch { return nil }
    }

    /// It is being written, or gone, or something is wrong with it.
    private mutating func checkLocked(_ id: MessageID, in place: Place) throws(QueueError) {
        let path = "\(place.path)/\(id)"
        do throws(QueueError) {
            let other = try queue.otherName(of: id, in: place)
            func tellOfMove() {
                guard let other else { return }
                find(path, "is also \(other.path)/\(id): a move was cut short", remedy: "ended")
            }
            if isDry, other != nil { return tellOfMove() }
            let claim = try queue.claim(id, in: place, thoroughly: true)
            // Whoever has it locked is about to end it.
            if case .busy = claim {} else { tellOfMove() }
            try check(claim, of: id, in: place, path)
        } catch {
            guard let cause = error.cause else { throw error }
            try queue.passOver(cause)
        }
    }

    private mutating func check(
        _ claim: Claim, of id: MessageID, in place: Place, _ path: String
    ) throws(QueueError) {
        switch claim {
        case .gone: break
        case .claimed: messages += 1
        case .busy(let since):
            messages += 1
            if now - since > Self.stale {
                find(path, "has been locked for over an hour by who writes it: look for that process")
            }
        case .unfinished(let since):
            guard now - since > Self.stale else { break }
            mend(path, "was never finished, so never acknowledged", remedy: "removed") {
                () throws(QueueError) in
                try queue.removeUnfinished(id, in: place)
            }
        case .invalid(let reason):
            mend(path, reason, remedy: "moved to corrupt/, and not delivered") { () throws(QueueError) in
                try queue.setAside(id.bytes, in: place)
            }
        }
    }

    /// Does it first: what cannot be done is for the operator, and stops nothing else.
    private func mend(
        _ path: String, _ what: String, remedy: String, _ body: () throws(QueueError) -> Void
    ) {
        do throws(QueueError) {
            if !isDry { try body() }
            find(path, what, remedy: remedy)
        } catch { find(path, "\(what); it could not be \(remedy): \(error)") }
    }

    private func checkStrange(_ name: [UInt8], in place: Place) {
        let path = "\(place.path)/\(name.escaped(limit: 80))"
        mend(path, "is not named by an id, so no message of ours", remedy: "moved to corrupt/") {
            () throws(QueueError) in try queue.setAside(name, in: place)
        }
    }

    private func checkCorrupt(_ names: [[UInt8]]) {
        for name in names {
            find(
                "corrupt/\(name.escaped(limit: 80))",
                "is set aside: look at it (the log says why it is here), rescue what you can, and remove it")
        }
    }

    // MARK: Logs

    private mutating func checkLogs() throws(QueueError) {
        let names = try step(QueueError.scan) { () throws(SystemError) in try queue.log.names() }
        for name in names.sorted() {
            let path = "log/\(Array(name.utf8).escaped(limit: 80))"
            guard let id = MessageID(name) else {
                find(path, "is not named by an id: nobody reads it; remove it")
                continue
            }
            guard let message = try message(id) else { continue }
            do throws(QueueError) {
                try check(try MessageLog.text(of: id, in: queue), of: message, path)
            } catch {
                guard let cause = error.cause else { throw error }
                try queue.passOver(cause)
            }
        }
        // With care for messages that move while they are looked for, or end.
        for name in try queue.orphanLogs() {
            mend(
                "log/\(Array(name.utf8).escaped(limit: 80))", "tells of a message that is gone",
                remedy: "removed"
            ) { () throws(QueueError) in try queue.removeLogs([name]) }
        }
    }

    private func message(_ id: MessageID) throws(QueueError) -> QueuedMessage? {
        if let place = places[id], let message = try queue.look(at: id, in: place) { return message }
        return try queue.find(id)
    }

    private func check(
        _ text: [UInt8], of message: QueuedMessage, _ path: String
    ) throws(QueueError) {
        let lines = text.split(separator: .lf, omittingEmptySubsequences: false)
        guard lines.count > 1 else { return }
        let first = "message \(message.inode) \(message.arrival.microseconds)"
        guard lines[0].elementsEqual(first.utf8) else {
            return find(
                path,
                "begins with \"\(lines[0].escaped(limit: 80))\" and not with \"\(first)\": it tells of another file, "
                    + "as after a queue was copied, and is not heeded: who has the message gets it again")
        }
        let count = message.envelope.recipients.count
        var isRemoved = false
        // What follows the last LF was cut off by a crash, and does not count.
        for (number, line) in lines.enumerated().dropFirst().dropLast() where !line.isEmpty {
            guard let event = LogEvent(line: line) else {
                find(path, "has in line \(number + 1) what is no event: it is not heeded")
                continue
            }
            if event.recipient > count {
                find(
                    path,
                    "tells in line \(number + 1) of recipient \(event.recipient); the message has \(count)")
            }
            isRemoved = event.kind == .removed
        }
        if isRemoved { try endRemoval(of: message) }
    }

    /// S7 of queue(5): only the removal is left to do.
    private func endRemoval(of message: QueuedMessage) throws(QueueError) {
        guard case .claimed(let claimed) = try queue.claim(message.id, in: message.place) else { return }
        mend(
            "\(message.place.path)/\(message.id)", "is done with, but its removal was cut short",
            remedy: "removed"
        ) { () throws(QueueError) in
            try queue.remove(claimed, log: try MessageLog.open(for: claimed, in: queue, creating: false))
        }
    }

    // MARK: What is not a message

    private static let known: Set<String> = [
        "incoming", "deferred", "log", "hold", "corrupt", "destinations", "trash", "service", "storm",
    ]

    private func checkRoot() throws(QueueError) {
        let names = try step(QueueError.scan) { () throws(SystemError) in try queue.root.names() }
        for name in names.sorted() where !Self.known.contains(name) && !name.hasPrefix("runner.") {
            // What fsck puts there, and what snapshots need, is on a filesystem of its own.
            if name == "lost+found" || name.hasPrefix(".") { continue }
            find(Array(name.utf8).escaped(limit: 80), "does not belong into a queue")
        }
    }

    private func checkBuckets() throws(QueueError) {
        for (parent, isBucket) in [
            ("deferred", { Int64(strictDecimal: Array($0.utf8)) != nil }),
            ("trash", { Place.trash(bucket: $0) != nil }),
        ] as [(String, (String) -> Bool)] {
            let names: [String]
            do throws(SystemError) { names = try Directory(parent, in: queue.root).names() } catch {
                find(parent, "is missing: queue-runner --check says how to make it")
                continue
            }
            for name in names.sorted() {
                let path = "\(parent)/\(Array(name.utf8).escaped(limit: 80))"
                if isBucket(name) {
                    checkBucket(name, in: parent, path)
                } else {
                    find(
                        path,
                        "is not named by a minute: nobody looks into it; move what is in it to incoming/")
                }
            }
        }
    }

    /// One that this process may read when it says so is made what it should be; the rest is told when it is read.
    private func checkBucket(_ name: String, in parent: String, _ path: String) {
        guard let status = (try? Path.status("\(queue.path)/\(parent)/\(name)", following: false)) ?? nil,
            status.kind == .directory, status.user == Identity.user, status.mode & 0o700 != 0o700
        else { return }
        let mode = String(status.mode, radix: 8)
        mend(path, "has mode 0\(mode), so that nobody can deliver what is in it", remedy: "given mode 0700") {
            () throws(QueueError) in
            try step(QueueError.move) { () throws(SystemError) in
                try Path.setMode("\(queue.path)/\(parent)/\(name)", 0o700)
            }
        }
    }

    /// What is advice: where it is torn, it says nothing.
    private func checkAdvice() throws(QueueError) {
        for name in DestinationMemory(queue: queue.path).unreadable() {
            let path = "destinations/\(Array(name.utf8).escaped(limit: 80))"
            // Somebody is just writing it.
            let status = (try? Path.status("\(queue.path)/destinations/\(name)")) ?? nil
            guard let status, now - status.modified > .seconds(60) else { continue }
            mend(path, "is torn, or none of ours: nothing is known of that destination", remedy: "removed") {
                () throws(QueueError) in
                try step(QueueError.move) { () throws(SystemError) in
                    try Path.remove("\(queue.path)/destinations/\(name)")
                }
            }
        }
        let storm = "\(queue.path)/storm"
        if ((try? Path.status(storm)) ?? nil) != nil, queue.storm() == nil {
            find("storm", "is torn: reports are counted anew", remedy: "removed")
            if !isDry { try? Path.remove(storm) }
        }
    }
}
