import Bytes
package import Unix

/// Turns stored text into what a wire protocol sends: every line end becomes CRLF, whether it was LF or CRLF, in
/// parts cut anywhere.
package struct WireLines {
    private var lastWasCR = false

    package init() {}

    /// Appends `part` to `output`, each LF without a CR before it becoming CRLF.
    package mutating func append(_ part: some Collection<UInt8>, to output: inout [UInt8]) {
        for byte in part {
            if byte == .lf, !lastWasCR { output.append(.cr) }
            output.append(byte)
            lastWasCR = byte == .cr
        }
    }

    /// How many bytes `append` would add.
    package mutating func count(_ part: some Collection<UInt8>) -> Int {
        var count = 0
        for byte in part {
            count += byte == .lf && !lastWasCR ? 2 : 1
            lastWasCR = byte == .cr
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
            size += lines.count(part)
        }
    }
}
