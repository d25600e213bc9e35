/// Who goes next: which destination gets a session, and with which items.
///
/// Items wait in their destination, apart by sender. Senders take turns, first for the session and then
/// within it, so that one sender's thousands are in nobody's way; a session that one sender's turn opened
/// takes the others' items for the same destination along. A destination has as many sessions as its
/// window allows: it grows by each session that went well and is halved by each that did not.
///
/// Pure: no clock, no descriptors. Every operation costs the same however much is waiting.
package final class Scheduler<Key: Hashable, Sender: Hashable, Item> {
    package struct Limits: Equatable {
        /// Most sessions at a time, in all and to one destination.
        package var total: Int
        package var perDestination: Int
        /// Most items in one session.
        package var batch: Int

        package init(total: Int, perDestination: Int, batch: Int) {
            self.total = total
            self.perDestination = perDestination
            self.batch = batch
        }
    }

    /// How a session ended, for the window of its destination.
    package enum Ending { case well, badly, calledOff }

    private final class Destination {
        var items: [Sender: Fifo<Item>] = [:]
        /// Senders with items here, in the order of their turns. One without items is passed over.
        var turns = Fifo<Sender>()
        /// The sender in whose turn a session may be opened; nil while none may.
        var sponsor: Sender?
        var count = 0
        var running = 0
        /// Of those running, how many have said nothing for long.
        var stalled = 0
        var window: Int
        /// One item is to show whether the destination is there again.
        var isProbed = false

        init(window: Int) { self.window = window }
    }

    /// New ones hold from the next session on.
    package var limits: Limits
    private var destinations: [Key: Destination] = [:]
    /// For each sender the destinations that it sponsors; entries whose sponsor changed are passed over.
    private var sponsored: [Sender: Fifo<Key>] = [:]
    /// Senders that sponsor something, in the order of their turns.
    private var senders = Fifo<Sender>()
    private(set) package var running = 0
    /// Items that wait.
    private(set) package var count = 0

    /// Sessions to a destination that nothing is known of.
    static var firstWindow: Int { 4 }
    /// Another session beside one that gets on is worth it when more items than this wait.
    static var share: Int { 10 }

    package init(_ limits: Limits) { self.limits = limits }

    package func count(of key: Key) -> Int { destinations[key]?.count ?? 0 }
    package func running(of key: Key) -> Int { destinations[key]?.running ?? 0 }
    /// How many more sessions there may be.
    package var room: Int { max(0, limits.total - running) }
    package var isFull: Bool { room == 0 }
    /// How many destinations could have a session if only there were room for one. Looks at all of them.
    package var readyCount: Int { destinations.values.count { $0.sponsor != nil } }

    // MARK: What waits

    package func add(_ item: Item, from sender: Sender, to key: Key) {
        let destination = self.destination(key)
        if destination.items[sender] == nil {
            destination.turns.append(sender)
            destination.items[sender] = Fifo()
        }
        destination.items[sender]!.append(item)
        destination.count += 1
        count += 1
        if let sponsor = destination.sponsor {
            // Who has less to wait for opens the session sooner.
            let others = sponsored[sponsor]?.count ?? 0
            if sponsor != sender, (sponsored[sender]?.count ?? 0) < others {
                list(key, destination, under: sender)
            }
        } else if mayStart(destination) {
            list(key, destination, under: sender)
        }
    }

    /// All that waits for a destination, taken out.
    package func removeAll(for key: Key) -> [(sender: Sender, item: Item)] {
        guard let destination = destinations[key] else { return [] }
        var all: [(sender: Sender, item: Item)] = []
        while let (sender, item) = pop(from: destination) { all.append((sender, item)) }
        destination.sponsor = nil
        forgetIfIdle(key, destination)
        return all
    }

    private func destination(_ key: Key) -> Destination {
        if let known = destinations[key] { return known }
        let new = Destination(window: min(Self.firstWindow, limits.perDestination))
        destinations[key] = new
        return new
    }

    private func list(_ key: Key, _ destination: Destination, under sender: Sender) {
        destination.sponsor = sender
        if sponsored[sender] == nil {
            sponsored[sender] = Fifo()
            senders.append(sender)
        }
        sponsored[sender]!.append(key)
    }

    /// The next item in the order of the senders' turns.
    private func pop(from destination: Destination) -> (Sender, Item)? {
        while let sender = destination.turns.popFirst() {
            if let item = destination.items[sender]?.popFirst() {
                destination.turns.append(sender)
                destination.count -= 1
                count -= 1
                return (sender, item)
            }
            destination.items[sender] = nil
        }
        return nil
    }

    // MARK: Sessions

    private func mayStart(_ destination: Destination) -> Bool {
        guard destination.count > 0, destination.running < (destination.isProbed ? 1 : destination.window)
        else { return false }
        return destination.count > Self.share || destination.running == destination.stalled
    }

    /// The session that is to be opened now, counted as running from here on; nil when none is.
    package func next() -> (key: Key, items: [(sender: Sender, item: Item)])? {
        while running < limits.total, let sender = senders.popFirst() {
            while let key = sponsored[sender]?.popFirst() {
                guard let destination = destinations[key], destination.sponsor == sender else { continue }
                destination.sponsor = nil
                guard mayStart(destination) else { continue }
                if sponsored[sender]?.isEmpty == false {
                    senders.append(sender)
                } else {
                    sponsored[sender] = nil
                }
                return (key, start(key, destination, for: sender))
            }
            sponsored[sender] = nil
        }
        return nil
    }

    private func start(
        _ key: Key, _ destination: Destination, for sender: Sender
    ) -> [(sender: Sender, item: Item)] {
        let wanted = fairPart(of: destination)
        var items: [(sender: Sender, item: Item)] = []
        if let first = destination.items[sender]?.popFirst() {
            destination.count -= 1
            count -= 1
            items.append((sender, first))
        }
        while items.count < wanted, let next = pop(from: destination) { items.append(next) }
        destination.running += 1
        running += 1
        relist(key, destination)
        return items
    }

    /// What one session takes, so that those that may run beside it get their part.
    private func fairPart(of destination: Destination) -> Int {
        if destination.isProbed { return 1 }
        let others = min(
            destination.window - destination.running, limits.total - running,
            destination.count / Self.share + 1)
        return min(limits.batch, (destination.count + others - 1) / max(1, others))
    }

    private func relist(_ key: Key, _ destination: Destination) {
        guard destination.sponsor == nil, mayStart(destination) else { return }
        // The sender whose turn it is; those whose items have gone leave the ring here.
        while let sender = destination.turns.popFirst() {
            if destination.items[sender]?.isEmpty == false {
                destination.turns.append(sender)
                return list(key, destination, under: sender)
            }
            destination.items[sender] = nil
        }
    }

    /// A session has said nothing for long: another may start beside it. At most once a session.
    package func stall(_ key: Key) {
        guard let destination = destinations[key] else { return }
        destination.stalled += 1
        relist(key, destination)
    }

    /// A session that began elsewhere counts here from now on, beyond the limits if need be.
    package func adopt(_ key: Key, stalled: Bool) {
        let destination = destination(key)
        destination.running += 1
        running += 1
        if stalled { destination.stalled += 1 }
    }

    /// A session is over; `stalled` as it was told before.
    package func end(_ key: Key, _ ending: Ending, stalled: Bool = false) {
        guard let destination = destinations[key] else { return }
        running -= 1
        destination.running -= 1
        if stalled { destination.stalled -= 1 }
        switch ending {
        case .well:
            destination.isProbed = false
            destination.window = min(destination.window + 1, limits.perDestination)
        case .badly: destination.window = max(1, destination.window / 2)
        case .calledOff: break
        }
        relist(key, destination)
        forgetIfIdle(key, destination)
    }

    /// From now on one item at a time, until a session ended well.
    package func probe(_ key: Key) { destination(key).isProbed = true }

    private func forgetIfIdle(_ key: Key, _ destination: Destination) {
        if destination.count == 0, destination.running == 0 { destinations[key] = nil }
    }
}
