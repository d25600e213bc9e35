import Bytes
import Testing

@testable import POP3

@Suite struct StuffedLinesTests {
    /// RFC 1939 §3, said once more: every line ends in CRLF, and what begins with a dot has another before it.
    private func expected(_ text: [UInt8]) -> [UInt8] {
        var lines = text.split(separator: .lf, omittingEmptySubsequences: false)
        if lines.last?.isEmpty == true { lines.removeLast() }
        return lines.flatMap { line -> [UInt8] in
            (line.first == .dot ? [.dot] : []) + line + (line.last == .cr ? [.lf] : [.cr, .lf])
        }
    }

    @Test(
        "every text of up to five bytes out of CR, LF, dot and a letter is sent in lines, wherever it is cut")
    func all() {
        var texts: [[UInt8]] = [[]]
        for _ in 0..<5 {
            texts += texts.filter { $0.count == texts.last?.count }.flatMap { text in
                [UInt8.cr, .lf, .dot, .ascii("x")].map { text + [$0] }
            }
        }
        #expect(texts.count == 1365)
        for text in texts {
            for cut in 0...text.count {
                var lines = StuffedLines(bodyLines: nil)
                let sent = lines.take(Array(text[..<cut])) + lines.take(Array(text[cut...])) + lines.end()
                #expect(sent == expected(text), "\(text) cut at \(cut)")
            }
        }
    }
}
