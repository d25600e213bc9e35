import Bytes
import Mail
package import Unix

/// The line that begins a message in an mbox.
package enum MboxFormat {
    /// `From sender Thu Jan  1 00:00:00 1970`, in UTC, as asctime(3) writes it.
    package static func separator(from sender: [UInt8], at time: Time) -> [UInt8] {
        var line = [UInt8]("From ")
        line += sender.isEmpty ? [UInt8]("MAILER-DAEMON") : sender.map { $0.isVisible ? $0 : .ascii("_") }
        let fields = DateTime(seconds: time.seconds).fields
        line += " \(DateTime.weekdays[fields.weekday]) \(DateTime.months[fields.month - 1]) "
        if fields.day < 10 { line.append(.space) }
        line.append(decimal: fields.day)
        line.append(.space)
        line.append(decimal: fields.hour, width: 2)
        line.append(.ascii(":"))
        line.append(decimal: fields.minute, width: 2)
        line.append(.ascii(":"))
        line.append(decimal: fields.second, width: 2)
        line.append(.space)
        line.append(decimal: fields.year, width: 4)
        line.append(.lf)
        return line
    }

    /// When the message behind a `From ` line came; nil for a line that begins no message: one that does not say from whom, in
    /// one word or quoted, and then when. That is what every other program on the same file asks for, and what no sentence in a
    /// letter has. A zone, which some write, is not regarded, nor what stands behind the date.
    static func date(of line: ArraySlice<UInt8>) -> Int64? {
        guard line.starts(with: fromWord) else { return nil }
        var rest = line.dropFirst(fromWord.count)
        // Nobody sent it, and its writer wrote nothing where others have MAILER-DAEMON.
        if rest.first == .space, let date = dateAtFront(rest) { return date }
        rest = rest.drop { $0 == .space }
        if rest.first == .quote {
            guard let end = rest.dropFirst().firstIndex(of: .quote) else { return nil }
            rest = rest[(end + 1)...]
        }
        return dateAtFront(rest.drop { !$0.isWhitespace && $0 != .lf && $0 != .cr })
    }

    private static func dateAtFront(_ rest: ArraySlice<UInt8>) -> Int64? {
        let words = rest.prefix(200).split { $0.isWhitespace || $0 == .cr || $0 == .lf }
        return asctime(words) ?? internetTime(words)
    }

    private static let fromWord = [UInt8]("From ")

    /// `Thu Jan  1 00:00:00 1970`, perhaps with a zone before the year, or without seconds.
    private static func asctime(_ words: [ArraySlice<UInt8>]) -> Int64? {
        guard words.count >= 5, DateTime.weekdays.contains(where: { words[0].equalsFolded($0.utf8) }) else {
            return nil
        }
        let year = words.dropFirst(4).prefix(3).first { $0.count == 4 && $0.allSatisfy { $0.isDigit } }
        return seconds(day: words[2], month: words[1], year: year, time: words[3])
    }

    /// `Thu, 1 Jan 1970 00:00:00 +0000`, as programs write it that know no other date.
    private static func internetTime(_ words: [ArraySlice<UInt8>]) -> Int64? {
        guard words.count >= 5, words[0].last == .ascii(","),
            DateTime.weekdays.contains(where: { words[0].dropLast().equalsFolded($0.utf8) })
        else { return nil }
        return seconds(day: words[1], month: words[2], year: words[3], time: words[4])
    }

    private static func seconds(
        day: ArraySlice<UInt8>, month: ArraySlice<UInt8>, year: ArraySlice<UInt8>?, time: ArraySlice<UInt8>
    ) -> Int64? {
        let time = time.split(separator: .ascii(":")).map { Int(strictDecimal: $0) ?? -1 }
        guard let month = DateTime.months.firstIndex(where: { month.equalsFolded($0.utf8) }),
            let day = Int(strictDecimal: day), (1...31).contains(day), (2...3).contains(time.count),
            (0...23).contains(time[0]), (0...59).contains(time[1]),
            time.count < 3 || (0...60).contains(time[2]),
            let year, year.count == 4, let year = Int(strictDecimal: year)
        else { return nil }
        let seconds = time[0] * 3600 + time[1] * 60 + (time.count > 2 ? time[2] : 0)
        return DateTime.days(year: year, month: month + 1, day: day) * 86400 + Int64(seconds)
    }

    /// How many line ends are missing for an empty line at the end of the file.
    static func missingNewlines(
        _ file: borrowing Descriptor, _ length: Int
    ) throws(SystemError) -> Int {
        guard length > 0 else { return 0 }
        let tail = try file.read(upTo: 2, at: max(0, length - 2))
        if tail.last != .lf { return 2 }
        return tail == [.lf, .lf] ? 0 : 1
    }
}

/// Puts a `>` before each line that is `From ` behind any number of `>`: readers take one away, and nothing
/// in a message can begin another (T57). Works over parts cut anywhere.
///
/// Every such line, though our own reader lets none begin a message that names nobody and no date: who takes the `>` away cannot
/// know why it was put there, so what is quoted and what is unquoted must be told by the same rule, and that can only be the
/// plain one (mboxrd). And there are readers that cut at any `From ` behind an empty line.
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
