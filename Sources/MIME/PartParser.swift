import Bytes

/// Finds the parts of a message (RFC 2045 to 2049) in one pass over its bytes, which come in pieces cut anywhere. Holds a
/// line's front, the header that is being read and the tree; never the message.
package struct PartParser {
    /// Deeper parts are not looked into, and no more parts than that are told apart (T37).
    package static let deepest = 100
    package static let mostParts = 10_000
    /// More of a header is not read for its fields, nor of all headers together.
    package static let longestHeader = 1 << 22
    package static let longestHeaders = 1 << 24
    /// RFC 2046 §5.1.1 allows 70; of a longer one so much is compared.
    private static let longestBoundary = 200

    private enum State { case header, body }

    private let root: Part
    /// From the message down to the part that is being read; multiparts with their boundary.
    private var open: [(part: Part, boundary: [UInt8]?, isDigest: Bool)]
    private var state = State.header
    private var header: [UInt8] = []
    private var headersLeft = longestHeaders
    private var position = Offset.zero
    /// Behind the last line's content, before its line end: where a part ends if a boundary follows.
    private var lineEnd = Offset.zero
    /// Where the line begins that is being read.
    private var lineStart = Offset.zero
    private var headerBeforeLine = 0
    private var front: [UInt8] = []
    private var lineLength = 0
    private var lastByte: UInt8 = 0
    private var parts = 1

    package init() {
        root = Part(start: .zero)
        open = [(root, nil, false)]
    }

    package mutating func take(_ piece: [UInt8]) {
        var index = 0
        while index < piece.count {
            let newline = piece.firstIndex(of: .lf, from: index)
            let end = newline ?? piece.count
            let content = piece[index..<end]
            if state == .header, header.count < headerLimit {
                header.append(run: content.prefix(headerLimit - header.count))
            }
            if front.count < Self.longestBoundary + 4 {
                front.append(run: content.prefix(Self.longestBoundary + 4 - front.count))
            }
            position.stored += content.count
            position.wire += content.count
            lineLength += content.count
            if let last = content.last { lastByte = last }
            if newline != nil { endLine() }
            index = end + 1
        }
    }

    private var headerLimit: Int { min(Self.longestHeader, headersLeft) }

    /// The tree, when everything has come.
    package mutating func finish() -> Part {
        if lineLength > 0 { endLastLine() }
        if state == .header { endHeader(at: position) }
        close(to: 0, at: position)
        return root
    }

    private mutating func endLine() {
        let hasCR = lineLength > 0 && lastByte == .cr
        var contentEnd = position
        if hasCR {
            contentEnd.stored -= 1
            contentEnd.wire -= 1
        }
        position.stored += 1
        // A LF alone is sent as CRLF.
        position.wire += hasCR ? 1 : 2
        position.lines += 1
        if state == .header, header.count < headerLimit { header.append(.lf) }
        line(isEmpty: lineLength == (hasCR ? 1 : 0), isLast: false)
        lineEnd = contentEnd
        beginLine()
    }

    /// The last line, which has no end.
    private mutating func endLastLine() {
        line(isEmpty: false, isLast: true)
        lineEnd = position
        beginLine()
    }

    private mutating func beginLine() {
        lineStart = position
        headerBeforeLine = header.count
        front.removeAll(keepingCapacity: true)
        lineLength = 0
        lastByte = 0
    }

    /// A line: `position` is behind it. `isLast`: it has no end, and where it is a boundary no part follows.
    private mutating func line(isEmpty: Bool, isLast: Bool) {
        if front.starts(with: [.ascii("-"), .ascii("-")]), let (level, isClosing) = boundary() {
            // The last line of a header that a boundary cuts off is whole, and the boundary is none of them.
            if state == .header {
                header.removeLast(header.count - headerBeforeLine)
                endHeader(at: lineStart)
            }
            close(to: level + 1, at: lineEnd)
            state = .body
            if isClosing {
                // What follows is the epilogue: nobody's.
                open[level].boundary = nil
            } else if !isLast {
                begin(in: level)
            }
            return
        }
        if state == .header, isEmpty { endHeader(at: position) }
    }

    /// The multipart whose boundary this line is (RFC 2046 §5.1.1), and whether it closes it. What stands behind a boundary
    /// does not matter, as it does not to Dovecot: of several that fit the longest counts, of the same ones the innermost.
    private func boundary() -> (level: Int, isClosing: Bool)? {
        let text = front.dropFirst(2)
        var found: (level: Int, length: Int)?
        for level in open.indices.reversed() {
            guard let boundary = open[level].boundary, boundary.count > found?.length ?? 0,
                text.starts(with: boundary)
            else { continue }
            found = (level, boundary.count)
        }
        return found.map { ($0.level, text.dropFirst($0.length).starts(with: [.ascii("-"), .ascii("-")])) }
    }

    private mutating func begin(in level: Int) {
        guard parts < Self.mostParts else { return }
        parts += 1
        let part = Part(start: position)
        open[level].part.children.append(part)
        open.append((part, nil, false))
        state = .header
        header.removeAll(keepingCapacity: true)
    }

    /// The end of a header: what it says decides how the body is read.
    private mutating func endHeader(at end: Offset) {
        state = .body
        let level = open.count - 1
        let part = open[level].part
        part.body = Self.later(end, part.start)
        part.readHeader(header, inDigest: level > 0 && open[level - 1].isDigest)
        headersLeft -= header.count
        header.removeAll(keepingCapacity: true)
        guard open.count < Self.deepest, parts < Self.mostParts else { return }
        if part.type.equalsFolded("multipart") {
            guard let boundary = part.contentType?.first("boundary"), !boundary.isEmpty else { return }
            open[level].boundary = Array(boundary.prefix(Self.longestBoundary))
            open[level].isDigest = part.subtype.equalsFolded("digest")
        } else if part.type.equalsFolded("message"),
            part.subtype.equalsFolded("rfc822") || part.subtype.equalsFolded("global")
        {
            parts += 1
            let message = Part(start: part.body)
            part.message = message
            open.append((message, nil, false))
            state = .header
        }
    }

    /// Ends the parts from `level` on. The empty line of a header is in it, and in what is around it, also where a boundary
    /// follows at once.
    private mutating func close(to level: Int, at end: Offset) {
        var end = end
        while open.count > level {
            let part = open[open.count - 1].part
            end = Self.later(end, part.body)
            part.end = end
            open.removeLast()
        }
    }

    private static func later(_ a: Offset, _ b: Offset) -> Offset { a.stored < b.stored ? b : a }
}
