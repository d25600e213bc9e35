/// Turns stored text into what a wire protocol sends: every line end becomes CRLF, whether it was LF or CRLF, in parts cut
/// anywhere. A CR that stands alone stays.
package struct WireLines {
    private var lastWasCR = false

    package init() {}

    package mutating func append(_ part: ArraySlice<UInt8>, to output: inout [UInt8]) {
        var position = part.startIndex
        while let end = part.firstIndex(of: .lf, from: position) {
            append(text: part[position..<end], to: &output)
            endLine(&output)
            position = end + 1
        }
        append(text: part[position...], to: &output)
    }

    /// Text without LF.
    mutating func append(text: ArraySlice<UInt8>, to output: inout [UInt8]) {
        guard let last = text.last else { return }
        output.append(run: text)
        lastWasCR = last == .cr
    }

    /// A CR that stands in front is part of this line end already.
    mutating func endLine(_ output: inout [UInt8]) {
        if !lastWasCR { output.append(.cr) }
        output.append(.lf)
        lastWasCR = false
    }

    /// How many bytes `append` would add.
    package mutating func count(_ part: ArraySlice<UInt8>) -> Int {
        var count = part.count
        var position = part.startIndex
        while let end = part.firstIndex(of: .lf, from: position) {
            if end == part.startIndex ? !lastWasCR : part[end - 1] != .cr { count += 1 }
            position = end + 1
        }
        if let last = part.last { lastWasCR = last == .cr }
        return count
    }
}

/// The same with a dot before each line that begins with one: RFC 5321 §4.5.2, RFC 1939 §3.
package struct DotStuffedLines {
    private var lines = WireLines()
    package private(set) var isAtLineStart = true

    package init() {}

    package mutating func append(_ part: ArraySlice<UInt8>, to output: inout [UInt8]) {
        var position = part.startIndex
        while let end = part.firstIndex(of: .lf, from: position) {
            append(text: part[position..<end], to: &output)
            endLine(&output)
            position = end + 1
        }
        append(text: part[position...], to: &output)
    }

    /// Text without LF.
    package mutating func append(text: ArraySlice<UInt8>, to output: inout [UInt8]) {
        guard let first = text.first else { return }
        if isAtLineStart, first == .dot { output.append(.dot) }
        lines.append(text: text, to: &output)
        isAtLineStart = false
    }

    package mutating func endLine(_ output: inout [UInt8]) {
        lines.endLine(&output)
        isAtLineStart = true
    }

    /// A last line without a line end gets one.
    package mutating func end(_ output: inout [UInt8]) {
        if !isAtLineStart { endLine(&output) }
    }
}
