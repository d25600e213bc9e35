import Bytes
package import Unix

/// How many messages are in which state, how large and how old: counted from names and inodes alone, in
/// memory that does not grow with the queue. What moves meanwhile may be counted twice, or not at all.
package struct QueueCensus {
    package enum State: Int, CaseIterable {
        case incoming, active, deferred, held, corrupt, trash
    }

    package struct Tally: Equatable {
        package var messages = 0
        /// Of the files, with their heads.
        package var bytes = 0
        /// The arrival of the oldest.
        package var oldest: Time?
    }

    /// By `State.rawValue`.
    package private(set) var tallies = [Tally](repeating: Tally(), count: State.allCases.count)
    /// Messages whose age is below the bound of the same place in `ageBounds`; behind them the older ones.
    package private(set) var ages = [Int](repeating: 0, count: ageBounds.count + 1)
    package private(set) var totalAge = Duration.zero
    /// The earliest time from which a message waits for a runner that should have come.
    package private(set) var dueSince: Time?
    /// The next minute in which a message is to be looked at.
    package private(set) var nextAttempt: Time?

    package static let ageBounds: [Duration] = [
        .seconds(300), .seconds(3600), .seconds(21600), .seconds(86400), .seconds(259_200),
    ]

    private let now: Time
    private let active: Set<UInt64>

    package init(of queue: QueueDirectory, at now: Time) throws(QueueError) {
        self.now = now
        active = try queue.activeInodes()
        for place in try queue.allPlaces() {
            try queue.forEachFile(in: place) { name, status in count(name, status, place) }
        }
    }

    package subscript(state: State) -> Tally { tallies[state.rawValue] }

    /// Mail: all but what is set aside or thrown away.
    package var total: Tally {
        var sum = Tally()
        for tally in [self[.incoming], self[.active], self[.deferred], self[.held]] {
            sum.messages += tally.messages
            sum.bytes += tally.bytes
            sum.oldest = [sum.oldest, tally.oldest].compactMap { $0 }.min()
        }
        return sum
    }

    private mutating func count(_ name: [UInt8], _ status: FileStatus, _ place: Place) {
        let id = MessageID(name: name)
        // What has no id is none of ours: the runner sets it aside.
        guard id != nil || place == .corrupt else { return }
        let arrival = id?.arrival ?? status.modified
        let isActive = active.contains(status.inode)
        let state: State =
            switch place {
            case .hold: .held
            case .corrupt: .corrupt
            case .trash: .trash
            case _ where isActive: .active
            case .incoming: .incoming
            case .deferred: .deferred
            }
        tallies[state.rawValue].messages += 1
        tallies[state.rawValue].bytes += status.size
        tallies[state.rawValue].oldest = min(tallies[state.rawValue].oldest ?? arrival, arrival)
        guard place != .corrupt, !place.isTrash else { return }
        let age = now - arrival
        ages[Self.ageBounds.firstIndex { age < $0 } ?? Self.ageBounds.count] += 1
        totalAge += max(age, .zero)
        guard !isActive else { return }
        // In `incoming/` it is due since its name came there.
        if place == .incoming { note(due: status.changed) }
        if case .deferred(let minute) = place { note(due: Time(seconds: minute * 60)) }
    }

    private mutating func note(due time: Time) {
        if time > now {
            nextAttempt = min(nextAttempt ?? time, time)
        } else {
            dueSince = min(dueSince ?? time, time)
        }
    }
}

extension QueueDirectory {
    /// Calls `body` with each file of a place, as the directory has them.
    func forEachFile(in place: Place, _ body: ([UInt8], FileStatus) -> Void) throws(QueueError) {
        do throws(SystemError) {
            try withDirectory(place) { directory throws(SystemError) in
                try directory.forEachName { name in
                    let status = try? directory.status(of: String(decoding: name, as: UTF8.self))
                    if let status = status ?? nil { body(name, status) }
                    return true
                }
            }
        } catch {
            try passOver(error)
        }
    }
}
