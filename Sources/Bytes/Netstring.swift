/// Length-first framing for the records that our own programs exchange: `<decimal>:<bytes>,`.
package enum Netstring {
    package static func append(_ bytes: some Collection<UInt8>, to output: inout [UInt8]) {
        output.append(decimal: bytes.count)
        output.append(.ascii(":"))
        output.append(contentsOf: bytes)
        output.append(.ascii(","))
    }

    /// What the front of `buffer` holds; `size` counts the frame's own bytes too.
    package enum Frame: Equatable {
        case whole(payload: ArraySlice<UInt8>, size: Int)
        case incomplete
        case malformed
    }

    /// Reads one netstring of at most `limit` payload bytes from the front of `buffer`.
    package static func read(_ buffer: ArraySlice<UInt8>, limit: Int) -> Frame {
        guard let colon = buffer.prefix(20).firstIndex(of: .ascii(":")) else {
            return buffer.count < 20 && buffer.allSatisfy { $0.isDigit } ? .incomplete : .malformed
        }
        guard let length = Int(strictDecimal: buffer[buffer.startIndex..<colon]), length <= limit else {
            return .malformed
        }
        let start = colon + 1
        guard buffer.endIndex - start > length else { return .incomplete }
        guard buffer[start + length] == .ascii(",") else { return .malformed }
        return .whole(payload: buffer[start..<start + length], size: start + length + 1 - buffer.startIndex)
    }

    /// Every netstring of a whole record, or nil if it is not made of netstrings to its last byte.
    package static func fields(of record: ArraySlice<UInt8>) -> [ArraySlice<UInt8>]? {
        var fields: [ArraySlice<UInt8>] = []
        var rest = record
        while !rest.isEmpty {
            guard case .whole(let payload, let size) = read(rest, limit: rest.count) else { return nil }
            fields.append(payload)
            rest = rest.dropFirst(size)
        }
        return fields
    }
}
