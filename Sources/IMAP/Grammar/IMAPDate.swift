import Bytes
import Mail

/// Dates as IMAP writes them.
enum IMAPDate {
    static func month(_ name: ArraySlice<UInt8>) -> Int? {
        DateTime.months.firstIndex { name.equalsFolded($0.utf8) }.map { $0 + 1 }
    }

    static func days(year: Int, month: Int, day: Int) -> Int64 {
        DateTime.days(year: year, month: month, day: day)
    }

    /// `"23-Nov-2026 18:34:05 +0000"`, quotes included.
    static func text(_ seconds: Int64) -> String {
        let fields = DateTime(seconds: seconds).fields
        func two(_ number: Int, _ pad: String = "0") -> String {
            number < 10 ? pad + String(number) : String(number)
        }
        return "\"\(two(fields.day, " "))-\(DateTime.months[fields.month - 1])-\(fields.year) "
            + "\(two(fields.hour)):\(two(fields.minute)):\(two(fields.second)) +0000\""
    }
}
