import Bytes
package import Unix

/// What is known of a flood of messages that the queue makes itself, reports above all: how many were made in
/// each minute of the last hour, and since when they are held rather than sent. See queue(5), "Storms".
package struct Storm: Equatable {
    /// Messages that were put on hold: the first, the last, and how many.
    package struct Holding: Equatable {
        package var since: Time
        package var last: Time
        package var count: Int

        package init(since: Time, last: Time, count: Int) {
            self.since = since
            self.last = last
            self.count = count
        }
    }

    package enum Verdict: Equatable {
        case send
        /// `isNew`: the operator does not know of it yet.
        case hold(isNew: Bool)
    }

    /// By minute since 1970.
    private var made: [Int64: Int] = [:]
    package private(set) var holding: Holding?

    package init() {}

    private static let minutes: Int64 = 60
    /// A storm that has been over for so long and begins again is another one.
    private static let calm = Duration.seconds(3600)

    /// Counts a message that is about to be made. What is held counts, too: it was made.
    package mutating func count(at now: Time, limit: Int) -> Verdict {
        let minute = now.seconds / 60
        made = made.filter { $0.key > minute - Self.minutes && $0.key <= minute }
        let sum = made.values.reduce(0, +)
        made[minute, default: 0] += 1
        guard limit > 0, sum >= limit else { return .send }
        if let before = holding, now - before.last < Self.calm {
            holding = Holding(since: before.since, last: now, count: before.count + 1)
            return .hold(isNew: false)
        }
        holding = Holding(since: now, last: now, count: 1)
        return .hold(isNew: true)
    }

    var encoded: [UInt8] {
        var text = [UInt8]("relais-storm 1\n")
        if let holding {
            let (since, last) = (holding.since.microseconds, holding.last.microseconds)
            text += "held \(since) \(last) \(holding.count)\n"
        }
        for (minute, count) in made.sorted(by: { $0.key < $1.key }) { text += "made \(minute) \(count)\n" }
        return text + [UInt8]("end\n")
    }

    /// Nil for anything that `encoded` does not write: a torn file is no file.
    init?(_ bytes: [UInt8]) {
        var lines = bytes.split(separator: .lf, omittingEmptySubsequences: false)[...]
        guard lines.popFirst()?.elementsEqual("relais-storm 1".utf8) == true,
            lines.popLast()?.isEmpty == true, lines.popLast()?.elementsEqual("end".utf8) == true
        else { return nil }
        for line in lines {
            let words = line.split(separator: .space)
            let numbers = words.dropFirst().compactMap { Int64(strictDecimal: $0) }
            guard numbers.count == words.count - 1 else { return nil }
            if words[0].elementsEqual("held".utf8), numbers.count == 3 {
                holding = Holding(
                    since: Time(microseconds: numbers[0]), last: Time(microseconds: numbers[1]),
                    count: Int(numbers[2]))
            } else if words[0].elementsEqual("made".utf8), numbers.count == 2, numbers[1] < 1 << 31 {
                made[numbers[0]] = Int(numbers[1])
            } else {
                return nil
            }
        }
    }
}

extension QueueDirectory {
    private static var stormFile: String { "storm" }
    /// 60 lines, and what a wrong clock can add.
    private static var largestStormFile: Int { 1 << 16 }

    /// The storm of this queue, if it ever had one; advice, as all of the file is.
    package func storm() -> Storm? {
        let file = try? Directory(path).openIfPresent(Self.stormFile, .read)
        guard let bytes = try? file?.readAll(limit: Self.largestStormFile) else { return nil }
        return Storm(bytes)
    }

    /// Counts a self-made message for all runners of this queue. Where that cannot be done it is sent: the
    /// breaker must not lose what it is to protect from.
    package func countSelfMade(at now: Time, limit: Int) -> Storm.Verdict {
        do throws(SystemError) {
            let file = try Directory(path).open(Self.stormFile, .create(mode: 0o600))
            try file.lock()
            let bytes = try file.readAll(limit: Self.largestStormFile) ?? []
            var storm = Storm(bytes) ?? Storm()
            let verdict = storm.count(at: now, limit: limit)
            let text = storm.encoded
            try file.write(text, at: 0)
            try file.truncate(to: text.count)
            return verdict
        } catch { return .send }
    }
}
