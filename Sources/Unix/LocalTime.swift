import Glibc

/// A moment on the wall of this host's time zone; for log files only: what we put into mail is UTC.
package struct LocalTime {
    package let month: Int
    package let day: Int
    package let hour: Int
    package let minute: Int
    package let second: Int

    package init(_ time: Time) {
        var seconds = time_t(time.seconds)
        var fields = unsafe tm()
        unsafe localtime_r(&seconds, &fields)
        month = unsafe Int(fields.tm_mon) + 1
        day = unsafe Int(fields.tm_mday)
        hour = unsafe Int(fields.tm_hour)
        minute = unsafe Int(fields.tm_min)
        second = unsafe Int(fields.tm_sec)
    }
}
