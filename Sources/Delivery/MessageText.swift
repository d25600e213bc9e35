import Jobs
import Bytes
package import Unix

extension Extents {
    /// Whether a `Delivered-To:` field of the header has this address: then it has been here before. The
    /// names of fields and the address are compared without case.
    package func wasDelivered(to address: [UInt8]) throws(SystemError) -> Bool {
        var isDeliveredTo = false
        var value: [UInt8] = []
        func matches() -> Bool { isDeliveredTo && value.trimmed().equalsFolded(address) }
        let found = try forEachHeaderLine { line in
            if line.first?.isWhitespace == true {
                if isDeliveredTo, value.count < Job.longestPath { value += line.trimmed() }
                return true
            }
            if matches() { return false }
            isDeliveredTo = line.hasPrefixFolded("delivered-to:")
            value = isDeliveredTo ? Array(line.dropFirst(13).prefix(2 * Job.longestPath)) : []
            return true
        }
        return found || matches()
    }

    /// The largest part of a header that is looked at.
    static let longestHeader = 1 << 20

    /// Calls `body` with each physical line of the header, without its LF, until it returns false; whether
    /// it did.
    private func forEachHeaderLine(_ body: (ArraySlice<UInt8>) -> Bool) throws(SystemError) -> Bool {
        var buffer: [UInt8] = []
        var position = 0
        while position < Self.longestHeader {
            let part = try part(at: position, upTo: 16384)
            position += part.count
            buffer += part
            var start = 0
            while let end = buffer.firstIndex(of: .lf, from: start) {
                let line = buffer[start..<end]
                if line.isEmpty { return false }
                if !body(line) { return true }
                start = end + 1
            }
            buffer.removeSubrange(..<start)
            if part.isEmpty { return !buffer.isEmpty && !body(buffer[...]) }
        }
        return false
    }
}
