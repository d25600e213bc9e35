import Bytes
package import Unix

extension WireLines {
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
