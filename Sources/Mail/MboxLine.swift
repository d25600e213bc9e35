import Bytes

/// The lines that mbox puts in front of a message, `From sender date`, quoted or not: they are no fields, and go
/// nowhere with it.
package enum MboxLine {
    /// How many bytes such lines take at the front of `text`. None, unless a field follows: then it is text that
    /// begins with this word.
    package static func count(at text: ArraySlice<UInt8>) -> Int {
        var start = text.startIndex
        while isOne(text[start...]), let end = text.firstIndex(of: .lf, from: start) { start = end + 1 }
        guard start > text.startIndex, !MessageHeader(text[start...].prefix(longestField)).fields.isEmpty
        else {
            return 0
        }
        return start - text.startIndex
    }

    /// As much as shows that a line is a field.
    private static let longestField = 1000

    private static func isOne(_ text: ArraySlice<UInt8>) -> Bool {
        let line = text.drop { $0 == .ascii(">") }
        // `From : ann@a.example` is a field (RFC 5322 §4.5).
        return line.starts(with: [UInt8]("From "))
            && line.dropFirst(5).first { !$0.isWhitespace } != .ascii(":")
    }
}
