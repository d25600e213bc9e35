import Bytes

/// A message as RETR and TOP send it, in lines with stuffed dots, and for TOP no more than so many lines of the body. Takes
/// stored text in parts cut anywhere.
package struct StuffedLines {
    private var lines = DotStuffedLines()
    /// Nil: everything. Counted down behind the header.
    private var bodyLinesLeft: Int?
    private var isInBody = false
    private var lineIsEmpty = true
    package private(set) var isOver = false

    package init(bodyLines: Int?) { bodyLinesLeft = bodyLines }

    package mutating func take(_ part: [UInt8]) -> [UInt8] {
        var output: [UInt8] = []
        output.reserveCapacity(part.count + part.count / 16)
        if bodyLinesLeft == nil {
            lines.append(part[...], to: &output)
        } else {
            takeLines(part, &output)
        }
        return output
    }

    private mutating func takeLines(_ part: [UInt8], _ output: inout [UInt8]) {
        var position = 0
        while !isOver, position < part.count {
            let end = part.firstIndex(of: .lf, from: position)
            let text = part[position..<(end ?? part.count)]
            lines.append(text: text, to: &output)
            if text.contains(where: { $0 != .cr }) { lineIsEmpty = false }
            guard let end else { return }
            lines.endLine(&output)
            countLine()
            position = end + 1
        }
    }

    private mutating func countLine() {
        if isInBody {
            if let left = bodyLinesLeft {
                bodyLinesLeft = left - 1
                if left <= 1 { isOver = true }
            }
        } else if lineIsEmpty {
            isInBody = true
            if bodyLinesLeft == 0 { isOver = true }
        }
        lineIsEmpty = true
    }

    /// The line end that a last line without one still needs (T52).
    package mutating func end() -> [UInt8] {
        var output: [UInt8] = []
        lines.end(&output)
        return output
    }
}
