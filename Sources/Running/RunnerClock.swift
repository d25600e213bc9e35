package import Unix

/// Time as the runner knows it, and the wait for what comes: a test has a clock of its own.
package protocol RunnerClock: AnyObject {
    /// The time of day, which is written down.
    var now: Time { get }
    /// Microseconds of a clock that nobody sets.
    var monotonic: Int64 { get }
    /// Which of the descriptors can be read, when one can or the deadline has passed (then none).
    func wait(for descriptors: [CInt], until deadline: Deadline) -> [CInt]
}

extension RunnerClock {
    func after(_ duration: Duration) -> Deadline { Deadline(microseconds: monotonic) + duration }
    func hasPassed(_ deadline: Deadline) -> Bool { deadline <= after(.zero) }
}

/// The host's clock.
package final class SystemClock: RunnerClock {
    package init() {}

    package var now: Time { .now() }
    package var monotonic: Int64 { Deadline.monotonicMicroseconds() }

    package func wait(for descriptors: [CInt], until deadline: Deadline) -> [CInt] {
        (try? Poll.wait(anyOf: descriptors, until: deadline)) ?? []
    }
}
