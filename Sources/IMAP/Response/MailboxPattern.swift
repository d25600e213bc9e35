import Bytes

/// LIST's patterns: `*` stands for anything, `%` for anything without a separator (RFC 3501 §6.3.8).
struct MailboxPattern {
    private let pattern: [UInt8]
    private let separator: UInt8

    init(_ pattern: [UInt8], separator: UInt8) {
        // Runs of wildcards are one: they would cost time and mean nothing more.
        var short: [UInt8] = []
        for byte in pattern where !(byte == .ascii("*") && short.last == .ascii("*")) { short.append(byte) }
        self.pattern = short
        self.separator = separator
    }

    /// In time pattern × name, whatever the pattern (T36): the set of places reached goes through the name once.
    func matches(_ name: [UInt8]) -> Bool {
        var reached = closure([0])
        for byte in name {
            var next: Set<Int> = []
            for place in reached where place < pattern.count {
                switch pattern[place] {
                case .ascii("*"): next.insert(place)
                case .ascii("%"): if byte != separator { next.insert(place) }
                case byte: next.insert(place + 1)
                default: break
                }
            }
            if next.isEmpty { return false }
            reached = closure(next)
        }
        return reached.contains(pattern.count)
    }

    /// Wildcards may stand for nothing.
    private func closure(_ places: Set<Int>) -> Set<Int> {
        var all = places
        for place in places {
            var place = place
            while place < pattern.count, pattern[place] == .ascii("*") || pattern[place] == .ascii("%") {
                place += 1
                all.insert(place)
            }
        }
        return all
    }
}
