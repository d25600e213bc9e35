import Bytes
import Testing

@testable import MIME

@Suite struct ConversionTests {
    static let sevenBit = ConversionTarget(isSevenBit: true)
    static let lines = ConversionTarget(isSevenBit: false)

    /// The message as it is sent, by way of pieces of `step` bytes; nil where it is refused.
    static func convert(
        _ message: [UInt8], to target: ConversionTarget = sevenBit, step: Int = .max
    ) throws(ConversionRefusal) -> [UInt8] {
        let pieces = stride(from: 0, to: message.count, by: min(step, max(1, message.count)))
            .map { message[$0..<min(message.count, $0 + min(step, message.count))] }
        var parser = PartParser()
        for piece in pieces { parser.take(Array(piece)) }
        var survey = ConversionSurvey(parser.finish())
        for piece in pieces { survey.take(piece) }
        var converter = Converter(try survey.plan(target))
        var output: [UInt8] = []
        for piece in pieces { output += converter.take(piece) }
        return output + converter.finish()
    }

    static func text(_ message: String, to target: ConversionTarget = sevenBit) throws -> String {
        String(decoding: try convert(Array(message.utf8), to: target), as: UTF8.self)
    }

    static func isGood(_ message: [UInt8], _ target: ConversionTarget) -> Bool {
        (!target.isSevenBit || message.allSatisfy { $0.isASCII })
            && message.split(separator: .lf).allSatisfy { $0.count <= 998 }
    }

    /// Type and decoded body of each part that has no parts itself, with CRLF and without a last line end.
    static func leaves(_ message: [UInt8]) -> [String] {
        var parser = PartParser()
        parser.take(message)
        var found: [String] = []
        func visit(_ part: Part) {
            if part.isMultipart { return part.children.forEach(visit) }
            if let inner = part.message { return visit(inner) }
            var body = TransferDecoding.decode(
                Array(message[part.body.stored..<part.end.stored]), encoding: part.encoding)
            body = body.filter { $0 != .cr }
            while body.last == .lf { body.removeLast() }
            found.append(
                String(
                    decoding: part.type + [.ascii("/")] + part.subtype + [.ascii(":")] + body, as: UTF8.self))
        }
        visit(parser.finish())
        return found
    }

    // MARK: - What comes out

    static let table: [(String, ConversionTarget, String)] = [
        // Nothing to do: nothing is done.
        ("Subject: x\n\nbody\n", sevenBit, "Subject: x\n\nbody\n"),
        ("Subject: ü\n\nü\n", lines, "Subject: ü\n\nü\n"),
        // A body; what was said of it goes, what is true comes.
        (
            "MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\nSubject: x\n\nü\n",
            sevenBit,
            "MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nSubject: x\nContent-Transfer-Encoding: base64\n\nw7wNCg=="
        ),
        (
            "Subject: x\n\nGrüße aus der weiten Ferne\n", sevenBit,
            "Subject: x\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n"
                + "Content-Transfer-Encoding: quoted-printable\n\nGr=C3=BC=C3=9Fe aus der weiten Ferne\n"
        ),
        // A part, its parent and its sibling.
        (
            "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\nContent-Transfer-Encoding: 8bit\n\n--b\n\na\n--b\n"
                + "Content-Transfer-Encoding: 8bit\nContent-Type: text/html\n\nGrüße aus der weiten Ferne\n--b--\n",
            sevenBit,
            "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\nContent-Transfer-Encoding: 7bit\n\n--b\n\na\n--b\n"
                + "Content-Type: text/html\nContent-Transfer-Encoding: quoted-printable\n\nGr=C3=BC=C3=9Fe aus der weiten Ferne\n--b--\n"
        ),
        // What means nothing.
        (
            "Content-Type: multipart/mixed; boundary=b\n\nü\n--b\n\na\n--b--\nü\n", sevenBit,
            "Content-Type: multipart/mixed; boundary=b\n\n??\n--b\n\na\n--b--\n??\n"
        ),
        // Headers.
        ("Subject: Grüße\n\nx\n", sevenBit, "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\n\nx\n"),
        ("Subject: an die ö ü und\n\nx\n", sevenBit, "Subject: an die =?utf-8?q?=C3=B6_=C3=BC?= und\n\nx\n"),
        (
            "From: Jörg Müller <j@x>, \"A, ü\"<b@x> (ö)\n\nx\n", sevenBit,
            "From: =?utf-8?q?J=C3=B6rg_M=C3=BCller?= <j@x>, =?utf-8?q?A=2C_=C3=BC?= <b@x>\n (=?utf-8?q?=C3=B6?=)\n\nx\n"
        ),
        (
            "Content-Disposition: attachment; filename=\"ü.txt\"; x=1\n\nx\n", sevenBit,
            "Content-Disposition: attachment; filename*=utf-8''%C3%BC.txt; x=1\n\nx\n"
        ),
    ]

