import Glibc

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
    package var logStamp: String {
        var text = "\(Self.months[month - 1]) "
        if day < 10 { text += " " }
        return text + "\(day) \(Self.two(hour)):\(Self.two(minute)):\(Self.two(second))"
    }

    /// `Mon Nov 23 18:34:05`, as mailq has it.
    package var listStamp: String { "\(Self.weekdays[weekday]) \(logStamp)" }

    private static let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]
    private static let weekdays = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
    private static func two(_ number: Int) -> String { number < 10 ? "0\(number)" : String(number) }
}
