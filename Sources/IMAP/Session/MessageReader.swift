import Bytes
import MIME
import Mail

/// One message while a command looks at it: opened when first needed, its header and parts read once.
final class MessageReader {
    enum Content {
        /// With CRLF line ends.
        case bytes([UInt8])
        /// A range of the stored bytes, and its size on the wire.
        case stored(Range<Int>, wireSize: Int)

        var size: Int {
            switch self {
            case .bytes(let bytes): bytes.count
            case .stored(_, let size): size
            }
        }
    }

    private let open: () throws(StoreFailure) -> (any MessageBytes)?
    private var opened: (any MessageBytes)?
    private var knownHeader: [UInt8]?
    private var knownStructure: Part?
    private var knownWhole: [UInt8]?

    private static let chunk = 1 << 16
    private static let largestInMemory = 1 << 18
    /// More header than this is not looked at for fields.
    private static let longestHeader = 1 << 20

    init(_ open: @escaping () throws(StoreFailure) -> (any MessageBytes)?) { self.open = open }

    func isPresent() throws(StoreFailure) -> Bool {
        if opened == nil { opened = try open() }
        return opened != nil
    }

    private func bytes() throws(StoreFailure) -> any MessageBytes {
        guard try isPresent(), let opened else { throw .expunged }
        return opened
    }

    func read(_ range: Range<Int>) throws(StoreFailure) -> [UInt8] {
        let source = try bytes()
        var result: [UInt8] = []
        while result.count < range.count {
            let wanted = min(Self.chunk, range.count - result.count)
            let part = try source.read(at: range.lowerBound + result.count, count: wanted)
            // Copied: what was made for a long message is too large to be kept for a short one.
            result.append(run: part[...])
            if part.count < wanted { break }
        }
        return result
    }

    /// The message's header as it is stored, the empty line included.
    func header() throws(StoreFailure) -> [UInt8] {
        if let knownHeader { return knownHeader }
        var size = 8192
        while true {
            let front = try read(0..<size)
            let end = Self.endOfHeader(front)
            if end != nil || front.count < size || size >= Self.longestHeader {
                var header: [UInt8] = []
                header.append(run: front[..<(end ?? front.count)])
                knownHeader = header
                return header
            }
            size *= 8
        }
    }

    /// Behind the first empty line.
    private static func endOfHeader(_ bytes: [UInt8]) -> Int? {
        var lineStart = 0
        while let newline = bytes.firstIndex(of: .lf, from: lineStart) {
            if newline == lineStart || (newline == lineStart + 1 && bytes[lineStart] == .cr) {
                return newline + 1
            }
            lineStart = newline + 1
        }
        return nil
    }

    func structure() throws(StoreFailure) -> Part {
        if let knownStructure { return knownStructure }
        let source = try bytes()
        var parser = PartParser()
        var offset = 0
        while true {
            let piece = try source.read(at: offset, count: Self.chunk)
            parser.take(piece)
            offset += piece.count
            if piece.count < Self.chunk { break }
        }
        let part = parser.finish()
        knownStructure = part
        return part
    }

    /// The whole message in memory, where it is not large.
    private func wholeMessage() throws(StoreFailure) -> [UInt8]? {
        if let knownWhole { return knownWhole }
        let front = try read(0..<Self.largestInMemory + 1)
        guard front.count <= Self.largestInMemory else { return nil }
        knownWhole = front
        return front
    }

    /// How many octets a stored range to the end of the message has on the wire: counted, for what names say need not be so.
    private func wireSize(from start: Int) throws(StoreFailure) -> Int {
        let source = try bytes()
        var lines = WireLines()
        var (offset, size) = (start, 0)
        while true {
            let part = try source.read(at: offset, count: Self.chunk)
            offset += part.count
            size += lines.count(part[...])
            if part.count < Self.chunk { return size }
        }
    }

