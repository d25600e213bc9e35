import Bytes
import MIME
import Testing

/// What a part's header says, and how large it is.
@Suite struct PartFieldTests {
    private func parse(_ text: String, in size: Int = 1 << 20) -> Part {
        PartTests.parse(Array(text.utf8), in: size)
    }

    @Test("of a field that comes twice the first counts")
    func twice() {
        let part = parse(
            """
            Content-Type: image/png; name=one
            Content-Type: text/html
            Content-Disposition: attachment; filename=one
            Content-Disposition: inline
            Content-Transfer-Encoding: base64
            Content-Transfer-Encoding: 7bit
            Content-ID: <one>
            Content-ID: <two>
            Content-Description: one
            Content-Description: two
            Content-MD5: one
            Content-MD5: two
            Content-Language: en
            Content-Language: de
            Content-Location: one
            Content-Location: two

            x

            """)
        let said = [
            part.type, part.subtype, part.contentType?.first("name"), part.disposition?.value,
            part.disposition?.first("filename"), part.encoding, part.id, part.description, part.md5,
            part.language, part.location,
        ]
        let expected = [
            "image", "png", "one", "attachment", "one", "base64", "<one>", "one", "one", "en", "one",
        ]
        #expect(said.map { $0.map { String(decoding: $0, as: UTF8.self) } } == expected)
    }

    @Test(
        "a boundary that stands for two multiparts is the inner one's; of several that fit the longest counts"
    )
    func boundaries() {
        let same = "Content-Type: multipart/mixed; boundary=b\n\n--b\n"
        let inner = parse(same + same.replacing("mixed", with: "alternative") + "\nx\n--b--\ny\n--b--\n")
        #expect(inner.children.map(\.subtype) == [[UInt8]("alternative")])
        #expect(inner.children.first?.children.count == 1)

        let longer = parse(
            "Content-Type: multipart/mixed; boundary=bb\n\n--bb\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nx\n--bb\n\ny\n--bb--\n"
        )
        #expect(longer.children.count == 2 && longer.children.first?.children.count == 1)
    }

    @Test("line ends of two octets count as two, and those of one as well", arguments: [1, 7, 1 << 20])
    func wire(size: Int) {
        let text =
            "Subject: s\nContent-Type: multipart/mixed; boundary=b\n\npre\n--b\n\none\ntwo\n--b\n\n\n--b--\nend"
        let (plain, wire) = (parse(text, in: size), parse(text.replacing("\n", with: "\r\n"), in: size))
        for (a, b) in zip([plain] + plain.children, [wire] + wire.children) {
            #expect(a.bodyWireSize == b.bodyWireSize && a.bodyLines == b.bodyLines)
            #expect(b.end.stored == b.end.wire && a.end.wire == b.end.wire && a.body.wire == b.body.wire)
        }
        #expect(plain.children.map(\.bodyWireSize) == [8, 0] && plain.children.map(\.bodyLines) == [1, 0])
    }

    @Test("a boundary that cuts a header off is no part of it", arguments: ["\n", "\r\n"])
    func cutOff(end: String) {
        let lines = [
            "Content-Type: multipart/mixed; boundary=b", "", "--b", "Content-Type: text/html", "--b",
            "Subject: s", "--b--", "",
        ]
        let root = parse(lines.joined(separator: end))
        #expect(root.children.map(\.subtype) == [[UInt8]("html"), [UInt8]("plain")])
        #expect(
            root.children.map { String(decoding: $0.header.filter { $0 != .cr }, as: UTF8.self) }
                == ["Content-Type: text/html\n", "Subject: s\n"])
    }

    @Test("a line of quoted-printable without an end is not waited for")
    func endless() {
        var decoder = TransferDecoder(encoding: [UInt8]("quoted-printable"))
        let piece = [UInt8](repeating: .ascii("x"), count: 1 << 19)
        var count = 0
        for _ in 0..<4 { count += decoder.decode(piece, isLast: false).count }
        #expect(count > 1 << 20)
        count += decoder.decode([], isLast: true).count
        #expect(count == 1 << 21)
    }

    @Test("what stands behind the padding of base 64 is nothing, in later pieces, too")
    func padded() {
        var decoder = TransferDecoder(encoding: [UInt8]("BASE64"))
        let pieces = ["eA", "=", "=\r\n", "eHh4", "eHg=\r\n"]
        let text = pieces.flatMap { decoder.decode(Array($0.utf8), isLast: false) }
        #expect(text + decoder.decode([], isLast: true) == [UInt8]("x"))
    }
}