    @Test("A message in another form", arguments: table)
    func forms(row: (String, ConversionTarget, String)) throws {
        let sent = try Self.text(row.0, to: row.1)
        #expect(sent == row.2, "\(sent)")
    }

    @Test("Every piece size makes the same of it", arguments: table, [1, 2, 7])
    func pieces(row: (String, ConversionTarget, String), step: Int) throws {
        let message = Array(row.0.utf8)
        #expect(try Self.convert(message, to: row.1, step: step) == Self.convert(message, to: row.1))
    }

    // MARK: - What is refused

    static let signed =
        "Content-Type: multipart/signed; boundary=s\n\n--s\n%\n--s\nContent-Type: application/x\n\nsig\n--s--\n"
    static let long = String(repeating: "x", count: 999)

    @Test(
        "What nobody may change stays, or is refused",
        arguments: [
            ("\nü", .protected), ("\n\(long)", .protected), ("Subject: ü\n\nx", .protected),
            ("X: \(long)\n\nx", .protected),
            ("\nascii", nil), ("Content-Transfer-Encoding: 8bit\n\nascii", nil),
            ("Content-Type: multipart/mixed; boundary=i\n\n--i\n\nü\n--i--", .protected),
            ("Content-Type: message/rfc822\n\nSubject: x\n\nü", .protected),
        ] as [(String, ConversionRefusal?)])
    func protected(part: String, refusal: ConversionRefusal?) throws {
        let message = Array(Self.signed.utf8).split(separator: .ascii("%")).joined(
            separator: Array(part.utf8))
        var found: ConversionRefusal?
        do throws(ConversionRefusal) {
            #expect(try Self.convert(Array(message)) == Array(message))
        } catch { found = error }
        #expect(found == refusal)
        // Beside it everything may be changed.
        let beside =
            "Content-Type: multipart/mixed; boundary=o\n\n--o\n\nü\n--o\n"
            + String(decoding: Array(message), as: UTF8.self) + "\n--o--\n"
        if refusal == nil { #expect(Self.isGood(try Self.convert(Array(beside.utf8)), Self.sevenBit)) }
    }

    @Test(
        "What cannot be converted is refused",
        arguments: [
            ("To: jö@x\n\nx\n", .header), ("To: \"jö\"@x\n\nx\n", .header), ("To: <jö@x>\n\nx\n", .header),
            ("Content-Type: multipart/mixed; boundary=nowhere\n\nü\n", .unknownForm),
            ("Content-Type: multipart/mixed; boundary=\"ü\"\n\n--ü\n\nx\n--ü--\n", .header),
            ("Content-Transfer-Encoding: x-uuencode\n\nü\n", .unknownForm),
            ("Content-Type: message/delivery-status\n\nü\n", .unknownForm),
            ("Content-Type: message/partial\n\nü\n", .unknownForm),
            ("no field ü\n\nx\n", .header),
        ] as [(String, ConversionRefusal)])
    func refused(message: String, refusal: ConversionRefusal) {
        #expect(throws: refusal) { try Self.convert(Array(message.utf8)) }
    }

    @Test("A header in UTF-8 of a message that was sent with SMTPUTF8 stays, or the message is refused")
    func topHeader() throws {
        let target = ConversionTarget(isSevenBit: true, encodesTopHeader: false)
        #expect(throws: ConversionRefusal.header) {
            try Self.convert(Array("Subject: ü\n\nx\n".utf8), to: target)
        }
        let inner =
            "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: message/global\n\nSubject: ü\n\nü\n--b--\n"
        let output = try Self.convert(Array(inner.utf8), to: target)
        #expect(Self.isGood(output, target))
        #expect(String(decoding: output, as: UTF8.self).contains("Content-Transfer-Encoding: base64"))
    }

