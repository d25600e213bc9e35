import Bytes
import CSystem

/// A moment of the wall clock, in microseconds since 1970.
package struct Time: Comparable, Hashable {
    package var microseconds: Int64

    package init(microseconds: Int64) { self.microseconds = microseconds }
    package init(seconds: Int64) {
        microseconds = seconds.multipliedReportingOverflow(by: 1_000_000).partialValue
    }

    init(_ time: timespec) {
        microseconds = Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1000
    }

    package var seconds: Int64 { microseconds / 1_000_000 }

    package static func now() -> Time {
        var time = timespec()
        unsafe clock_gettime(CLOCK_REALTIME, &time)
        return Time(time)
    }

    package static func < (a: Time, b: Time) -> Bool { a.microseconds < b.microseconds }
    /// What would be beyond all time ends at it: a number that a stranger wrote must not be a trap.
    package static func + (a: Time, b: Duration) -> Time {
        let (sum, over) = a.microseconds.addingReportingOverflow(b.microseconds)
        return Time(microseconds: over ? (b > .zero ? .max : .min) : sum)
    }
    package static func - (a: Time, b: Time) -> Duration {
        let (difference, over) = a.microseconds.subtractingReportingOverflow(b.microseconds)
        return .microseconds(over ? (a > b ? .max : .min) : difference)
    }
}

extension Duration {
    package var microseconds: Int64 {
        components.seconds * 1_000_000 + components.attoseconds / 1_000_000_000_000
    }
    /// Whole milliseconds, rounded up, as `poll` takes them.
    package var milliseconds: Int64 { (microseconds + 999) / 1000 }
    package var inSeconds: Double { Double(microseconds) / 1_000_000 }
}

/// A moment of the monotonic clock by which something must be done.
package struct Deadline: Comparable {
    package let microseconds: Int64

    package static let never = Deadline(microseconds: .max)

    /// `microseconds`: as `monotonicMicroseconds` counts them.
    package init(microseconds: Int64) { self.microseconds = microseconds }

    package static func after(_ duration: Duration) -> Deadline {
        Deadline(microseconds: monotonicMicroseconds() + duration.microseconds)
    }

    package static func monotonicMicroseconds() -> Int64 {
        var time = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        return Time(time).microseconds
    }

    package var hasPassed: Bool { remaining == .zero }

    package var remaining: Duration {
        if microseconds == .max { return .seconds(86400 * 365) }
        return .microseconds(max(0, microseconds - Self.monotonicMicroseconds()))
    }

    /// What `poll` takes: -1 for ever, else milliseconds.
    package var pollTimeout: CInt {
        microseconds == .max ? -1 : CInt(clamping: remaining.milliseconds)
    }

    package static func < (a: Deadline, b: Deadline) -> Bool { a.microseconds < b.microseconds }
    package static func + (a: Deadline, b: Duration) -> Deadline {
        let (sum, over) = a.microseconds.addingReportingOverflow(b.microseconds)
        return Deadline(microseconds: over ? .max : sum)
    }
}

/// Waits; used where a peer's delay or a lock that cannot be waited for asks for it.
package func pause(_ duration: Duration) {
    guard duration > .zero else { return }
    var wanted = timespec(
        tv_sec: Int(duration.microseconds / 1_000_000), tv_nsec: Int(duration.microseconds % 1_000_000 * 1000)
    )
    var left = timespec()
    while unsafe nanosleep(&wanted, &left) != 0, cs_errno() == EINTR { wanted = left }
}

/// A moment on the wall of this host's time zone; for log files only: what we put into mail is UTC.
package struct LocalTime {
    package let year: Int
    /// 0 is Sunday.
    package let weekday: Int
    package let month: Int
    package let day: Int
    package let hour: Int
    package let minute: Int
    package let second: Int

    package init(_ time: Time) {
        var seconds = time_t(time.seconds)
        var fields = unsafe tm()
        unsafe localtime_r(&seconds, &fields)
        year = unsafe Int(fields.tm_year) + 1900
        weekday = unsafe Int(fields.tm_wday)
        month = unsafe Int(fields.tm_mon) + 1
        day = unsafe Int(fields.tm_mday)
        hour = unsafe Int(fields.tm_hour)
        minute = unsafe Int(fields.tm_min)
        second = unsafe Int(fields.tm_sec)
    }

    /// `Nov 23 18:34:05`, as log files have it.
    package var logStamp: [UInt8] {
        var text: [UInt8] = []
        text.reserveCapacity(16)
        text += Self.months[month - 1].utf8
        text.append(.space)
        if day < 10 { text.append(.space) }
        text.append(decimal: day)
        text.append(.space)
        text.append(decimal: hour, width: 2)
        text.append(.ascii(":"))
        text.append(decimal: minute, width: 2)
        text.append(.ascii(":"))
        text.append(decimal: second, width: 2)
        return text
    }

    /// `Mon Nov 23 18:34:05`, as mailq has it.
    package var listStamp: String { "\(Self.weekdays[weekday]) \(String(decoding: logStamp, as: UTF8.self))" }

    private static let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]
    private static let weekdays = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
}
