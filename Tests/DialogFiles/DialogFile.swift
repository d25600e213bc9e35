import Bytes
import Unix

/// A transcript in a directory Dialogs, line by line: what the line is, a blank, and the rest.
package struct DialogFile: CustomStringConvertible {
    package struct Line {
        package let kind: String
        package let text: [UInt8]
    }

    package let name: String
    package let lines: [Line]
    package var description: String { name }

    package init(_ name: String, _ bytes: [UInt8]) {
        self.name = name
        lines = bytes.split(separator: .lf).map { line in
            let kind = line.prefix { $0 != .space }
            return Line(
                kind: String(decoding: kind, as: UTF8.self), text: Array(line.dropFirst(kind.count + 1)))
        }
    }

    /// All that are in the directory beside a source file.
    package static func all(beside source: String) -> [DialogFile] {
        let path = Path.split(source).directory + "/Dialogs"
        let names = (try? Directory(path).names()) ?? []
        return names.filter { $0.hasSuffix(".txt") }.sorted().map { name in
            DialogFile(name, ((try? Path.contents("\(path)/\(name)")) ?? nil) ?? [])
        }
    }

    /// `\r`, `\n`, `\0`, `\\` and `\xHH` are the bytes that they stand for; any other backslash is one.
    package static func unescaped(_ text: [UInt8]) -> [UInt8] {
        var cursor = Cursor(text)
        var bytes: [UInt8] = []
        while let byte = cursor.next() {
            guard byte == .backslash, let escaped = cursor.peek(ahead: 0) else {
                bytes.append(byte)
                continue
            }
            let high = cursor.peek(ahead: 1).flatMap { $0.hexValue }
            let low = cursor.peek(ahead: 2).flatMap { $0.hexValue }
            let (meant, count): (UInt8, Int) =
                switch escaped {
                case .ascii("r"): (.cr, 1)
                case .ascii("n"): (.lf, 1)
                case .ascii("0"): (.nul, 1)
                case .backslash: (.backslash, 1)
                case .ascii("x"):
                    if let high, let low { (high << 4 | low, 3) } else { (.backslash, 0) }
                default: (.backslash, 0)
                }
            bytes.append(meant)
            _ = cursor.take(count)
        }
        return bytes
    }
}

/// A line that must be heard.
package enum ExpectedLine {
    case exactly([UInt8])
    /// With `*` for any run of characters.
    case like([UInt8])
    /// As many lines as there are before one that the next expects.
    case others

    func matches(_ line: [UInt8]) -> Bool {
        switch self {
        case .exactly(let text): line == text
        case .like(let pattern): Self.matches(line, pattern)
        case .others: true
        }
    }

    private static func matches(_ line: [UInt8], _ pattern: [UInt8]) -> Bool {
        var ends: Set<Int> = [0]
        for symbol in pattern {
            if symbol == .ascii("*") {
                ends = Set((ends.min() ?? line.count + 1)..<(line.count + 1))
            } else {
                ends = Set(ends.filter { $0 < line.count && line[$0] == symbol }.map { $0 + 1 })
            }
            if ends.isEmpty { return false }
        }
        return ends.contains(line.count)
    }

    /// What is not as it must be, if all that was heard is to be these lines.
    package static func difference(_ lines: [ExpectedLine], heard: [UInt8], end: [UInt8]) -> String? {
        var rest = split(heard, end)[...]
        var isPassing = false
        for line in lines {
            if case .others = line {
                isPassing = true
                continue
            }
            while isPassing, let first = rest.first, !line.matches(first) { rest = rest.dropFirst() }
            guard let first = rest.first else { return "\(line.text) expected, no more was said" }
            guard line.matches(first) else { return "\(line.text) expected, said was \(first.escaped())" }
            rest = rest.dropFirst()
            isPassing = false
        }
        guard let first = rest.first, !isPassing else { return nil }
        return "unexpected: \(first.escaped())"
    }

    private var text: String {
        switch self {
        case .exactly(let text), .like(let text): text.escaped()
        case .others: "..."
        }
    }

    /// The lines, each without its end; one that has none has a mark instead that no line has.
    private static func split(_ text: [UInt8], _ end: [UInt8]) -> [[UInt8]] {
        var lines: [[UInt8]] = []
        var line: [UInt8] = []
        for byte in text {
            line.append(byte)
            guard byte == .lf, line.suffix(end.count) == end[...] else { continue }
            lines.append(line.dropLast(end.count))
            line = []
        }
        return line.isEmpty ? lines : lines + [line + Array("\n(no end)".utf8)]
    }
}
