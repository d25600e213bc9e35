package import Bytes
package import Unix

/// The text in front of a message's content: see queue(5), "Format of a message".
package struct MessageHead: Equatable {
    package var id: MessageID
    package var arrival: Time
    package var bootID: String
    /// What came, and what was put on top of it when it was known whole: behind it in the file, before it in the message.
    package var contentLength: Int
    package var topLength: Int
    package var envelope: Envelope

    /// Of the message.
    package var length: Int { topLength + contentLength }

    package init(
        id: MessageID, arrival: Time, bootID: String, contentLength: Int, topLength: Int = 0,
        envelope: Envelope
    ) {
        self.id = id
        self.arrival = arrival
        self.bootID = bootID
        self.contentLength = contentLength
        self.topLength = topLength
        self.envelope = envelope
    }

    static let magic: StaticString = "relais-message 2\n"
    /// Without a top: what was queued before an upgrade.
    static let firstMagic: StaticString = "relais-message 1\n"
    /// No head is longer: some 50,000 recipients of the longest kind. Nor is a top.
    package static let longest = 1 << 24
    static let lengthDigits = 20
    /// The year 2255: later is no time that a clock would tell.
    private static let latestArrival: Int64 = 1 << 53

    /// The head as it stands in the file; its size does not depend on the lengths.
    package var encoded: [UInt8] {
        var text: [UInt8] = []
        text.reserveCapacity(512)
        text += Self.magic
        text += "id "
        text += id.bytes
        text += "\narrival "
        text.append(decimal: arrival.microseconds)
        text += "\nboot "
        text += bootID.utf8
        text += "\ncontent "
        text.append(decimal: contentLength, width: Self.lengthDigits)
        text += "\ntop "
        text.append(decimal: topLength, width: Self.lengthDigits)
        text += "\n"
        Self.appendPath("from <", envelope.reversePath, envelope.parameters, to: &text)
        for recipient in envelope.recipients {
            Self.appendPath("to <", recipient.address, recipient.parameters, to: &text)
        }
        text.append(.lf)
        return text
    }

    private static func appendPath(
        _ keyword: StaticString, _ path: [UInt8], _ parameters: [UInt8], to text: inout [UInt8]
    ) {
        text += keyword
        text += path
        text.append(.ascii(">"))
        if !parameters.isEmpty {
            text.append(.space)
            text += parameters
        }
        text.append(.lf)
    }

    /// Reads a head from the front of a file; `size` is where the content begins. Nil needs more bytes.
    package static func parse(_ bytes: [UInt8]) throws(SyntaxError) -> (head: MessageHead, size: Int)? {
        guard let end = endOfHead(bytes) else { return nil }
        var cursor = Cursor(bytes[..<end])
        let isFirstFormat = cursor.skip(firstMagic)
        if !isFirstFormat { try cursor.expect(magic, "format version") }
        let id = try line("id ", &cursor)
        guard let id = MessageID(name: id) else { throw cursor.failure("id") }
        let arrival = try number("arrival ", &cursor)
        guard arrival <= latestArrival else { throw cursor.failure("arrival") }
        let boot = try line("boot ", &cursor)
        guard boot.count <= 36, boot.allSatisfy({ $0.isPrintable }) else { throw cursor.failure("boot") }
        let length = try number("content ", &cursor)
        let top = isFirstFormat ? 0 : try number("top ", &cursor)
        guard top <= longest, !length.addingReportingOverflow(top).overflow else {
            throw cursor.failure("top")
        }
        let (reversePath, parameters) = try path("from <", &cursor)
        var recipients: [Envelope.Recipient] = []
        while !cursor.isAtEnd {
            let (address, parameters) = try path("to <", &cursor)
            recipients.append(Envelope.Recipient(address, parameters: parameters))
        }
        let envelope = Envelope(reversePath: reversePath, parameters: parameters, recipients: recipients)
        guard envelope.isStorable else { throw cursor.failure("envelope") }
        let head = MessageHead(
            id: id, arrival: Time(microseconds: arrival), bootID: String(decoding: boot, as: UTF8.self),
            contentLength: Int(length), topLength: Int(top), envelope: envelope)
        return (head, end + 1)
    }

    /// Where the empty line behind the last recipient is.
    private static func endOfHead(_ bytes: [UInt8]) -> Int? {
        var index = 0
        while let newline = bytes.firstIndex(of: .lf, from: index) {
            guard newline + 1 < bytes.count else { return nil }
            if bytes[newline + 1] == .lf { return newline + 1 }
            index = newline + 1
        }
        return nil
    }

    private static func line(
        _ keyword: StaticString, _ cursor: inout Cursor
    ) throws(SyntaxError) -> ArraySlice<UInt8> {
        try cursor.expect(keyword, keyword)
        let value = cursor.take { $0 != .lf }
        try cursor.expect(.lf, keyword)
        return value
    }

    private static func number(_ keyword: StaticString, _ cursor: inout Cursor) throws(SyntaxError) -> Int64 {
        guard let value = Int64(strictDecimal: try line(keyword, &cursor)) else {
            throw cursor.failure(keyword)
        }
        return value
    }

    /// `<path> parameters`: a path may hold `>` only inside a quoted string, so its end is the `>` that
    /// stands outside of quotes.
    private static func path(
        _ keyword: StaticString, _ cursor: inout Cursor
    ) throws(SyntaxError) -> (path: [UInt8], parameters: [UInt8]) {
        let text = try line(keyword, &cursor)
        var quoted = false
        var index = text.startIndex
        while index < text.endIndex {
            switch text[index] {
            case .quote: quoted.toggle()
            case .backslash where quoted: index += 1
            case .ascii(">") where !quoted:
                let rest = text[(index + 1)...]
                guard rest.isEmpty || rest.first == .space else { throw cursor.failure(keyword) }
                return (Array(text[..<index]), Array(rest.dropFirst()))
            default: break
            }
            index += 1
        }
        throw cursor.failure(keyword)
    }
}

