import Bytes

/// Finds replies in what a server sends: strict in form, bounded in size (T64). What is malformed stays
/// malformed: nobody can tell which reply belongs to which command any more.
package struct ReplyParser {
    package enum Result: Equatable {
        case reply(ServerReply)
        case needsMore
        case malformed(Malformation)
    }

    package enum Malformation: String, Equatable {
        case lineTooLong = "line too long"
        case tooManyLines = "too many lines"
        case bareCarriageReturn = "carriage return without line feed"
        case bareLineFeed = "line feed without carriage return"
        case noCode = "no reply code"
        case codesDiffer = "lines with different codes"
    }

    /// A reply line with its CRLF. RFC 5321 §4.5.3.1.5 says 512; what others send is longer at times.
    package static let longestLine = 2048
    package static let mostLines = 128

    private var buffer: [UInt8] = []
    private var start = 0
    private var code: Int?
    private var lines: [[UInt8]] = []
    private var malformation: Malformation?

    package init() {}

    package mutating func append(_ bytes: some Collection<UInt8>) {
        guard malformation == nil else { return }
        if start == buffer.count {
            buffer = Array(bytes)
            start = 0
        } else {
            buffer += bytes
        }
    }

    /// Throws away whatever came and was not taken: after STARTTLS it is a stranger's (T63).
    package mutating func discard() { self = ReplyParser() }

    package mutating func next() -> Result {
        while true {
            if let malformation { return .malformed(malformation) }
            guard let line = nextLine() else {
                if let malformation { return .malformed(malformation) }
                return .needsMore
            }
            if let reply = add(line) { return .reply(reply) }
        }
    }

    /// A line without its CRLF; nil when there is none yet, or none at all.
    private mutating func nextLine() -> ArraySlice<UInt8>? {
        let searchEnd = min(buffer.count, start + Self.longestLine)
        guard let end = buffer[start..<searchEnd].firstIndex(where: { $0 == .cr || $0 == .lf }) else {
            if buffer.count - start >= Self.longestLine { malformation = .lineTooLong }
            return nil
        }
        if buffer[end] == .lf {
            malformation = .bareLineFeed
            return nil
        }
        guard end + 1 < buffer.count else {
            if end + 1 - start >= Self.longestLine { malformation = .lineTooLong }
            return nil
        }
        guard buffer[end + 1] == .lf else {
            malformation = .bareCarriageReturn
            return nil
        }
        guard end + 2 - start <= Self.longestLine else {
            malformation = .lineTooLong
            return nil
        }
        defer { start = end + 2 }
        return buffer[start..<end]
    }

    /// RFC 5321 §4.2:
    ///
    ///     Reply-line = *( Reply-code "-" [ textstring ] CRLF ) Reply-code [ SP textstring ] CRLF
    ///     Reply-code = %x32-35 %x30-35 %x30-39
    private mutating func add(_ line: ArraySlice<UInt8>) -> ServerReply? {
        var cursor = Cursor(line)
        guard let digits = cursor.take(3), (0x32...0x35).contains(digits[digits.startIndex]),
            (0x30...0x35).contains(digits[digits.startIndex + 1]), let code = Int(strictDecimal: digits),
            cursor.isAtEnd || cursor.peek == .space || cursor.peek == .ascii("-")
        else {
            malformation = .noCode
            return nil
        }
        guard self.code == nil || self.code == code else {
            malformation = .codesDiffer
            return nil
        }
        guard lines.count < Self.mostLines else {
            malformation = .tooManyLines
            return nil
        }
        let isLast = cursor.next() != .ascii("-")
        lines.append(Array(cursor.rest.prefix(ServerReply.longestText)))
        self.code = code
        guard isLast else { return nil }
        defer {
            self.code = nil
            lines = []
        }
        return ServerReply(code: code, lines: lines)
    }
}
