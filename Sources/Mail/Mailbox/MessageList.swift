/// A message as the client of a session knows it.
package struct ListedMessage: Equatable, Sendable {
    package let uid: UInt32
    package var flags: MessageFlags
    /// Came since somebody looked last, and this session is the first to see it: RFC 3501 §2.3.2.
    package var isRecent: Bool

    package init(uid: UInt32, flags: MessageFlags = [], isRecent: Bool = false) {
        self.uid = uid
        self.flags = flags
        self.isRecent = isRecent
    }
}

/// The messages of an open mailbox in the order of their UIDs, as its client was told last. Message numbers are places in it,
/// so it changes only where the client hears of it.
package struct MessageList: Sendable {
    /// What a look at the mailbox changed.
    package struct Changes: Equatable, Sendable {
        /// Places before the change, highest first.
        package var expunged: [Int] = []
        /// Places behind it.
        package var flagsChanged: [Int] = []
        package var appended = 0
        package var isEmpty: Bool { expunged.isEmpty && flagsChanged.isEmpty && appended == 0 }

        package init(expunged: [Int] = [], flagsChanged: [Int] = [], appended: Int = 0) {
            (self.expunged, self.flagsChanged, self.appended) = (expunged, flagsChanged, appended)
        }
    }

    package private(set) var messages: [ListedMessage] = []

    package init() {}

    package var count: Int { messages.count }
    package subscript(_ index: Int) -> ListedMessage { messages[index] }

    package mutating func setFlags(_ flags: MessageFlags, at index: Int) { messages[index].flags = flags }

    package mutating func markRecent(_ uids: Set<UInt32>) {
        for index in messages.indices where uids.contains(messages[index].uid) {
            messages[index].isRecent = true
        }
    }

    /// Takes messages out; their places, highest first.
    package mutating func remove(_ indices: [Int]) -> [Int] {
        let places = indices.sorted(by: >)
        guard let lowest = places.last else { return [] }
        let gone = Set(places)
        var kept = lowest
        for index in lowest..<messages.count where !gone.contains(index) {
            messages[kept] = messages[index]
            kept += 1
        }
        messages.removeSubrange(kept...)
        return places
    }

    /// To this session everything is gone: its UIDs are no longer valid.
    package mutating func removeAll() -> [Int] {
        defer { messages.removeAll() }
        return Array(messages.indices.reversed())
    }

    /// Brings the list up to what there is now, which ascends by UID. What is gone stays in its place until the client may hear
    /// of it (`expunges`).
    package mutating func merge(
        _ now: some Collection<ListedMessage>, expunges: Bool, into changes: inout Changes
    ) {
        var kept = 0
        var rest = now.makeIterator()
        var next = rest.next()
        let last = messages.last?.uid ?? 0
        var expunged: [Int] = []
        for index in messages.indices {
            let known = messages[index]
            while let message = next, message.uid < known.uid { next = rest.next() }
            if let message = next, message.uid == known.uid {
                if message.flags != known.flags {
                    messages[index].flags = message.flags
                    changes.flagsChanged.append(kept)
                }
            } else if expunges {
                expunged.append(index)
                continue
            }
            if kept != index { messages[kept] = messages[index] }
            kept += 1
        }
        messages.removeSubrange(kept...)
        changes.expunged += expunged.reversed()
        while let message = next {
            if message.uid > last {
                messages.append(message)
                changes.appended += 1
            }
            next = rest.next()
        }
    }

    /// The first place whose UID is `lowest` or larger.
    package func firstIndex(from lowest: UInt32) -> Int {
        var low = 0
        var high = messages.count
        while low < high {
            let middle = (low + high) / 2
            if messages[middle].uid < lowest { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
