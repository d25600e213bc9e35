package import Bytes

/// A date and time of RFC 5322 §3.3. What we write is in UTC; what others wrote keeps its zone.
package struct DateTime: Equatable, Sendable {
    /// Since 1970, UTC.
    package let seconds: Int64
    /// East of UTC.
    package let zoneMinutes: Int

    package init(seconds: Int64, zoneMinutes: Int = 0) {
        self.seconds = seconds
        self.zoneMinutes = zoneMinutes
    }

    package struct Fields: Equatable {
        package var year: Int
        package var month: Int
        package var day: Int
        package var hour: Int
        package var minute: Int
        package var second: Int
        /// 0 is Sunday.
        package var weekday: Int
    }

    /// The clock on the wall of the zone.
    package var fields: Fields {
        let local = seconds + Int64(zoneMinutes) * 60
        let days = local >= 0 ? local / 86400 : (local - 86399) / 86400
        let rest = Int(local - days * 86400)
        let (year, month, day) = Self.civil(fromDays: days)
        return Fields(
            year: year, month: month, day: day, hour: rest / 3600, minute: rest / 60 % 60, second: rest % 60,
            weekday: Int(((days + 4) % 7 + 7) % 7))
    }

    /// The proleptic Gregorian calendar, days counted from 1970-01-01, years begun in March.
    private static func civil(fromDays days: Int64) -> (Int, Int, Int) {
        let shifted = days + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let day = Int(dayOfYear - (153 * shiftedMonth + 2) / 5 + 1)
        let month = Int(shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9)
        return (Int(yearOfEra + era * 400) + (month <= 2 ? 1 : 0), month, day)
    }

    /// Days from 1970-01-01; the parts are in their ranges.
    package static func days(year: Int, month: Int, day: Int) -> Int64 {
        let shiftedYear = Int64(month <= 2 ? year - 1 : year)
        let era = (shiftedYear >= 0 ? shiftedYear : shiftedYear - 399) / 400
        let yearOfEra = shiftedYear - era * 400
        let dayOfYear = Int64((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1)
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }

    package static let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]
    package static let weekdays = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]

    /// `Mon, 23 Nov 2026 18:34:05 +0000`.
    package var text: String {
        let fields = fields
        return "\(Self.weekdays[fields.weekday]), \(fields.day) \(Self.months[fields.month - 1]) "
            + "\(fields.year) \(two(fields.hour)):\(two(fields.minute)):\(two(fields.second)) \(zone)"
    }

    package var zone: String {
        let minutes = zoneMinutes.magnitude
        return "\(zoneMinutes < 0 ? "-" : "+")\(two(Int(minutes) / 60))\(two(Int(minutes) % 60))"
    }

    private func two(_ number: Int) -> String { number < 10 ? "0\(number)" : String(number) }

    /// Reads a Date field's value; nil if it is none.
    package init?(_ text: some Collection<UInt8>) {
        var cursor = Cursor(Array(text.prefix(200)))
        guard let value = try? cursor.dateTime() else { return nil }
        self = value
    }
}

extension Cursor {
    /// RFC 5322 §3.3 with the obsolete forms of §4.3 (two-digit years, zone names, comments between):
    ///
    ///     date-time = [ day-of-week "," ] day month year hour ":" minute [ ":" second ] zone
    package mutating func dateTime() throws(SyntaxError) -> DateTime {
        skipCFWS()
        if peek?.isAlpha == true {
            _ = take(while: { $0.isAlpha })
            skipCFWS()
            _ = skip(.ascii(","))
            skipCFWS()
        }
        let day = Int(try decimal(upTo: 31, "day"))
        skipCFWS()
        if skip(.ascii("-")) { skipCFWS() }
        let name = take(while: { $0.isAlpha })
        guard let month = DateTime.months.firstIndex(where: { name.prefix(3).equalsFolded($0.utf8) }) else {
            throw failure("month")
        }
        skipCFWS()
        if skip(.ascii("-")) { skipCFWS() }
        let yearDigits = take(while: { $0.isDigit })
        guard var year = Int(strictDecimal: yearDigits), yearDigits.count <= 4, day >= 1 else {
            throw failure("year")
        }
        if yearDigits.count == 2 {
            year += year < 50 ? 2000 : 1900
        } else if yearDigits.count == 3 {
            year += 1900
        }
        skipCFWS()
        let time = try timeOfDay()
        skipCFWS()
        let zone = zone() ?? 0
        let local = DateTime.days(year: year, month: month + 1, day: day) * 86400 + Int64(time)
        return DateTime(seconds: local - Int64(zone) * 60, zoneMinutes: zone)
    }

    private mutating func timeOfDay() throws(SyntaxError) -> Int {
        let hour = Int(try decimal(upTo: 23, "hour"))
        skipCFWS()
        try expect(.ascii(":"), "time-of-day")
        skipCFWS()
        let minute = Int(try decimal(upTo: 59, "minute"))
        skipCFWS()
        var second = 0
        if skip(.ascii(":")) {
            skipCFWS()
            // A leap second is the end of its minute.
            second = min(59, Int(try decimal(upTo: 60, "second")))
        }
        return hour * 3600 + minute * 60 + second
    }

    /// `+hhmm`, or a name; unknown names are taken for UTC (RFC 5322 §4.3). Nil at the end of the field.
    private mutating func zone() -> Int? {
        if let sign = peek, sign == .ascii("+") || sign == .ascii("-") {
            _ = next()
            guard let number = Int(strictDecimal: take(while: { $0.isDigit })), number <= 9959 else {
                return nil
            }
            let minutes = number / 100 * 60 + number % 100
            return sign == .ascii("-") ? -minutes : minutes
        }
        let name = take(while: { $0.isAlpha })
        let hours: [(StaticString, Int)] = [
            ("EST", -5), ("EDT", -4), ("CST", -6), ("CDT", -5), ("MST", -7), ("MDT", -6), ("PST", -8),
            ("PDT", -7),
        ]
        return (hours.first { name.equalsFolded($0.0) }?.1).map { $0 * 60 } ?? (name.isEmpty ? nil : 0)
    }

    /// [CFWS] of RFC 5322 §3.2.2: white space and comments, which nest; bounded by the unit.
    package mutating func skipCFWS() {
        var depth = 0
        while let byte = peek {
            if byte == .ascii("(") {
                depth += 1
            } else if depth > 0 {
                if byte == .ascii(")") { depth -= 1 } else if byte == .backslash { _ = next() }
            } else if !byte.isWhitespace, byte != .cr, byte != .lf {
                return
            }
            _ = next()
        }
    }
}
