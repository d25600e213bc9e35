import Bytes
package import Unix

/// The line that begins a message in an mbox.
package enum MboxFormat {
    /// `From sender Thu Jan  1 00:00:00 1970`, in UTC, as asctime(3) writes it.
    package static func separator(from sender: [UInt8], at time: Time) -> [UInt8] {
        var line = [UInt8]("From ")
        line += sender.isEmpty ? [UInt8]("MAILER-DAEMON") : sender.map { $0.isVisible ? $0 : .ascii("_") }
        line += " "
        line += Self.date(time)
        line.append(.lf)
        return line
    }

    private static func date(_ time: Time) -> [UInt8] {
        let days = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"]
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        let seconds = max(0, time.seconds)
        let day = seconds / 86400
        let (year, month, dayOfMonth) = civilDate(day)
        var text = Array("\(days[Int(day % 7)]) \(months[month - 1]) ".utf8)
        if dayOfMonth < 10 { text.append(.space) }
        text.append(decimal: dayOfMonth)
        text.append(.space)
        text.append(decimal: seconds % 86400 / 3600, width: 2)
        text.append(.ascii(":"))
        text.append(decimal: seconds % 3600 / 60, width: 2)
        text.append(.ascii(":"))
        text.append(decimal: seconds % 60, width: 2)
        text.append(.space)
        text.append(decimal: year, width: 4)
        return text
    }

    /// Year, month and day of a day since 1970, in the Gregorian calendar: years are counted from March, so
    /// that the leap day comes last, and eras of 400 years all have the same days.
    private static func civilDate(_ day: Int64) -> (year: Int64, month: Int, day: Int) {
        let shifted = day + 719_468
        let era = shifted / 146_097
        let dayOfEra = shifted % 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        return (year, Int(month), Int(dayOfYear - (153 * monthFromMarch + 2) / 5 + 1))
    }
}

/// Puts a `>` before each line that is `From ` behind any number of `>`: readers take one away, and nothing
/// in a message can begin another (T57). Works over parts cut anywhere.
struct MboxQuoting {
    private static let word = [UInt8]("From ")

    /// How much of `From ` stands at the beginning of this line and is held back; nil inside a line.
    private var held: Int? = 0
    private var endsLine = true

    mutating func append(_ part: [UInt8], to output: inout [UInt8]) {
        for byte in part { append(byte, to: &output) }
    }

    private mutating func append(_ byte: UInt8, to output: inout [UInt8]) {
        if let count = held {
            if byte == Self.word[count] {
                held = count + 1
                if count + 1 == Self.word.count {
                    output.append(.ascii(">"))
                    output += Self.word
                    held = nil
                    endsLine = false
                }
                return
            }
            output += Self.word.prefix(count)
            // A line of `>` so far may still come to `From `; one more `>` in the run quotes it as well.
            held = count == 0 && byte == .ascii(">") ? 0 : nil
        }
        output.append(byte)
        endsLine = byte == .lf
        if endsLine { held = 0 }
    }

    /// Ends the last line, if it has no end.
    mutating func end(to output: inout [UInt8]) {
        if let count = held, count > 0 {
            output += Self.word.prefix(count)
            endsLine = false
        }
        if !endsLine { output.append(.lf) }
        (held, endsLine) = (0, true)
    }
}
