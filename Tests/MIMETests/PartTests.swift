import Bytes
import MIME
import Testing

@Suite struct PartTests {
    /// The tree of a message whose bytes come in pieces of `size`.
    static func parse(_ message: [UInt8], in size: Int) -> Part {
        var parser = PartParser()
        var rest = message[...]
        while !rest.isEmpty {
            parser.take(Array(rest.prefix(size)))
            rest = rest.dropFirst(size)
        }
        return parser.finish()
    }

    /// `type/subtype[stored body]` of each leaf, in order, children in parentheses.
    static func shape(_ part: Part, _ message: [UInt8]) -> String {
        let name = String(decoding: part.type + [.ascii("/")] + part.subtype, as: UTF8.self)
        if part.isMultipart {
            return "\(name)(\(part.children.map { shape($0, message) }.joined(separator: " ")))"
        }
        if let inner = part.message { return "\(name){\(shape(inner, message))}" }
        return "\(name)[\(message[part.body.stored..<part.end.stored].escaped())]"
    }

    @Test(
        "parts are found where RFC 2046 says, however the bytes come and whatever the line ends",
        arguments: [
            ("Subject: x\n\nbody\n", "text/plain[body\\x0a]"),
            ("\nbody", "text/plain[body]"), ("", "text/plain[]"), ("Subject: x\n", "text/plain[]"),
            (
                "Content-Type: multipart/mixed; boundary=b\n\npre\n--b\n\none\n--b\n\ntwo\n\n--b--\nepilogue\n",
                "multipart/mixed(text/plain[one] text/plain[two\\x0a])"
            ),
            (
                "Content-Type: multipart/mixed; boundary=\"b c\"\n\n--b c\t\n\none\n--b c--",
                "multipart/mixed(text/plain[one])"
            ),
            (
                "Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: in\n\nx\n--b--\n",
                "multipart/digest(message/rfc822{text/plain[x]})"
            ),
            ("Content-Type: message/rfc822\n\nSubject: in\n\nx\n", "message/rfc822{text/plain[x\\x0a]}"),
            (
                "Content-Type: multipart/mixed; boundary=o\n\n--o\nContent-Type: multipart/alternative; boundary=i\n\n--i\n\na\n--i\n\nb\n--o\n\nc\n--o--\n",
                "multipart/mixed(multipart/alternative(text/plain[a] text/plain[b]) text/plain[c])"
            ),
            (
                "Content-Type: multipart/mixed; boundary=b\n\n--bb\n--b \n\nx\n-- b\n--b--\n",
                // What stands behind a boundary does not matter: RFC 2046 §5.1.1.
                "multipart/mixed(text/plain[] text/plain[x\\x0a-- b])"
            ),
            // A boundary that ends the message begins nothing; with its line end it does.
            ("Content-Type: multipart/mixed; boundary=b\n\n--b\n\nx\n--b", "multipart/mixed(text/plain[x])"),
            (
                "Content-Type: multipart/mixed; boundary=b\n\n--b\n\nx\n--b\n",
                "multipart/mixed(text/plain[x] text/plain[])"
            ),
            (
                "Content-Type: text\nContent-Type: text/html\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nx\n--b--\n",
                "text/html[--b\\x0a\\x0ax\\x0a--b--\\x0a]"
            ),
            (
                "Content-Type: multipart/mixed; boundary=b\n\n--b and more\n\nx\n--b-- and more\n--b\n",
                "multipart/mixed(text/plain[x])"
            ),
            (
                "Content-Type: multipart/mixed; boundary*0=b; boundary*1=\"b\"\n\n--bb\n\none\n--bb\n\ntwo\n--bb--\n",
                "multipart/mixed(text/plain[one] text/plain[two])"
            ),
            (
                // The longest of the boundaries that fit counts.
                "Content-Type: multipart/mixed; boundary=bb\n\n--bb\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nx\n--bb\n\ny\n--bb--\n",
                "multipart/mixed(multipart/mixed(text/plain[x]) text/plain[y])"
            ),
            (
                "Content-Type: \"multipart/mixed\"; boundary=b\n\n--b\nContent-Transfer-Encoding: \"base64\"\n\nx\n--b--\n",
                "multipart/mixed(text/plain[x])"
            ),
            (
                // Lines that are no fields end no header.
                "From x Mon Jan  1 00:00:00 2026\n>From y\n folded\nno colon\nX Bad Name: 1\nÄ: 2\n: 3\nContent-Type: multipart/mixed;\n boundary=b\n\n--b\nno field\nContent-Type: text/html\n\nx\n--b--\n",
                "multipart/mixed(text/html[x])"
            ),
            (
                " fold first\nContent-Type: text/html\n\nx\n", "text/html[x\\x0a]"
            ),
            ("Content-Type: multipart/mixed\n\n--b\n\nx\n", "multipart/mixed[--b\\x0a\\x0ax\\x0a]"),
            ("Content-Type: nonsense\n\nx\n", "text/plain[x\\x0a]"),
            (
                "Content-Type: multipart/mixed; boundary=b\n\n--b\n--b\n\nx\n--b--\n",
                "multipart/mixed(text/plain[] text/plain[x])"
            ),
            ("Content-Type: IMAGE/Png\n\n\u{0}\u{1}\n", "image/png[\\x00\\x01\\x0a]"),
        ])
    func trees(text: String, shape: String) {
        for crlf in [false, true] {
            let message = Array(
                (crlf
                    ? text.split(separator: "\n", omittingEmptySubsequences: false).joined(separator: "\r\n")
                    : text).utf8)
            let expected =
                crlf
                ? shape.split(separator: "\\x0a", omittingEmptySubsequences: false).joined(
                    separator: "\\x0d\\x0a") : shape
            for size in [1, 2, 3, 7, 1 << 20] {
                #expect(
                    Self.shape(Self.parse(message, in: size), message) == expected,
                    "pieces of \(size), CRLF \(crlf)")
            }
        }
    }

    @Test("sizes on the wire count CRLF, and lines are line ends")
    func sizes() {
        let message = Array(
            "Content-Type: multipart/mixed; boundary=b\n\n--b\nX: y\n\none\ntwo\n\n--b--\n".utf8)
        let part = Self.parse(message, in: 5).children[0]
        #expect(part.bodyWireSize == 10)
        #expect(part.bodyLines == 2)
        #expect(part.body.wire - part.start.wire == 8)
        #expect(part.start.wire == part.start.stored + 3)
    }

    @Test("section numbers lead where RFC 3501 §6.4.5 says")
    func sections() {
        let text =
            "Content-Type: multipart/mixed; boundary=o\n\n--o\n\nfirst\n--o\nContent-Type: message/rfc822\n\n"
            + "Content-Type: multipart/mixed; boundary=i\n\n--i\n\ninner\n--i--\n--o--\n"
        let message = Array(text.utf8)
        let root = Self.parse(message, in: 64)
        func body(_ path: [Int]) -> String? {
            root.part(path[...]).map { message[$0.body.stored..<$0.end.stored].escaped() }
        }
        #expect(body([1]) == "first")
        #expect(body([2, 1]) == "inner")
        #expect(root.part([2])?.isMessage == true)
        for path in [[0], [3], [1, 2], [2, 2], [2, 1, 2]] { #expect(body(path) == nil, "\(path)") }
        #expect(Self.parse(Array("\nx".utf8), in: 9).part([1][...]) != nil)
    }

    @Test("part 1 of a message that carries another is that one, and further numbers are its parts")
    func sectionsOfMessages() {
        let text =
            "Content-Type: message/rfc822\n\nContent-Type: message/rfc822\n\n"
            + "Content-Type: multipart/mixed; boundary=i\n\n--i\n\none\n--i\n\ntwo\n--i--\n"
        let message = Array(text.utf8)
        let root = Self.parse(message, in: 64)
        #expect(root.part([1]) === root)
        #expect(root.part([1, 1]) === root.message)
        let bodies = [[1, 1, 1], [1, 1, 2]].map { path in
            root.part(path[...]).map { message[$0.body.stored..<$0.end.stored].escaped() }
        }
        #expect(bodies == ["one", "two"])
        for path in [[2], [1, 2], [1, 1, 3]] { #expect(root.part(path[...]) == nil, "\(path)") }
    }

    @Test("a long header is read to its end, all of them together up to a limit")
    func longHeaders() {
        let long = "X: " + String(repeating: "x", count: 1 << 20) + "\n"
        #expect(
            Self.parse(Array((long + "Content-Type: text/html\n\nx").utf8), in: 65536).subtype
                == Array("html".utf8))
        let part = "--b\n" + long + "\n"
        let many = "Content-Type: multipart/mixed; boundary=b\n\n" + String(repeating: part, count: 17)
        let headers = Self.parse(Array(many.utf8), in: 65536).children.map { $0.header.count }
        #expect(headers.count == 17)
        #expect(headers.reduce(0, +) <= PartParser.longestHeaders)
    }

    @Test("nesting and numbers without end stay bounded")
    func bounds() {
        func deep(_ count: Int, _ unit: (Int) -> String) -> [UInt8] {
            Array((0..<count).map(unit).joined().utf8)
        }
        func depth(_ part: Part) -> Int {
            1 + (part.children.map(depth).max() ?? part.message.map(depth) ?? 0)
        }
        let messages = Self.parse(deep(500) { _ in "Content-Type: message/rfc822\n\n" }, in: 4096)
        #expect(depth(messages) <= PartParser.deepest)
        let multiparts = Self.parse(
            deep(1000) { "Content-Type: multipart/mixed; boundary=b\($0)\n\n--b\($0)\n" }, in: 4096)
        #expect(depth(multiparts) <= PartParser.deepest)
        let many = Self.parse(
            Array("Content-Type: multipart/mixed; boundary=b\n\n".utf8) + deep(50_000) { _ in "--b\n\nx\n" },
            in: 65536)
        #expect(many.children.count < PartParser.mostParts)
        let parameters = ParameterizedValue(deep(10_000) { "; p\($0)=v" })
        #expect(parameters.parameters.count == ParameterizedValue.mostParameters)
        let boundaries = Self.parse(
            deep(90) { "Content-Type: multipart/mixed; boundary=b\($0)\n\n--b\($0)\n" }
                + deep(20_000) { _ in "--x\n" }, in: 65536)
        #expect(depth(boundaries) <= PartParser.deepest)
    }

    @Test("any bytes at all are some message")
    func chance() {
        var state: UInt64 = 20_261_123
        let words = [
            "--b", "--b--", "\n", "\r\n", "Content-Type: multipart/mixed; boundary=b",
            "Content-Type: message/rfc822", "x", ":", " ", "\u{0}",
        ]
        for _ in 0..<2000 {
            var text = ""
            for _ in 0..<30 {
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                text += words[Int(state >> 33) % words.count]
            }
            let message = Array(text.utf8)
            let whole = Self.parse(message, in: 1 << 20)
            #expect(whole.end.stored == message.count)
            #expect(Self.shape(whole, message) == Self.shape(Self.parse(message, in: 1), message))
        }
    }
}
