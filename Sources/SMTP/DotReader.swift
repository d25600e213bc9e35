import Bytes

/// Mail data as it comes behind 354: takes the dots out (RFC 5321 §4.5.2), turns CRLF into LF, and finds the
/// end, which is CRLF `.` CRLF and nothing else. A CR or LF that stands alone, or a NUL, ends nothing and is
/// remembered: such a message is refused, because what one server takes for a line end may be none to the
/// next (T1 to T3). With `lfEndsLines` a LF alone is one: for a program of this host on a pipe, whose lines nobody else
/// reads.
package struct DotReader {
    package enum Fault: Equatable { case bareLineEnd, nul }

    private enum State { case lineStart, text, carriageReturn, dot, dotCarriageReturn }

    private var state = State.lineStart
    /// The first thing that was wrong.
    package private(set) var fault: Fault?
    package private(set) var isAtEnd = false
    /// The octets of the content as they came, line ends of two (RFC 1870 §3); neither the dots that are taken out
    /// nor the end are of it.
    package private(set) var size = 0

    private let lfEndsLines: Bool

    package init(lfEndsLines: Bool = false) { self.lfEndsLines = lfEndsLines }

    /// Reads `input` up to the end of the message; returns how much of it was read, and appends the content
    /// to `output`. May be called with the input cut anywhere.
    package mutating func read(_ input: ArraySlice<UInt8>, into output: inout [UInt8]) -> Int {
        var index = input.startIndex
        while index < input.endIndex, !isAtEnd {
            let byte = input[index]
            switch state {
            case .lineStart:
                if byte == .dot {
                    state = .dot
                    index += 1
                } else {
                    state = .text
                }
            case .text:
                let stop = input[index...].endOfRun { $0 == .cr || $0 == .lf || $0 == .nul }
                output.append(run: input[index..<stop])
                size += stop - index
                index = stop
                guard stop < input.endIndex else { break }
                index += 1
                if input[stop] == .cr {
                    state = .carriageReturn
                } else if lfEndsLines, input[stop] == .lf {
                    output.append(.lf)
                    size += 2
                    state = .lineStart
                } else {
                    note(input[stop] == .lf ? .bareLineEnd : .nul)
                }
            case .carriageReturn:
                if byte == .lf {
                    output.append(.lf)
                    size += 2
                    state = .lineStart
                    index += 1
                } else {
                    note(.bareLineEnd)
                    // The byte behind may be a CR again.
                    if byte == .cr { index += 1 } else { state = .text }
                }
            case .dot:
                // The dot of the client's stuffing is dropped; what follows it stands at a line's start.
                if byte == .cr {
                    state = .dotCarriageReturn
                    index += 1
                } else if lfEndsLines, byte == .lf {
                    isAtEnd = true
                    index += 1
                } else {
                    state = .text
                }
            case .dotCarriageReturn:
                if byte == .lf {
                    isAtEnd = true
                    index += 1
                } else {
                    state = .carriageReturn
                }
            }
        }
        return index - input.startIndex
    }

    private mutating func note(_ fault: Fault) { if self.fault == nil { self.fault = fault } }
}
