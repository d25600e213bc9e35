import Bytes

/// A message as RETR and TOP send it: CRLF line ends, a dot before each dot that begins a line (RFC 1939 §3), and
/// for TOP no more than so many lines of the body. Takes stored text in parts cut anywhere.
package struct StuffedLines {
    private enum Place { case lineStart, inLine }

    private var place = Place.lineStart
    private var lastWasCR = false
    /// Nil: everything. Counted down behind the header.
    private var bodyLinesLeft: Int?
    private var isInBody = false
    private var lineIsEmpty = true
    package private(set) var isOver = false

    package init(bodyLines: Int?) { bodyLinesLeft = bodyLines }

    package mutating func take(_ part: [UInt8]) -> [UInt8] {
        var output: [UInt8] = []
        output.reserveCapacity(part.count + part.count / 32)
        for byte in part where !isOver {
            if byte == .lf {
                // A CR that stands in front is part of this line end already.
                if !lastWasCR { output.append(.cr) }
                output.append(.lf)
                endLine()
                continue
            }
            if place == .lineStart, byte == .dot { output.append(.dot) }
            place = .inLine
            if byte != .cr { lineIsEmpty = false }
            output.append(byte)
            lastWasCR = byte == .cr
        }
        return output
    }

    private mutating func endLine() {
        if isInBody {
            if let left = bodyLinesLeft {
                bodyLinesLeft = left - 1
                if left <= 1 { isOver = true }
            }
        } else if lineIsEmpty {
            isInBody = true
            if bodyLinesLeft == 0 { isOver = true }
        }
        place = .lineStart
        lastWasCR = false
        lineIsEmpty = true
    }

    /// The line end that a last line without one still needs (T52).
    package mutating func end() -> [UInt8] {
        defer { place = .lineStart }
        return place == .inLine ? (lastWasCR ? [.lf] : [.cr, .lf]) : []
    }
}
