package import Unix

/// When a message is tried again, and when no more.
package struct RetrySchedule: Equatable {
    /// The wait behind the n-th attempt; the last one repeats. Never empty.
    private let intervals: [Duration]
    private let lifetime: Duration

    package init(intervals: [Duration], lifetime: Duration) {
        precondition(!intervals.isEmpty)
        self.intervals = intervals
        self.lifetime = lifetime
    }

    /// The next attempt after `failures` failed ones, the last of them now; nil when the message has been
    /// in the queue for its lifetime: it is given up only by an attempt that failed.
    package func next(afterFailures failures: Int, arrival: Time, now: Time) -> Time? {
        guard now - arrival < lifetime else { return nil }
        return now + intervals[min(max(failures, 1), intervals.count) - 1]
    }

    /// When a destination is probed again after `failures` failed attempts, the last of them now. Soon
    /// enough that a new message need not wait long for what only the old ones know.
    package func nextProbe(afterFailures failures: Int, now: Time) -> Time {
        now + min(intervals[min(max(failures, 1), intervals.count) - 1], Self.longestPause)
    }

    private static let longestPause = Duration.seconds(1800)

    /// No bucket of ours lies further ahead.
    package var longestInterval: Duration { intervals.max()! }
}
