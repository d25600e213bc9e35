import Jobs
import MIME
import Mail
import SMTP
import Unix

/// Reads a message part by part, as mail data; its content as it is, or by way of a converter.
struct MailDataReader {
    /// What is read: without the lines that mbox put in front, from the first part on.
    private(set) var content: Extents
    private var converter: Converter?
    private var encoder = DataEncoder()
    private var position = 0

    private static let part = 65536

    init(_ content: Extents, by plan: ConversionPlan? = nil) {
        self.content = content
        converter = plan.map { Converter($0) }
    }

    /// The next of it; nil at the end.
    mutating func next() throws(SystemError) -> [UInt8]? {
        guard position < content.count else {
            guard let rest = converter?.finish() else { return nil }
            converter = nil
            return encoder.encode(rest)
        }
        var part = try content.part(at: position, upTo: Self.part)[...]
        if position == 0 { part = part.dropFirst(skipMboxLines(of: part)) }
        position += part.count
        guard converter != nil else { return encoder.encode(part) }
        return encoder.encode(converter?.take(part) ?? [])
    }

    private mutating func skipMboxLines(of front: ArraySlice<UInt8>) -> Int {
        let count = MboxLine.count(at: front)
        if count > 0 { content = content.dropFirst(count) }
        return count
    }

    /// What ends the data.
    mutating func end() -> [UInt8] { encoder.end() }

    /// Whole once `end` was called.
    var survey: DataSurvey { encoder.survey }
}
