import Bytes

/// What a program writes to sendmail's stdin, made into what the queue keeps: lines that end in LF. CRLF and
/// CRCRLF become LF; a CR inside a line, which would end one for somebody else (T3, T62), becomes a space;
/// NUL is dropped. Without `-i` a line with a single dot is the end, and so is a last dot without its line end.
package struct SubmittedText {
    private let dotEnds: Bool
    private var isLineStart = true
    private var hasDot = false
    private var hasCR = false
    /// Whether the line with the single dot was seen: what follows is nobody's.
    package private(set) var hasEnded = false

    package init(dotEnds: Bool) { self.dotEnds = dotEnds }

    package mutating func push(_ part: [UInt8], to output: inout [UInt8]) {
        // By far the most parts hold neither; nothing is pending then either.
        if !dotEnds, !hasCR, !part.contains(where: { $0 == .cr || $0 == .nul }) {
            output += part
            return
        }
        output.reserveCapacity(output.count + part.count)
        for byte in part where !hasEnded { push(byte, to: &output) }
    }

    private mutating func push(_ byte: UInt8, to output: inout [UInt8]) {
        switch byte {
        case .nul: return
        case .cr:
            hasCR = true
            return
        case .lf:
            hasCR = false
            if hasDot, isLineStart {
                hasEnded = true
                return
            }
            output.append(.lf)
            (isLineStart, hasDot) = (true, false)
            return
        default: break
        }
        releaseDot(to: &output)
        if hasCR { output.append(.space) }
        if dotEnds, isLineStart, !hasCR, byte == .dot {
            hasDot = true
        } else {
            output.append(byte)
            isLineStart = false
        }
        hasCR = false
    }

    private mutating func releaseDot(to output: inout [UInt8]) {
        guard hasDot else { return }
        output.append(.dot)
        (hasDot, isLineStart) = (false, false)
    }
}