    @Test("A report's copy of what cannot be converted is cut to its header")
    func report() throws {
        let original = "Subject: ü\n" + Self.signed.split(separator: "%").joined(separator: "\nü")
        let report =
            "Content-Type: multipart/report; boundary=r\n\n--r\n\nwords\n--r\nContent-Type: message/rfc822\n\n"
            + original + "\n--r--\n"
        let output = try Self.convert(Array(report.utf8))
        #expect(Self.isGood(output, Self.sevenBit))
        let leaves = Self.leaves(output)
        #expect(leaves.count == 2 && leaves[1].hasPrefix("text/rfc822-headers:Subject: ü\n"), "\(leaves)")
        #expect(!leaves[1].contains("sig\n") && !leaves[1].contains("--s"))
    }

    // MARK: - What is kept

    /// Messages of parts in parts, with everything that must survive.
    static func message(_ random: inout SplitMix, depth: Int = 0) -> [UInt8] {
        let words: [[UInt8]] = [
            Array("ascii ".utf8), Array("grüße".utf8), [0xFF, 0xFE], Array("= ".utf8), Array("\t".utf8),
            [.lf], [.lf, .lf], Array(".".utf8),
            Array("--b".utf8), Array("From x\n".utf8), [0], [UInt8](repeating: 0x78, count: 1200),
            Array("=20".utf8), [0x1B],
        ]
        func body() -> [UInt8] {
            (0..<Int(random.next() % 30)).flatMap { _ in words[Int(random.next() % UInt64(words.count))] }
        }
        switch depth > 2 ? 0 : random.next() % 4 {
        case 1:
            let boundary = "bound\(depth)"
            var text = Array("Content-Type: multipart/mixed; boundary=\(boundary)\n\npreamble\n".utf8)
            for _ in 0...(random.next() % 3) {
                text += Array("\n--\(boundary)\n".utf8) + message(&random, depth: depth + 1)
            }
            return text + Array("\n--\(boundary)--\n".utf8)
        case 2:
            return [UInt8]("Content-Type: message/rfc822\n\nSubject: ü\n")
                + message(&random, depth: depth + 1)
        default: return [UInt8]("Content-Type: application/x\nContent-Transfer-Encoding: 8bit\n\n") + body()
        }
    }

    @Test(
        "Whatever the message, what is sent may be sent, and decodes to the very content", arguments: 0..<300)
    func everything(seed: Int) throws {
        var random = SplitMix(state: UInt64(seed))
        let message = Self.message(&random)
        for target in [Self.sevenBit, Self.lines] {
            let output = try Self.convert(message, to: target)
            #expect(Self.isGood(output, target))
            #expect(Self.leaves(output) == Self.leaves(message))
            #expect(try Self.convert(message, to: target, step: 11) == output)
        }
    }

    struct SplitMix {
        var state: UInt64
        mutating func next() -> UInt64 {
            state &+= 0x9E37_79B9_7F4A_7C15
            var z = state
            z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
            z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
            return z ^ z >> 31
        }
    }
}
