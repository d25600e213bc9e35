import Jobs
import MIME
import SMTP
import Unix

/// A message as it goes over the wire. It is gone through once before the envelope is sent, since MAIL tells what it
/// holds and how large it is; what is small is kept, and not read again.
struct MailData {
    /// As the queue has it, but for mbox lines in front.
    let content: Extents
    let survey: DataSurvey
    /// How it is converted, if it is.
    let plan: ConversionPlan?
    /// All of it but its end, if it is small.
    let held: [[UInt8]]?
    let ending: [UInt8]

    /// The largest message that is kept in memory.
    private static let mostHeld = 1 << 18

    init(_ content: Extents, by plan: ConversionPlan? = nil) throws(SystemError) {
        var reader = MailDataReader(content, by: plan)
        var parts: [[UInt8]] = []
        while let part = try reader.next() {
            if reader.survey.size <= Self.mostHeld { parts.append(part) }
        }
        ending = reader.end()
        survey = reader.survey
        held = survey.size <= Self.mostHeld ? parts : nil
        self.content = reader.content
        self.plan = plan
    }

    enum Conversion {
        case data(MailData)
        case refused(ConversionRefusal)
    }

    /// The same with no line that is too long, and in seven bits if need be. Goes through the message three times
    /// more: for its parts, for what is in them, and for the result, which must be what was wanted.
    func converted(to target: ConversionTarget) throws(SystemError) -> Conversion {
        var parser = PartParser()
        try forEachPart { parser.take(Array($0)) }
        var survey = ConversionSurvey(parser.finish())
        try forEachPart { survey.take($0) }
        let plan: ConversionPlan
        do throws(ConversionRefusal) { plan = try survey.plan(target) } catch { return .refused(error) }
        let data = try MailData(content, by: plan)
        let isGood = !data.survey.hasLongLines && !(target.isSevenBit && data.survey.hasEightBits)
        return isGood ? .data(data) : .refused(.unknownForm)
    }

    private func forEachPart(_ body: (ArraySlice<UInt8>) -> Void) throws(SystemError) {
        var position = 0
        while position < content.count {
            let part = try content.part(at: position)
            body(part[...])
            position += part.count
        }
    }
}
