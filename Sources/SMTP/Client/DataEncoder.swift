import Bytes

/// Turns the content of a message, whose lines end in LF, into what DATA wants: lines that end in CRLF, with stuffed dots,
/// and no CR or LF that is not part of a line end (RFC 5321 §2.3.8): a stray CR becomes a space (T62). Content comes in parts
/// of any size. Each byte is looked at anyway: what they are in sum is in `survey`.
package struct DataEncoder {
    /// Of what was encoded so far, the end of the last line included once `end` was called.
    package private(set) var survey = DataSurvey()
    private var lines = DotStuffedLines()
    /// Of the line that has begun, without dots that were doubled.
    private var lineLength = 0
    /// A CR ended the last part: what follows tells whether it ends a line.
    private var hasPendingCR = false

    package init() {}

    package mutating func encode(_ part: ArraySlice<UInt8>) -> [UInt8] {
        var output: [UInt8] = []
        output.reserveCapacity(part.count + part.count / 16 + 2)
        if hasPendingCR || part.firstIndex(of: .cr, from: part.startIndex) != nil {
            add(withoutStrayCR(part)[...], to: &output)
        } else {
            add(part, to: &output)
        }
        if part.hasEightBits { survey.hasEightBits = true }
        return output
    }

    package mutating func encode(_ part: [UInt8]) -> [UInt8] { encode(part[...]) }

    /// With LF line ends; a CR that ends the part waits for the next.
    private mutating func withoutStrayCR(_ part: ArraySlice<UInt8>) -> [UInt8] {
        var text: [UInt8] = []
        text.reserveCapacity(part.count + 1)
        for byte in part {
            if hasPendingCR, byte != .lf { text.append(.space) }
            hasPendingCR = byte == .cr
            if !hasPendingCR { text.append(byte) }
        }
        return text
    }

    private mutating func add(_ part: ArraySlice<UInt8>, to output: inout [UInt8]) {
        var position = part.startIndex
        while position < part.endIndex {
            let end = part.firstIndex(of: .lf, from: position)
            let text = part[position..<(end ?? part.endIndex)]
            lines.append(text: text, to: &output)
            lineLength += text.count
            survey.size += text.count
            survey.longestLine = max(survey.longestLine, lineLength)
            guard let end else { return }
            endLine(&output)
            position = end + 1
        }
    }

    private mutating func endLine(_ output: inout [UInt8]) {
        lines.endLine(&output)
        survey.size += 2
        lineLength = 0
    }

    /// What ends the data: completes the last line, then the dot. Nothing may be encoded behind it.
    package mutating func end() -> [UInt8] {
        var output: [UInt8] = []
        if hasPendingCR { add([.space], to: &output) }
        hasPendingCR = false
        if lineLength > 0 { endLine(&output) }
        return output + [.dot, .cr, .lf]
    }
}
