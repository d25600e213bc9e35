import Bytes
import MailStore
import TemporaryPlaces
import Testing
import Unix

@testable import imapd

@Suite struct SpoolTests {
    /// All texts of up to five bytes over what matters.
    private static let texts: [[UInt8]] = (0...5).flatMap { length in
        (0..<(1 << (2 * length))).map { number in
            (0..<length).map { [UInt8.cr, .lf, .ascii("x"), .ascii("y")][number >> (2 * $0) & 3] }
        }
    }

    @Test("CRLF is kept as LF, and a CR or LF that stands alone as it is, wherever a message is cut")
    func lineEnds() throws {
        let directory = try TemporaryDirectory(inMemory: true)
        let spool = try Spool(in: directory.path)
        for text in Self.texts {
            let expected = text.indices.filter { index in
                text[index] != .cr || index + 1 == text.count || text[index + 1] != .lf
            }.map { text[$0] }
            for cut in 0...text.count {
                try spool.write(Array(text[..<cut]))
                try spool.write([])
                try spool.write(Array(text[cut...]))
                #expect(try spool.endMessage().bytes(upTo: 100) == expected, "\(text) cut at \(cut)")
            }
        }
    }
}
