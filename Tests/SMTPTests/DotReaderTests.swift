import Bytes
import SMTP
import Testing

/// The machine beside a second one that looks at the whole input at once.
@Suite struct DotReaderTests {
    struct Result: Equatable {
        var content: [UInt8]?
        var isAtEnd: Bool
        var consumed: Int
        var fault: DotReader.Fault?
    }

    /// What RFC 5321 §4.1.1.4 and §4.5.2 say, slowly.
    private static func reference(_ input: [UInt8]) -> Result {
        // The CRLF of the DATA command counts as the line end in front.
        let text: [UInt8] = [.cr, .lf] + input
        let mark: [UInt8] = [.cr, .lf, .dot, .cr, .lf]
        let end = text.indices.first { text[$0...].starts(with: mark) }
        let region = Array(text[..<(end.map { $0 + 2 } ?? text.count)])
        var lines: [[UInt8]] = []
        var line: [UInt8] = []
        var fault: DotReader.Fault?
        var index = 2
        while index < region.count {
            let byte = region[index]
            if byte == .cr, index + 1 < region.count, region[index + 1] == .lf {
                lines.append(line)
                line = []
                index += 1
            } else {
                if fault == nil, byte == .nul { fault = .nul }
                // A CR that ends the input may be half of a line end.
                let isOpen = byte == .cr && index + 1 == region.count
                if fault == nil, byte == .cr || byte == .lf, !isOpen { fault = .bareLineEnd }
                line.append(byte)
            }
            index += 1
        }
        let content = lines.map { $0.first == .dot ? Array($0.dropFirst()) : $0 }.flatMap { $0 + [.lf] }
        return Result(
            content: fault == nil && end != nil ? content : nil, isAtEnd: end != nil,
            consumed: end.map { $0 + 3 } ?? input.count, fault: fault)
    }

    private static func read(_ input: [UInt8], cut size: Int) -> Result {
        var reader = DotReader()
        var content: [UInt8] = []
        var consumed = 0
        while consumed < input.count, !reader.isAtEnd {
            let piece = input[consumed..<min(consumed + size, input.count)]
            let count = reader.read(piece, into: &content)
            consumed += count
            if count < piece.count, !reader.isAtEnd { break }
        }
        return Result(
            content: reader.fault == nil && reader.isAtEnd ? content : nil, isAtEnd: reader.isAtEnd,
            consumed: consumed, fault: reader.fault)
    }

    @Test(
        "every input of up to six bytes out of CR, LF, dot, NUL and a letter is read as the RFC says",
        arguments: 0...6)
    func exhaustive(length: Int) {
        let alphabet: [UInt8] = [.cr, .lf, .dot, .nul, .ascii("x")]
        var digits = [Int](repeating: 0, count: length)
        var wrong: [[UInt8]] = []
        while true {
            let front = digits.map { alphabet[$0] }
            // Alone, and with a true end and a command behind it.
            for input in [front, front + Array("\r\n.\r\nNOOP\r\n".utf8)] {
                let expected = Self.reference(input)
                for cut in [1, 2, 64] where Self.read(input, cut: cut) != expected { wrong.append(input) }
            }
            guard let place = digits.lastIndex(where: { $0 < alphabet.count - 1 }) else { break }
            digits[place] += 1
            for later in digits.indices where later > place { digits[later] = 0 }
        }
        #expect(wrong.prefix(10).map { $0.escaped() } == [])
    }

    @Test(
        "on a pipe a LF alone ends a line, and the message behind its dot",
        arguments: [
            ("a\nb\n.\nQUIT\n", "a\nb\n", 6), ("a\r\n.\r\nQ", "a\n", 6), ("a\n.\r\nQ", "a\n", 5),
            ("a\r\n.\nQ", "a\n", 5),
            ("..a\n.\n", ".a\n", 6), (".\n", "", 2), ("\n\n.\n", "\n\n", 4),
        ])
    func lines(input: String, content: String, consumed: Int) {
        for size in [1, 2, 64] {
            var reader = DotReader(lfEndsLines: true)
            var output: [UInt8] = []
            var position = 0
            let bytes = Array(input.utf8)
            while position < bytes.count, !reader.isAtEnd {
                position += reader.read(bytes[position..<min(position + size, bytes.count)], into: &output)
            }
            #expect(
                String(decoding: output, as: UTF8.self) == content && position == consumed
                    && reader.fault == nil)
        }
    }
}
