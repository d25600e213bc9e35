import Bytes
import Program
import Queue
import Unix

/// Finds what is due and claims it, message by message.
///
/// A kick tells the id of what came, so that a large `incoming/` is not read again for each new message; all
/// of it is read at the start, once in a while, and whenever a kick may have been lost.
final class Intake {
    private let queue: QueueDirectory
    private let log: Log
    private let kicks: CInt?
    private let clock: any RunnerClock
    var horizon: Duration
    /// What came by a kick goes first.
    private var fresh = Fifo<MessageID>()
    private var backlog = Fifo<Candidate>()
    /// Messages that are in the runner's hands already: claimed, or parked at their destination.
    private var known: Set<MessageID> = []
    /// Those among them that are to be looked at again in another minute.
    private var left: Set<MessageID> = []
    private var nextScan: Deadline
    /// Of the last reading of the buckets.
    private(set) var minute: Int64 = 0

    /// A file that nobody finished, and a lock that its injector keeps, are news after this.
    private static let stale = Duration.seconds(3600)
    /// As many datagrams as the shortest queue of a kernel holds: perhaps more came and found no room.
    private static let fullSocket = 8

    init(
        queue: QueueDirectory, log: Log, kicks: CInt?, horizon: Duration, clock: any RunnerClock
    ) {
        self.queue = queue
        self.log = log
        self.kicks = kicks
        self.horizon = horizon
        self.clock = clock
        nextScan = clock.after(.zero)
    }

    var isEmpty: Bool { fresh.isEmpty && backlog.isEmpty }
    /// When the queue is to be read again, kick or not.
    var deadline: Deadline { nextScan }
    /// Read everything again next time.
    func invalidate() { nextScan = clock.after(.zero) }

    func release(_ id: MessageID) { known.remove(id) }

    /// What became of it could not be written down: it stays where it is, and is left alone for this minute.
    func leave(_ id: MessageID) { left.insert(id) }

    /// What was parked or left alone is not to wait any more.
    func comeBack(_ message: Candidate) {
        known.remove(message.id)
        left.remove(message.id)
        backlog.append(message)
    }

    // MARK: Looking

    /// Drains the kicks, then reads the queue: never the other way round, or a message could be missed.
    func look() throws(QueueError) {
        if let kicks { takeKicks(kicks) }
        if clock.hasPassed(nextScan) { try scan() }
    }

    private func takeKicks(_ kicks: CInt) {
        hear(ServiceSocket.drain(kicks))
    }

    /// What knocks said.
    func hear(_ all: [[UInt8]]) {
        for kick in all {
            if let id = MessageID(name: kick) { fresh.append(id) } else { invalidate() }
        }
        if all.count >= Self.fullSocket { invalidate() }
    }

    private func scan() throws(QueueError) {
        let began = clock.monotonic
        let now = clock.now
        var places: [Place] = [.incoming]
        if now.seconds / 60 != minute {
            minute = now.seconds / 60
            known.subtract(left)
            left.removeAll()
            places += try queue.dueBuckets(at: now, horizon: horizon).map { .deferred(minute: $0) }
        }
        for place in places { try read(place) }
        // A scan that takes long is not to be all that is done.
        let took = Duration.microseconds(clock.monotonic - began)
        nextScan = clock.after(max(kicks == nil ? .seconds(1) : .seconds(30), took * 20))
    }

    /// Reads a place, due or not: what of it is not due goes back to it.
    func read(_ place: Place) throws(QueueError) {
        let (ids, strange) = try queue.names(in: place)
        for name in strange {
            setAside(name, in: place, "its name is no id")
        }
        for id in ids where !known.contains(id) { backlog.append(Candidate(id: id, place: place)) }
        if ids.isEmpty { queue.tidy(place) }
    }

    // MARK: Claiming

    /// A message, and what of it waits where this go has begun.
    typealias Taken = (message: ClaimedMessage, parked: ParkedMessage?)

    /// The next message that is ours now; nil when nothing is left.
    func next() -> Taken? {
        while let id = fresh.popFirst() {
            if let taken = take(Candidate(id: id, place: .incoming)) { return taken }
        }
        while let candidate = backlog.popFirst() {
            if let taken = take(candidate) { return taken }
        }
        return nil
    }

    private func take(_ candidate: Candidate) -> Taken? {
        guard !known.contains(candidate.id) else { return nil }
        if let parked = candidate.parked { return claimAgain(parked).map { ($0, parked) } }
        guard let message = claim(candidate.id, in: candidate.place) else { return nil }
        known.insert(candidate.id)
        return (message, nil)
    }

    /// A message that was parked; nil when somebody else has it, or it is gone: it is forgotten then.
    ///
    /// It is where it was; or, as no lock keeps what waits here, where the operator's commands put it meanwhile: nobody
    /// looks there again for one that is known, and all its recipients were asked for.
    func claimAgain(_ parked: ParkedMessage) -> ClaimedMessage? {
        known.insert(parked.id)
        if let message = claim(parked.id, in: parked.place) { return message }
        if parked.place != .incoming, let message = claim(parked.id, in: .incoming) {
            parked.place = .incoming
            parked.rest = []
            return message
        }
        parked.destinations = []
        known.remove(parked.id)
        return nil
    }

    private func claim(_ id: MessageID, in place: Place) -> ClaimedMessage? {
        do throws(QueueError) {
            switch try queue.claim(id, in: place) {
            case .claimed(let message): return message
            case .gone: break
            case .busy(let since):
                if clock.now - since > Self.stale {
                    log.warning("\(id): locked by its injector for over an hour")
                }
            case .unfinished(let since):
                guard clock.now - since > Self.stale else { break }
                log.warning("\(id): removed: never finished, never acknowledged")
                try queue.removeUnfinished(id, in: place)
            case .invalid(let reason): setAside(id.bytes, in: place, reason)
            }
        } catch {
            log.error("\(id): \(error)")
        }
        return nil
    }

    private func setAside(_ name: [UInt8], in place: Place, _ reason: String) {
        let shown = name.escaped(limit: 80)
        do throws(QueueError) {
            try queue.setAside(name, in: place)
            log.error("\(shown): moved to corrupt/: \(reason)")
        } catch { log.error("\(shown): \(reason); \(error)") }
    }
}
