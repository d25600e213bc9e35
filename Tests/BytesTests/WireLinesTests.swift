import Testing

@testable import Bytes

@Suite struct WireLinesTests {
    /// All texts of up to six bytes over what matters.
    private static let texts: [[UInt8]] = (0...6).flatMap { length in
        (0..<(1 << (2 * length))).map { number in
            (0..<length).map { [UInt8.cr, .lf, .dot, .ascii("x")][number >> (2 * $0) & 3] }
        }
    }

    /// A byte at a time.
    private static func wire(_ text: [UInt8], stuffed: Bool) -> [UInt8] {
        var output: [UInt8] = []
        for (index, byte) in text.enumerated() {
            if stuffed, byte == .dot, index == 0 || text[index - 1] == .lf { output.append(.dot) }
            if byte == .lf, index == 0 || text[index - 1] != .cr { output.append(.cr) }
            output.append(byte)
        }
        return output
    }

    @Test("every LF becomes CRLF unless a CR is before it, wherever a text is cut, and is counted so")
    func lines() {
        for text in Self.texts {
            for cut in 0...text.count {
                var (lines, counter) = (WireLines(), WireLines())
                var output: [UInt8] = []
                lines.append(text[..<cut], to: &output)
                lines.append(text[cut...], to: &output)
                #expect(output == Self.wire(text, stuffed: false), "\(text) cut at \(cut)")
                #expect(counter.count(text[..<cut]) + counter.count(text[cut...]) == output.count)
            }
        }
    }

    @Test("a dot is put before a dot that begins a line, wherever a text is cut")
    func dots() {
        for text in Self.texts {
            for cut in 0...text.count {
                var lines = DotStuffedLines()
                var output: [UInt8] = []
                lines.append(text[..<cut], to: &output)
                lines.append(text[cut...], to: &output)
                #expect(output == Self.wire(text, stuffed: true), "\(text) cut at \(cut)")
                #expect(lines.isAtLineStart == (text.isEmpty || text.last == .lf))
            }
        }
    }
}
