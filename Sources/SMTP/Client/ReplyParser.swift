import Bytes

/// Finds replies in what a server sends: read with good will in form, bounded in size (T64).
///
/// Lines end in LF, with as many CRs before it as the server likes; any byte but a digit may stand behind the
/// code; in a reply of several lines the last line's code counts, and a line without one is passed over: all of
/// that is met, and none of it makes another reply of it. A reply that begins with no code is malformed, and
/// stays so: nobody can tell which reply belongs to which command any more.
package struct ReplyParser {
    package enum Result: Equatable {
        case reply(ServerReply)
        case needsMore
        case malformed(Malformation)
    }

    package enum Malformation: String, Equatable {
        case tooLong = "reply too long"
        case noCode = "no reply code"
    }

    /// All lines of a reply. RFC 5321 §4.5.3.1.5 says 512 a line; what others send is longer at times.
    package static let largestReply = 1 << 18
    /// More lines are read and not kept.
    package static let mostLines = 128

    /// Whether lines that are no replies are passed over: behind the end of a message, where only one reply can
    /// come, and a 250 that is not seen is another copy of the message at each retry.
    var skipsNonsense = false

    private var buffer: [UInt8] = []
    private var start = 0
    /// Where no line end was found yet.
    private var searched = 0
    /// Of the reply that has begun: its size so far, its code and its lines.
    private var size = 0
    private var code: Int?
    private var lines: [[UInt8]] = []
    private var malformation: Malformation?

    package init() {}

    package mutating func append(_ bytes: some Collection<UInt8>) {
        guard malformation == nil else { return }
        if start == buffer.count {
            buffer = Array(bytes)
            start = 0
            searched = 0
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

    /// The reply that has begun, as far as it came: every line of a reply has its code (RFC 5321 §4.2.1).
    package var unfinished: ServerReply? {
        let line = buffer[start...].prefix(Self.prefix)
        if let code = Self.code(of: line) {
            return ServerReply(code: code, lines: lines + [Self.text(of: line)])
        }
        return code.map { ServerReply(code: $0, lines: lines) }
    }

    /// As much of a line as says anything: code, separator and what is kept of the text.
    private static let prefix = 4 + ServerReply.longestText

    /// A line without its end; nil when there is none yet, or none at all.
    private mutating func nextLine() -> ArraySlice<UInt8>? {
        let end = buffer.firstIndex(of: .lf, from: searched)
        let next = end.map { $0 + 1 } ?? buffer.count
        guard size + next - start <= Self.largestReply else {
            malformation = .tooLong
            return nil
        }
        searched = next
        guard end != nil else { return nil }
        defer {
            size += next - start
            start = next
        }
        return buffer[start..<(next - 1)]
    }

    /// RFC 5321 §4.2:
    ///
    ///     Reply-line = *( Reply-code "-" [ textstring ] CRLF ) Reply-code [ SP textstring ] CRLF
    ///     Reply-code = %x32-35 %x30-35 %x30-39
    private mutating func add(_ line: ArraySlice<UInt8>) -> ServerReply? {
        guard let code = Self.code(of: line) else {
            if self.code == nil, !skipsNonsense { malformation = .noCode }
            return nil
        }
        self.code = code
        if lines.count < Self.mostLines { lines.append(Self.text(of: line.prefix(Self.prefix))) }
        guard line.dropFirst(3).first != .ascii("-") else { return nil }
        defer {
            self.code = nil
            lines = []
            size = 0
        }
        return ServerReply(code: code, lines: lines)
    }

    /// The first digit says what is to be done, whatever follows it (RFC 5321 §4.3.2): 571 and 299 are codes.
    private static func code(of line: ArraySlice<UInt8>) -> Int? {
        var cursor = Cursor(line)
        guard let digits = cursor.take(3), let code = Int(strictDecimal: digits), (200..<600).contains(code),
            cursor.peek?.isDigit != true
        else { return nil }
        return code
    }

    private static func text(of line: ArraySlice<UInt8>) -> [UInt8] {
        var text = line.dropFirst(4)
        while text.last == .cr { text.removeLast() }
        return Array(text)
    }
}
