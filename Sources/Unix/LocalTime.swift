import Bytes
import CSystem

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
