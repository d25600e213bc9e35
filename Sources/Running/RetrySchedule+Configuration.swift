import Program
import Queue

extension RetrySchedule {
    init(_ configuration: Configuration) {
        self.init(intervals: configuration.retryIntervals, lifetime: configuration.queueLifetime)
    }
}
