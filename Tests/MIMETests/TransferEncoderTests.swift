import Bytes
import Testing

@testable import MIME

@Suite struct TransferEncoderTests {
    static func encode(_ text: [UInt8], _ form: TransferEncoder.Form, step: Int = .max) -> [UInt8] {
        var encoder = TransferEncoder(form)
        var output: [UInt8] = []
        for start in stride(from: 0, to: text.count, by: min(step, max(1, text.count))) {
            encoder.take(text[start..<min(text.count, start + min(step, text.count))], into: &output)
        }
        encoder.finish(into: &output)
        return output
    }

    static let table: [(TransferEncoder.Form, String, String)] = [
        (.quotedPrintable, "", ""), (.quotedPrintable, "a\n", "a\n"), (.quotedPrintable, "a", "a"),
        (.quotedPrintable, "a\r\nb", "a\nb"),
        (.quotedPrintable, "ü=\n", "=C3=BC=3D\n"), (.quotedPrintable, "a \n", "a=20\n"),
        (.quotedPrintable, "a \r\n", "a=20\n"),
        (.quotedPrintable, "a\t", "a=09"), (.quotedPrintable, "a  b", "a  b"),
        (.quotedPrintable, " \t\n", " =09\n"),
        (.quotedPrintable, "a\rb", "a=0Db"), (.quotedPrintable, "a \rb", "a =0Db"),
        (.quotedPrintable, "\r\r\n", "=0D\n"),
        (.quotedPrintable, "\u{0}\u{7F}", "=00=7F"), (.quotedPrintable, "a\r", "a=0D"),
        (.quotedPrintable, String(repeating: "x", count: 76), String(repeating: "x", count: 75) + "=\nx"),
        (
            .quotedPrintable, String(repeating: "x", count: 73) + "é",
            String(repeating: "x", count: 73) + "=\n=C3=A9"
        ),
        (.base64, "", ""), (.base64, "a", "YQ=="), (.base64, "ab", "YWI="), (.base64, "abc", "YWJj"),
        (.base64, "a\n", "YQ0K"),
        (.base64, "a\r\n", "YQ0K"), (.base64, "a\r", "YQ0="), (.base64, "\r\r\n", "DQ0K"),
        (.base64, "a\rb", "YQ1i"),
        (.base64, String(repeating: "a", count: 58), String(repeating: "YWFh", count: 19) + "\nYQ=="),
        (.base64Again, "YW\nJj\n", "YWJj"), (.base64Again, "YW J\u{e9}j=\r\n", "YWJj="),
        (.base64Again, String(repeating: "YWFh", count: 20), String(repeating: "YWFh", count: 19) + "\nYWFh"),
        (.quotedPrintableAgain, "a=20\n", "a=20\n"), (.quotedPrintableAgain, "ü=C3=BC\n", "=C3=BC=C3=BC\n"),
        (.quotedPrintableAgain, "a=\nb", "a=\nb"), (.quotedPrintableAgain, "a=x=\r\n", "a=x=\r\n"),
        (
            .quotedPrintableAgain, String(repeating: "=3D", count: 26),
            String(repeating: "=3D", count: 25) + "=\n=3D"
        ),
    ]

    @Test("A body in a transfer encoding (RFC 2045 §6)", arguments: table, [Int.max, 1, 2, 5])
    func forms(row: (TransferEncoder.Form, String, String), step: Int) {
        #expect(String(decoding: Self.encode(Array(row.1.utf8), row.0, step: step), as: UTF8.self) == row.2)
    }

    @Test("All texts of five bytes of those that matter come back, line ends as CRLF")
    func everything() {
        let alphabet: [UInt8] = [.cr, .lf, .space, .ascii("="), 0xE9]
        for number in 0..<3125 {
            var rest = number
            let text = (0..<5).map { _ in
                defer { rest /= 5 }
                return alphabet[rest % 5]
            }
            var canonical: [UInt8] = []
            for byte in text {
                if byte == .lf, canonical.last != .cr { canonical.append(.cr) }
                canonical.append(byte)
            }
            #expect(TransferDecoding.base64(Self.encode(text, .base64)) == canonical)
            let quoted = Self.encode(text, .quotedPrintable)
            #expect(quoted.allSatisfy { $0 == .lf || $0.isPrintable })
            var decoded: [UInt8] = []
            // A line end of the encoded text is one of the text, a CR of the text is written as an escape.
            for byte in TransferDecoding.quotedPrintable(quoted.flatMap { $0 == .lf ? [.cr, .lf] : [$0] }) {
                decoded.append(byte)
            }
            #expect(decoded == canonical, "\(text)")
        }
    }
}
