import Bytes
package import Mail
package import Unix

/// Where the messages of an mbox are and what its readers know of them, found by one pass over the file in parts.
package struct MboxIndex {
    package struct Message: Equatable {
        /// Of the `From ` line.
        package var start: Int
        /// Of the header, behind that line.
        package var header: Int
        /// Of the empty line behind the header, or of what comes instead.
        package var headerEnd: Int
        /// Behind the message, without the empty line that the format puts there.
        package var end: Int
        /// Of the `From ` line, in seconds since 1970.
        package var date: Int64 = 0
        /// Octets with CRLF line ends, of what readers are shown.
        package var wireSize = 0
        /// Of the `From ` line and the message without the fields that readers change: the same in each session.
        package var fingerprint: UInt64 = 0xCBF2_9CE4_8422_2325
        /// What readers are not shown, in order: lines of `MboxFields`, neighbours joined, and in the body the `>` that
        /// quotes a `From ` line.
        var hidden: [Range<Int>] = []
        package var marks = MboxMarks()

        /// How many bytes the fields take.
        var room: Int { hidden.reduce(0) { $0 + ($1.lowerBound < headerEnd ? $1.count : 0) } }

        package var shown: [Range<Int>] { pieces(from: header, to: end) }

        /// What is shown of a part of the message.
        func pieces(from start: Int, to end: Int) -> [Range<Int>] {
            var pieces: [Range<Int>] = []
            var position = start
            for range in hidden where range.lowerBound >= start && range.lowerBound < end {
                if range.lowerBound > position { pieces.append(position..<range.lowerBound) }
                position = range.upperBound
            }
            if end > position { pieces.append(position..<end) }
            return pieces
        }
    }

    package internal(set) var messages: [Message] = []
    /// How much of the file was read; what is appended later begins here.
    package private(set) var size = 0
    /// What the first message says of the mailbox.
    var base: MboxBase?
    package internal(set) var keywords = KeywordNames()
    /// The file is no mbox.
    private(set) var isForeign = false

    private static let chunk = 1 << 16

    /// Of a file that is missing.
    init() {}

    /// Those of the base, known to us or more than we number, and those that came after it was written.
    var allKeywords: [[UInt8]] {
        let written = base?.keywords ?? []
        return written + keywords.all.filter { !written.contains($0) }
    }

    /// The file is gone. Keywords keep their letters.
    mutating func forget() { (messages, size, base, isForeign) = ([], 0, nil, false) }

    /// A message has new fields in the room of the old, all at the end of its header.
    mutating func mended(_ number: Int, _ marks: MboxMarks?) {
        let message = messages[number]
        messages[number].hidden =
            [message.headerEnd - message.room..<message.headerEnd]
            + message.hidden.filter { $0.lowerBound >= message.headerEnd }
        if let marks { messages[number].marks = marks }
    }

    /// Reads a file of messages.
    package init(_ file: borrowing Descriptor) throws(SystemError) { try read(file) }

    /// Reads again from a message on: the ones before it have not changed.
    mutating func reread(_ file: borrowing Descriptor, from number: Int) throws(SystemError) {
        size = number < messages.count ? messages[number].start : size
        messages.removeSubrange(min(number, messages.count)...)
        if number == 0 { (size, base) = (0, nil) }
        try read(file)
    }

    private mutating func read(_ file: borrowing Descriptor) throws(SystemError) {
        var scanner = MboxScanner(messages, base, keywords)
        while true {
            let part = try file.read(upTo: Self.chunk, at: size)
            if part.isEmpty { break }
            size += scanner.take(part, at: size, isLast: part.count < Self.chunk)
            if scanner.isForeign { break }
        }
        isForeign = scanner.isForeign
        scanner.finish(at: size)
        (messages, base, keywords) = (scanner.messages, scanner.base, scanner.keywords)
    }
}
