import Bytes

/// Turns the content of a message, whose lines end in LF, into what DATA wants: lines that end in CRLF, a dot
/// put before every line that begins with one (RFC 5321 §4.5.2), and no CR or LF that is not part of a line
/// end (RFC 5321 §2.3.8): a stray CR becomes a space (T62). Content comes in parts of any size.
package struct DataEncoder {
    private var isAtLineStart = true
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
                output.append(.cr)
                output.append(.lf)
                isAtLineStart = true
                position += 1
            } else if byte == .cr {
                hasPendingCR = true
                position += 1
            } else {
                var end = position + 1
                while end < bytes.count, bytes[end] != .lf, bytes[end] != .cr { end += 1 }
                addText(part[(part.startIndex + position)..<(part.startIndex + end)], to: &output)
                position = end
            }
        }
        return output
    }

    package mutating func encode(_ part: [UInt8]) -> [UInt8] { encode(part[...]) }

    private mutating func addText(_ text: ArraySlice<UInt8>, to output: inout [UInt8]) {
        if isAtLineStart, text.first == .dot { output.append(.dot) }
        output += text
        isAtLineStart = false
    }

    /// What ends the data: completes the last line, then the dot. The encoder begins anew.
    package mutating func end() -> [UInt8] {
        var output: [UInt8] = []
        if hasPendingCR { addText([.space], to: &output) }
        if !isAtLineStart { output += [.cr, .lf] }
        self = DataEncoder()
        return output + [.dot, .cr, .lf]
    }
}
