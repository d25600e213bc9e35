import Bytes
import Unix

/// The destinations that are failing, and how many messages wait for each.
package struct FailingSurvey {
    package struct Entry {
        package let domain: [UInt8]
        package let state: FailingDestination
        package var waiting: Int
    }

    /// Those for whom most messages wait first.
    package let entries: [Entry]
    /// Whether all messages were looked at: that stops after `mostHeads`, so that it takes no longer than that.
    package let isComplete: Bool

    package static let mostHeads = 100_000

    /// `destination`: the name of that of a recipient, nil for one of this host.
    package init(
        of queue: QueueDirectory, mostHeads: Int = mostHeads,
        destination: (QueuedMessage, Envelope.Recipient) -> [UInt8]?
    ) throws(QueueError) {
        var found: [[UInt8]: Entry] = [:]
        for (domain, state) in DestinationMemory(queue: queue.path).all() {
            found[domain] = Entry(domain: domain, state: state, waiting: 0)
        }
        var left = mostHeads
        if !found.isEmpty {
            let places = try queue.waitingPlaces().filter { $0 != .hold }
            try queue.forEachMessage(in: places) { message throws(QueueError) in
                left -= 1
                guard left >= 0 else { return false }
                for domain in try queue.openDestinations(of: message, destination) {
                    found[domain]?.waiting += 1
                }
                return true
            }
        }
        isComplete = left >= 0
        entries = found.values.sorted {
            $0.waiting != $1.waiting ? $0.waiting > $1.waiting : $0.state.since < $1.state.since
        }
    }
}

extension QueueDirectory {
    /// The destinations for which something of a message is still to be done. Its log is read only where there
    /// are several.
    fileprivate func openDestinations(
        of message: QueuedMessage, _ destination: (QueuedMessage, Envelope.Recipient) -> [UInt8]?
    ) throws(QueueError) -> Set<[UInt8]> {
        let domains = message.envelope.recipients.map { destination(message, $0) }
        let all = Set(domains.compactMap { $0 })
        guard all.count > 1 else { return all }
        var isDone = [Bool](repeating: false, count: domains.count)
        for event in try history(of: message) where isDone.indices.contains(event.recipient - 1) {
            isDone[event.recipient - 1] = event.kind != .deferred
        }
        return Set(zip(domains, isDone).compactMap { $1 ? nil : $0 })
    }
}