/// The line that closes a message's file and makes it valid.
package struct MessageTrailer: Equatable {
    var id: MessageID
    /// Of all between the head and this line, as is the CRC.
    var contentLength: Int
    var headCRC: UInt32
    var contentCRC: UInt32

    /// `end ` id, length and two CRCs with spaces between, LF.
    static let size = 4 + MessageID.length + 1 + MessageHead.lengthDigits + 1 + 8 + 1 + 8 + 1

    package var encoded: [UInt8] {
        var text = [UInt8]("end ")
        text += id.text
        text.append(.space)
        text.append(decimal: contentLength, width: MessageHead.lengthDigits)
        for crc in [headCRC, contentCRC] {
            text.append(.space)
            for shift in stride(from: 28, through: 0, by: -4) {
                text.append(hexDigit(UInt8(crc >> UInt32(shift) & 15)))
            }
        }
        text.append(.lf)
        return text
    }

    init(id: MessageID, contentLength: Int, headCRC: UInt32, contentCRC: UInt32) {
        self.id = id
        self.contentLength = contentLength
        self.headCRC = headCRC
        self.contentCRC = contentCRC
    }

    /// Nil unless the bytes are exactly a trailer.
    package init?(_ bytes: [UInt8]) {
        guard bytes.count == Self.size else { return nil }
        var cursor = Cursor(bytes)
        guard cursor.skip("end "), let name = cursor.take(MessageID.length), let id = MessageID(name: name),
            cursor.skip(.space),
            let length = cursor.take(MessageHead.lengthDigits).flatMap({ Int(strictDecimal: $0) }),
            cursor.skip(.space), let head = Self.crc(&cursor),
            cursor.skip(.space), let content = Self.crc(&cursor), cursor.skip(.lf)
        else { return nil }
        self.init(id: id, contentLength: length, headCRC: head, contentCRC: content)
    }

    private static func crc(_ cursor: inout Cursor) -> UInt32? {
        guard let digits = cursor.take(8) else { return nil }
        var value: UInt32 = 0
        for digit in digits {
            guard let nibble = digit.hexValue, !digit.isUpper else { return nil }
            value = value << 4 | UInt32(nibble)
        }
        return value
    }
}
