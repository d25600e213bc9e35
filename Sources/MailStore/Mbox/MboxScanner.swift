import Bytes
import Mail

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
    /// Of the last message, without line ends.
    private var bodySize = 0

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
            if let newline = part[index...].firstIndex(of: .lf) {
                line(part[index...newline], at: offset + index)
                index = newline + 1
            } else if index == 0 || isLast {
                line(part[index...], at: offset + index)
                index = part.count
            } else {
                return index
            }
        }
        return index
    }

    private mutating func line(_ line: ArraySlice<UInt8>, at offset: Int) {
        let isStart = lastByte == .lf
        if isStart { begin(line, at: offset) }
        let end = offset + line.count
        switch place {
        case .outside: break
        case .fromLine:
            mix(line)
            messages[messages.count - 1].header = end
        case .hiddenField: hide(offset..<end, line)
        case .header:
            mix(line)
            count(line)
        case .body:
            count(line)
            mixBody(line)
            if isStart, line.first == .ascii(">") { unquote(line, at: offset) }
        }
        emptyLine = isStart && (line.elementsEqual([.lf]) || line.elementsEqual([.cr, .lf])) ? line.count : 0
        lastByte = line.last ?? lastByte
    }

    /// Where a line that begins here stands.
    private mutating func begin(_ line: ArraySlice<UInt8>, at offset: Int) {
        if let date = MboxFormat.date(of: line) {
            close(at: offset)
            bodySize = 0
            messages.append(
                MboxIndex.Message(start: offset, header: offset, headerEnd: 0, end: offset, date: date))
            place = .fromLine
            return
        }
        switch place {
        case .outside: isForeign = isForeign || !line.allSatisfy { $0 == .lf || $0 == .cr }
        case .body: break
        case .fromLine, .header, .hiddenField:
            if line.first == .lf || line.elementsEqual([.cr, .lf]) {
                messages[messages.count - 1].headerEnd = offset
                place = .body
            } else if line.first?.isWhitespace == true, place != .fromLine {
                break
            } else {
                let room = messages[messages.count - 1].hidden.count < Self.mostHidden
                place = room && MboxFields.begins(line) ? .hiddenField : .header
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
        messages[last].wireSize -= 1
    }

    private mutating func mix(_ line: ArraySlice<UInt8>) {
        var hash = messages[messages.count - 1].fingerprint
        for byte in line { hash = (hash ^ UInt64(byte)) &* Self.fingerprintFactor }
        messages[messages.count - 1].fingerprint = hash
    }

    /// How the body begins, and how long it is without its line ends: the last can be missing yet, and the empty one at the end
    /// belongs to the format.
    private mutating func mixBody(_ line: ArraySlice<UInt8>) {
        let text = line.prefix(
            line.last == .lf ? line.count - (line.dropLast().last == .cr ? 2 : 1) : line.count)
        if bodySize < Self.mixedBody { mix(text.prefix(Self.mixedBody - bodySize)) }
        bodySize += text.count
    }

    /// A line end without CR is sent with one.
    private mutating func count(_ line: ArraySlice<UInt8>) {
        let before = line.count > 1 ? line[line.endIndex - 2] : lastByte
        messages[messages.count - 1].wireSize += line.count + (line.last == .lf && before != .cr ? 1 : 0)
    }

    /// The empty line in front of the next `From ` line belongs to the format.
    private mutating func close(at end: Int) {
        guard let last = messages.indices.last, place != .outside else { return }
        let separator = end > messages[last].header ? emptyLine : 0
        messages[last].end = end - separator
        if separator > 0 { messages[last].wireSize -= 2 }
        if place != .body { messages[last].headerEnd = end }
        messages[last].headerEnd = min(messages[last].headerEnd, messages[last].end)
        messages[last].fingerprint =
            (messages[last].fingerprint ^ UInt64(bodySize)) &* Self.fingerprintFactor
    }

    mutating func finish(at size: Int) { close(at: size) }
}
