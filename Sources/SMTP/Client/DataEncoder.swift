import Bytes

/// Turns the content of a message, whose lines end in LF, into what DATA wants: lines that end in CRLF, a dot
/// put before every line that begins with one (RFC 5321 §4.5.2), and no CR or LF that is not part of a line
/// end (RFC 5321 §2.3.8): a stray CR becomes a space (T62). Content comes in parts of any size. Each byte is looked
/// at anyway: what they are in sum is in `survey`.
package struct DataEncoder {
    /// Of what was encoded so far, the end of the last line included once `end` was called.
    package private(set) var survey = DataSurvey()
    /// Of the line that has begun, without dots that were doubled.
    private var lineLength = 0
    /// A CR ended the last part: what follows tells whether it ends a line.
    private var hasPendingCR = false

    package init() {}

    package mutating func encode(_ part: ArraySlice<UInt8>) -> [UInt8] {
        var output: [UInt8] = []
        output.reserveCapacity(part.count + part.count / 16 + 2)
        let bytes = part.span
        var position = 0
        while position < bytes.count {
            let byte = bytes[position]
            if hasPendingCR, byte != .lf { addText([.space], to: &output) }
            hasPendingCR = false
            if byte == .lf {
                endLine(&output)
                position += 1
            } else if byte == .cr {
                hasPendingCR = true
                position += 1
            } else {
                let text = part[(part.startIndex + position)...]
                let line = text[..<text.endOfRun { $0 == .lf || $0 == .cr }]
                addText(line, to: &output)
                position += line.count
            }
        }
        if part.hasEightBits { survey.hasEightBits = true }
        return output
    }

    package mutating func encode(_ part: [UInt8]) -> [UInt8] { encode(part[...]) }

    private mutating func addText(_ text: ArraySlice<UInt8>, to output: inout [UInt8]) {
        if lineLength == 0, text.first == .dot { output.append(.dot) }
        output.append(run: text)
        lineLength += text.count
        survey.size += text.count
        survey.longestLine = max(survey.longestLine, lineLength)
    }

    private mutating func endLine(_ output: inout [UInt8]) {
        output.append(.cr)
        output.append(.lf)
        survey.size += 2
        lineLength = 0
    }

    /// What ends the data: completes the last line, then the dot. Nothing may be encoded behind it.
    package mutating func end() -> [UInt8] {
        var output: [UInt8] = []
        if hasPendingCR { addText([.space], to: &output) }
        hasPendingCR = false
        if lineLength > 0 { endLine(&output) }
        return output + [.dot, .cr, .lf]
    }
}
