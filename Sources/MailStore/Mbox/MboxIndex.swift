import Bytes
package import Unix

/// Where the messages of an mbox are, found by one pass over the file in parts; bounded memory whatever its size.
package struct MboxIndex {
    package struct Message: Equatable {
        /// Of the `From ` line.
        package var start: Int
        /// Of the header, behind that line.
        package var header: Int
        /// Behind the message, without the empty line that the format puts there.
        package var end: Int
        /// Octets with CRLF line ends.
        package var wireSize: Int
        /// Of the `From ` line and the header without the fields that readers change: the same in each session.
        package var fingerprint: UInt64
    }

    package private(set) var messages: [Message] = []
    /// How much of the file was read; what is appended later begins here.
    package private(set) var size = 0

    private static let chunk = 1 << 16
    /// A line is compared by its front only.
    private static let front = 64

    /// Reads a file of messages; what stands before the first `From ` line is no message.
    package init(_ file: borrowing Descriptor) throws(SystemError) {
        var scanner = Scanner()
        while true {
            let part = try file.read(upTo: Self.chunk, at: size)
            if part.isEmpty { break }
            scanner.take(part, at: size)
            size += part.count
        }
        scanner.finish(at: size)
        messages = scanner.messages
    }

    private struct Scanner {
        var messages: [Message] = []
        private var line: [UInt8] = []
        private var lineStart = 0
        private var lineLength = 0
        private var wasEmpty = true
        private var isInHeader = false
        private var wire = WireLines()
        private var isSkippedField = false

        mutating func take(_ part: [UInt8], at offset: Int) {
            var index = 0
            while index < part.count {
                let newline = part[index...].firstIndex(of: .lf)
                let end = newline.map { $0 + 1 } ?? part.count
                if line.count < MboxIndex.front {
                    line += part[index..<end].prefix(MboxIndex.front - line.count)
                }
                lineLength += end - index
                count(part[index..<end], isStart: lineLength == end - index, isWhole: newline != nil)
                if newline != nil { endLine(at: offset + end) }
                index = end
            }
        }

        /// Adds to the size and the fingerprint of the message that is open.
        private mutating func count(_ bytes: ArraySlice<UInt8>, isStart: Bool, isWhole: Bool) {
            guard !messages.isEmpty, !(isStart && beginsMessage(bytes)) else { return }
            messages[messages.count - 1].wireSize += wire.count(bytes)
            guard isInHeader else { return }
            if isStart, bytes.first?.isWhitespace != true {
                isSkippedField = ["status:", "x-status:", "x-uid:", "x-imapbase:", "x-keywords:"].contains {
                    bytes.prefix($0.utf8.count).equalsFolded($0.utf8)
                }
            }
            if !isSkippedField { mix(bytes) }
        }

        private mutating func mix(_ bytes: ArraySlice<UInt8>) {
            var hash = messages[messages.count - 1].fingerprint
            for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
            messages[messages.count - 1].fingerprint = hash
        }

        /// A `From ` line behind an empty line, or at the beginning of the file.
        private func beginsMessage(_ bytes: ArraySlice<UInt8>) -> Bool {
            wasEmpty && bytes.starts(with: Array("From ".utf8))
        }

        private mutating func endLine(at end: Int) {
            if wasEmpty, line.starts(with: Array("From ".utf8)) {
                closeLast(at: lineStart)
                messages.append(
                    Message(
                        start: lineStart, header: end, end: end, wireSize: 0,
                        fingerprint: 0xCBF2_9CE4_8422_2325))
                mix(line[...])
                isInHeader = true
                isSkippedField = false
                wire = WireLines()
                wasEmpty = false
            } else {
                wasEmpty = lineLength == 1 || (lineLength == 2 && line.first == .cr)
                if wasEmpty { isInHeader = false }
            }
            line.removeAll(keepingCapacity: true)
            lineStart = end
            lineLength = 0
        }

        /// The empty line in front of the next `From ` line belongs to the format.
        private mutating func closeLast(at end: Int) {
            guard let last = messages.last else { return }
            let hasSeparator = wasEmpty && end > last.header
            messages[messages.count - 1].end = hasSeparator ? end - 1 : end
            if hasSeparator { messages[messages.count - 1].wireSize -= 2 }
        }

        mutating func finish(at size: Int) {
            if lineLength > 0 { wasEmpty = false }
            closeLast(at: size)
        }
    }
}