    /// What a section means: RFC 3501 §6.4.5. Nil where there is no such part.
    func content(of section: Section) throws(StoreFailure) -> Content? {
        if section.path.isEmpty { return try messageContent(section.kind) }
        guard let part = try structure().part(section.path[...]) else { return nil }
        switch section.kind {
        case .all:
            return .stored(part.body.stored..<part.end.stored, wireSize: part.end.wire - part.body.wire)
        case .mime:
            return .stored(part.start.stored..<part.body.stored, wireSize: part.body.wire - part.start.wire)
        default: break
        }
        // The rest asks about the message that the part carries.
        guard let message = part.message else { return nil }
        switch section.kind {
        case .header:
            return .stored(
                message.start.stored..<message.body.stored, wireSize: message.body.wire - message.start.wire)
        case .text:
            return .stored(
                message.body.stored..<message.end.stored, wireSize: message.end.wire - message.body.wire)
        case .fields(let names, let not):
            return .bytes(Self.filtered(try read(message.start.stored..<message.body.stored), names, not))
        case .all, .mime: return nil
        }
    }

    private func messageContent(_ kind: Section.Kind) throws(StoreFailure) -> Content? {
        switch kind {
        case .all:
            if let whole = try wholeMessage() { return .bytes(Self.wire(whole)) }
            return .stored(0..<Int.max, wireSize: try wireSize(from: 0))
        case .header: return .bytes(Self.wire(try header()))
        case .text:
            let start = try header().count
            if let whole = try wholeMessage() { return .bytes(Self.wire(whole.dropFirst(start))) }
            return .stored(start..<Int.max, wireSize: try wireSize(from: start))
        case .fields(let names, let not): return .bytes(Self.filtered(try header(), names, not))
        case .mime: return nil
        }
    }

    /// The fields that are named, or all but them, and the empty line. A line that is no field has no name that could be named:
    /// it is among the others.
    private static func filtered(_ header: [UInt8], _ names: [[UInt8]], _ not: Bool) -> [UInt8] {
        var output: [UInt8] = []
        func add(_ part: ArraySlice<UInt8>) {
            output += part
            if let last = part.last, last != .lf { output.append(.lf) }
        }
        let lines = withoutEmptyLine(header)
        var position = lines.startIndex
        for field in MessageHeader(toEmptyLine: header).fields
        where names.contains(where: { field.name.equalsFolded($0) }) {
            add(not ? lines[position..<field.raw.startIndex] : field.raw)
            position = field.raw.endIndex
        }
        if not { add(lines[position...]) }
        return wire(output + [.lf])
    }

    private static func withoutEmptyLine(_ header: [UInt8]) -> ArraySlice<UInt8> {
        guard header.last == .lf else { return header[...] }
        let line = header.dropLast(header.dropLast().last == .cr ? 2 : 1)
        return line.isEmpty || line.last == .lf ? line : header[...]
    }

    static func wire(_ bytes: ArraySlice<UInt8>) -> [UInt8] {
        var lines = WireLines()
        return wire(bytes, &lines)
    }

    private static func wire(_ bytes: ArraySlice<UInt8>, _ lines: inout WireLines) -> [UInt8] {
        var output: [UInt8] = []
        output.reserveCapacity(bytes.count + bytes.count / 32)
        lines.append(bytes, to: &output)
        // A literal cannot hold NUL: RFC 3501 §9, CHAR8.
        var position = 0
        while let place = output.firstIndex(of: .nul, from: position) {
            output[place] = 0x80
            position = place + 1
        }
        return output
    }

    static func wire(_ bytes: [UInt8]) -> [UInt8] { wire(bytes[...]) }

    /// Sends `count` octets of a stored range as they are on the wire, behind the first `skipping`; false when there were no
    /// longer so many.
    func send(
        _ range: Range<Int>, skipping: Int, count: Int, _ write: ([UInt8]) -> Void
    ) throws(StoreFailure) -> Bool {
        let source = try bytes()
        var offset = range.lowerBound
        var toSkip = skipping
        var left = count
        var lines = WireLines()
        while left > 0, offset < range.upperBound {
            let part = try source.read(at: offset, count: min(Self.chunk, range.upperBound - offset))
            if part.isEmpty { break }
            offset += part.count
            let piece = Self.wire(part[...], &lines)
            let dropped = min(toSkip, piece.count)
            toSkip -= dropped
            let sent = piece[dropped...].prefix(left)
            left -= sent.count
            write(Array(sent))
        }
        return left == 0
    }
}
