import Bytes
import Mail
import Unix

/// Finds messages in an mbox that goes by in parts, a line at a time. A message begins where a line says from whom and when it
/// came (`MboxFormat.date`), whatever stands before it, and whatever Content-Length says. A file that begins otherwise is no
/// mbox: nothing in it is ours to read or to change.
struct MboxScanner {
    private enum Place { case outside, fromLine, header, hiddenField, body }

    private(set) var messages: [MboxIndex.Message]
    private(set) var base: MboxBase?
    private(set) var keywords: KeywordNames
    private var place = Place.outside
    /// The file begins with something else.
    private(set) var isForeign = false
    /// What the line before was: its line end's length if it was empty, else 0.
    private var emptyLine = 0
    private var lastByte: UInt8 = .lf
    /// Of the last message: without line ends, and as `MboxIndex.Message` has them.
    private var bodySize = 0
    private var wireSize = 0
    private var fingerprint: UInt64 = 0

    /// A message with more scattered fields than this, which no program writes, is shown with the rest of them.
    private static let mostHidden = 64
    private static let mostQuotes = 4096
    private static let fingerprintFactor: UInt64 = 0x100_0000_01B3
    /// So much of a body tells its message from others with the same header and a body as long.
    private static let mixedBody = 1024

    init(_ messages: [MboxIndex.Message], _ base: MboxBase?, _ keywords: KeywordNames) {
        (self.messages, self.base, self.keywords) = (messages, base, keywords)
    }

    /// Takes whole lines from the front of `part`, and what is longer than it in pieces; how much it took.
    mutating func take(_ part: [UInt8], at offset: Int, isLast: Bool) -> Int {
        var index = 0
        while index < part.count {
            let end: Int
            if let newline = part.firstIndex(of: .lf, from: index) {
                end = newline + 1
            } else if index == 0 || isLast {
                end = part.count
            } else {
                return index
            }
            line(part, index..<end, at: offset + index)
            index = end
        }
        return index
    }

    /// A line, or a piece of one: `range` of what was read. What is done for each is done without slices, which are counted.
    private mutating func line(_ part: [UInt8], _ range: Range<Int>, at offset: Int) {
        let isStart = lastByte == .lf
        if isStart { begin(part, range, at: offset) }
        let end = offset + range.count
        switch place {
        case .outside: break
        case .fromLine:
            mix(part, range)
            messages[messages.count - 1].header = end
        case .hiddenField: hide(offset..<end, part[range])
        case .header:
            mix(part, range)
            count(part, range)
        case .body:
            count(part, range)
            mixBody(part, range)
            if isStart, part[range.lowerBound] == .ascii(">") { unquote(part[range], at: offset) }
        }
        emptyLine = isStart && Self.isEmpty(part, range) ? range.count : 0
        lastByte = part[range.upperBound - 1]
    }

    private static func isEmpty(_ part: [UInt8], _ range: Range<Int>) -> Bool {
        let first = part[range.lowerBound]
        return range.count == 1
            ? first == .lf : range.count == 2 && first == .cr && part[range.lowerBound + 1] == .lf
    }

    /// Where a line that begins here stands.
    private mutating func begin(_ part: [UInt8], _ range: Range<Int>, at offset: Int) {
        let first = part[range.lowerBound]
        if first == .ascii("F"), let date = MboxFormat.date(of: part[range]) {
            close(at: offset)
            let message = MboxIndex.Message(
                start: offset, header: offset, headerEnd: 0, end: offset, date: date)
            (bodySize, wireSize, fingerprint) = (0, 0, message.fingerprint)
            messages.append(message)
            place = .fromLine
            return
        }
        switch place {
        case .outside: isForeign = isForeign || !part[range].allSatisfy { $0 == .lf || $0 == .cr }
        case .body: break
        case .fromLine, .header, .hiddenField:
            if Self.isEmpty(part, range) {
                messages[messages.count - 1].headerEnd = offset
                place = .body
            } else if first.isWhitespace, place != .fromLine {
                break
            } else {
                let room = messages[messages.count - 1].hidden.count < Self.mostHidden
                place = room && MboxFields.begins(part[range]) ? .hiddenField : .header
            }
        }
    }

    private static let from = [UInt8]("From ")

    private mutating func hide(_ range: Range<Int>, _ line: ArraySlice<UInt8>) {
        let last = messages.count - 1
        if messages[last].hidden.last?.upperBound == range.lowerBound,
            let joined = messages[last].hidden.popLast()
        {
            messages[last].hidden.append(joined.lowerBound..<range.upperBound)
        } else {
            messages[last].hidden.append(range)
        }
        messages[last].marks.take(line, keywords: &keywords)
        if last == 0, base == nil { base = MboxBase(line, keywords: &keywords) }
    }

    /// Of the `>` before `From ` one was put there by who wrote the mbox.
    private mutating func unquote(_ line: ArraySlice<UInt8>, at offset: Int) {
        let last = messages.count - 1
        guard line.drop(while: { $0 == .ascii(">") }).starts(with: Self.from),
            messages[last].hidden.count < Self.mostQuotes
        else { return }
        messages[last].hidden.append(offset..<offset + 1)
        wireSize -= 1
    }

    private mutating func mix(_ part: [UInt8], _ range: Range<Int>) {
        var hash = fingerprint
        for index in range { hash = (hash ^ UInt64(part[index])) &* Self.fingerprintFactor }
        fingerprint = hash
    }

    /// How the body begins, and how long it is without its line ends: the last can be missing yet, and the empty one at the end
    /// belongs to the format.
    private mutating func mixBody(_ part: [UInt8], _ range: Range<Int>) {
        var end = range.upperBound
        if part[end - 1] == .lf {
            end -= 1
            if end > range.lowerBound, part[end - 1] == .cr { end -= 1 }
        }
        let text = range.lowerBound..<end
        if bodySize < Self.mixedBody { mix(part, text.prefix(Self.mixedBody - bodySize)) }
        bodySize += text.count
    }

    /// A line end without CR is sent with one.
    private mutating func count(_ part: [UInt8], _ range: Range<Int>) {
        let last = range.upperBound - 1
        let before = range.count > 1 ? part[last - 1] : lastByte
        wireSize += range.count + (part[last] == .lf && before != .cr ? 1 : 0)
    }

    /// The empty line in front of the next `From ` line belongs to the format.
    private mutating func close(at end: Int) {
        guard let last = messages.indices.last, place != .outside else { return }
        let separator = end > messages[last].header ? emptyLine : 0
        messages[last].end = end - separator
        messages[last].wireSize = wireSize - (separator > 0 ? 2 : 0)
        if place != .body { messages[last].headerEnd = end }
        messages[last].headerEnd = min(messages[last].headerEnd, messages[last].end)
        messages[last].fingerprint = (fingerprint ^ UInt64(bodySize)) &* Self.fingerprintFactor
    }

    mutating func finish(at size: Int) { close(at: size) }
}
