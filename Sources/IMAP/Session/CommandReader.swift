import Bytes

/// Cuts what a client sends into commands, literals included, without ever holding more than a limit (T29 to T31).
package struct CommandReader {
    package enum Event: Equatable {
        /// Nothing to do before more has come.
        case incomplete
        /// A whole command without its CRLF.
        case command([UInt8])
        /// The client waits for leave to send a literal.
        case continuation
        /// An APPEND's literal of so many bytes follows; then, behind it, the rest of the line.
        case append(AppendHead, size: Int, waits: Bool)
        /// An APPEND that cannot be read; its literal, if it comes unasked, is dropped.
        case badCommand(tag: [UInt8])
        /// More than the limit: the connection cannot be kept in step.
        case tooLong
    }

    /// Longest command, its literals included.
    private let limit: Int
    private let allowsAppend: Bool
    private var gathered: [UInt8] = []
    /// How much of `gathered` is surely no line to look at again.
    private var lineStart = 0
    private var literalLeft = 0

    package init(limit: Int, allowsAppend: Bool) {
        self.limit = limit
        self.allowsAppend = allowsAppend
    }

    /// Reads from the front of `input`; how much was read, and what came of it.
    package mutating func read(_ input: ArraySlice<UInt8>) -> (consumed: Int, event: Event) {
        var rest = input
        while true {
            if literalLeft > 0 {
                let part = rest.prefix(literalLeft)
                gathered += part
                literalLeft -= part.count
                rest = rest.dropFirst(part.count)
                if literalLeft > 0 { return (input.count, .incomplete) }
                lineStart = gathered.count
            }
            guard let newline = rest.firstIndex(of: .lf) else {
                gathered += rest
                return (input.count, gathered.count > limit ? .tooLong : .incomplete)
            }
            gathered += rest[...newline]
            rest = rest[(newline + 1)...]
            guard gathered.count <= limit else { return (input.count - rest.count, .tooLong) }
            let event = endLine()
            if event != .incomplete { return (input.count - rest.count, event) }
        }
    }

    /// A line is complete: the command is, unless it ends in a literal's size.
    private mutating func endLine() -> Event {
        var line = gathered[lineStart...].dropLast()
        if line.last == .cr { line = line.dropLast() }
        guard let literal = Self.literal(at: line) else {
            let length = line.endIndex
            defer { reset() }
            return .command(Array(gathered[..<length]))
        }
        guard let size = literal.size, size <= Int(Int32.max) else { return tooLong(literal.waits) }
        if allowsAppend {
            do throws(SyntaxError) {
                if let head = try AppendHead(gathered[..<literal.start]) {
                    reset()
                    return .append(head, size: size, waits: literal.waits)
                }
            } catch {
                let tag = Array(gathered.prefix { $0 != .space })
                guard literal.waits else { return .tooLong }
                reset()
                return .badCommand(tag: tag)
            }
        }
        guard gathered.count + size <= limit else { return tooLong(literal.waits) }
        // The grammar expects CRLF behind the size, whatever the client sent.
        gathered = Array(gathered[..<line.endIndex]) + [.cr, .lf]
        literalLeft = size
        lineStart = gathered.count
        return literal.waits ? .continuation : .incomplete
    }

    /// A literal that is not sent before we say so costs nothing: the command is refused. One that comes unasked
    /// cannot be told from commands any more.
    private mutating func tooLong(_ waits: Bool) -> Event {
        guard waits else { return .tooLong }
        defer { reset() }
        return .badCommand(tag: Array(gathered.prefix { $0 != .space }.prefix(100)))
    }

    private mutating func reset() {
        gathered.removeAll(keepingCapacity: true)
        lineStart = 0
    }

    /// `{size}` or `{size+}` at the end of a line (RFC 7888 §4); a nil size does not fit any number.
    private static func literal(at line: ArraySlice<UInt8>) -> (start: Int, size: Int?, waits: Bool)? {
        guard line.last == .ascii("}"), let open = line.lastIndex(of: .ascii("{")) else { return nil }
        var digits = line[(open + 1)..<(line.endIndex - 1)]
        let waits = digits.last != .ascii("+")
        if !waits { digits = digits.dropLast() }
        guard !digits.isEmpty, digits.allSatisfy({ $0.isDigit }) else { return nil }
        return (open, Int(strictDecimal: digits), waits)
    }
}
