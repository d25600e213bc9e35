import Bytes
package import Unix

/// Turns stored text into what a wire protocol sends: every line end becomes CRLF, whether it was LF or CRLF, in
/// parts cut anywhere.
package struct WireLines {
    private var lastWasCR = false

    package init() {}

    /// Appends `part` to `output`, each LF without a CR before it becoming CRLF.
    package mutating func append(_ part: ArraySlice<UInt8>, to output: inout [UInt8]) {
        var rest = part
        while let first = rest.first {
            if first == .lf, !lastWasCR { output.append(.cr) }
            // The line end, or what it is, and the line behind it.
            let end = rest.dropFirst().endOfRun { $0 == .lf }
            output.append(run: rest[..<end])
            lastWasCR = rest[end - 1] == .cr
            rest = rest[end...]
        }
    }

    /// How many bytes `append` would add.
    package mutating func count(_ part: ArraySlice<UInt8>) -> Int {
        var count = part.count
        var rest = part
        while let first = rest.first {
            if first == .lf, !lastWasCR { count += 1 }
            let end = rest.dropFirst().endOfRun { $0 == .lf }
            lastWasCR = rest[end - 1] == .cr
            rest = rest[end...]
        }
        return count
    }

    /// How large a stored file is with CRLF line ends.
    package static func size(of file: borrowing Descriptor) throws(SystemError) -> Int {
        var lines = WireLines()
        var (offset, size) = (0, 0)
        while true {
            let part = try file.read(upTo: 1 << 16, at: offset)
            if part.isEmpty { return size }
            offset += part.count
            size += lines.count(part[...])
        }
    }
}
