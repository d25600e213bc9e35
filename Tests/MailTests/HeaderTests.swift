import Bytes
import Mail
import Testing

@Suite struct HeaderTests {
    @Test("fields are found with their folds, whatever the line ends")
    func fields() throws {
        for end in ["\n", "\r\n"] {
            let text = ["Subject: a", " folded", "X-Empty:", "To : b@c", "", "body: no"].joined(
                separator: end)
            let header = MessageHeader(Array(text.utf8))
            #expect(header.isComplete)
            #expect(header.fields.count == 3)
            #expect(header.first("SUBJECT")?.value == Array("a folded".utf8))
            #expect(header.first("x-empty")?.value == [])
            #expect(header.first("to")?.value == Array("b@c".utf8))
            #expect(Array(text.utf8.dropFirst(header.size)) == Array("body: no".utf8))
        }
    }

    @Test(
        "what is no field ends the header",
        arguments: ["From x", ": nameless", "na me: x", " leading: x", "é: x"])
    func ends(line: String) {
        let header = MessageHeader(Array("A: b\n\(line)\nC: d\n\n".utf8))
        if line.hasPrefix(" ") {
            #expect(header.fields.count == 2)
        } else {
            #expect(header.fields.count == 1)
            #expect(!header.isComplete)
            #expect(header.size == 5)
        }
    }

    @Test("a header of a million continuation lines, or of one endless line, is one field")
    func huge() {
        let folds =
            Array("A: b\n".utf8) + Array(repeating: Array(" x\n".utf8), count: 100_000).joined() + [.lf]
        #expect(MessageHeader(folds).fields.count == 1)
        let long = Array("A: ".utf8) + Array(repeating: .ascii("x"), count: 1_000_000)
        #expect(MessageHeader(long).fields.count == 1)
        let many = Array(Array(repeating: Array("A: b\n".utf8), count: 20_000).joined())
        #expect(MessageHeader(many).fields.count == MessageHeader.mostFields)
        #expect(MessageHeader(many).size == many.count)
    }

    @Test(
        "who reads a stored message goes on to the empty line, past lines that are no fields",
        arguments: [
            ("From x Mon Jan  1\nA: 1\n\nB: 2\n", ["A"]), (">From x\nA: 1\n\n", ["A"]),
            (" fold first\nA: 1\n", ["A"]), ("A: 1\nlost its blank\nB: 2\n\n", ["A", "B"]),
            ("A: 1\nno colon\n folded\nB: 2\n", ["A", "B"]), ("X Y: 1\nA: 1\n", ["A"]),
            ("\u{C4}: 1\nA: 1\n", ["A"]), (": 1\nA: 1\n", ["A"]),
            ("A: 1\r\nx\r\nB: 2\r\n\r\nC: 3", ["A", "B"]),
            ("A : 1\n", ["A"]), ("\nA: 1\n", []), ("", []), ("x", []),
        ] as [(String, [String])])
    func toEmptyLine(text: String, names: [String]) {
        let header = MessageHeader(toEmptyLine: Array(text.utf8))
        #expect(header.fields.map { String(decoding: $0.name, as: UTF8.self) } == names)
        #expect(header.isComplete)
    }

    @Test(
        "address lists are read with good will",
        arguments: [
            ("a@b", ["|a@b"]), ("Ann Lee <a@b>, <c@d>", ["Ann Lee|a@b", "|c@d"]),
            ("\"Lee, Ann\" <a@b>", ["Lee, Ann|a@b"]), ("a@b (Ann)", ["Ann|a@b"]),
            ("Friends: a@b, c@d; e@f", ["{Friends", "|a@b", "|c@d", "}", "|e@f"]),
            ("undisclosed-recipients:;", ["{undisclosed-recipients", "}"]), ("<@x,@y:a@b>", ["|a@b"]),
            ("\"a b\"@c", ["|\"a b\"@c"]), ("a . b @ c . d", ["|a.b@c.d"]), ("bob", ["|bob"]), (",,, ,", []),
            ("", []),
            ("=?utf-8?q?x?= <a@b>", ["=?utf-8?q?x?=|a@b"]), ("a@[192.0.2.1]", ["|a@[192.0.2.1]"]),
            ("(((((((", []),
            ("\"unterminated", ["|unterminated"]), ("a@b(c\\", ["c\\|a@b"]), ("<<<<>>>>", []),
            ("G: a@b", ["{G", "|a@b", "}"]),
        ] as [(String, [String])])
    func addresses(text: String, expected: [String]) {
        let shown = AddressList(Array(text.utf8)).entries.map { entry in
            switch entry {
            case .mailbox(let mailbox):
                String(decoding: mailbox.displayName + [.ascii("|")] + mailbox.address.text, as: UTF8.self)
            case .groupStart(let name): "{" + String(decoding: name, as: UTF8.self)
            case .groupEnd: "}"
            }
        }
        #expect(shown == expected)
    }

    @Test("an address list of any length ends")
    func endless() {
        for unit in ["(", "\"", "<", "a:", ",", "@", "a@b,", "\\", "(\\", "[", ";"] {
            let list = AddressList(Array(String(repeating: unit, count: 30_000).utf8))
            #expect(list.entries.count <= AddressList.mostEntries)
        }
    }

    @Test(
        "dates are read, in their own zone, and written in UTC",
        arguments: [
            ("Mon, 23 Nov 2026 18:34:05 +0000", 1_795_458_845), ("23 Nov 2026 18:34:05 GMT", 1_795_458_845),
            ("Mon, 23 Nov 2026 20:34:05 +0200 (CEST)", 1_795_458_845),
            ("Mon, 23 Nov 26 13:34:05 EST", 1_795_458_845),
            ("Thu, 1 Jan 1970 00:00:00 +0000", 0), ("Thu, 29 Feb 2024 12:00 -0800", 1_709_236_800),
            ("Wed, 31 Dec 1969 23:59:59 +0000", -1), ("23-Nov-2026 18:34:05 +0000", 1_795_458_845),
            ("32 Nov 2026 00:00 +0000", nil), ("1 Foo 2026 00:00 +0000", nil), ("", nil), ("1 Jan 2026", nil),
            ("23 Nov 126 18:34:05 GMT", 1_795_458_845), ("1 Jan 49 00:00 GMT", 2_493_072_000),
            ("1 Jan 50 00:00 GMT", -631_152_000), ("31 Dec 2016 23:59:60 +0000", 1_483_228_799),
            ("31 Dec 2016 23:59:61 +0000", nil), ("1 Jan 2026 00:60 +0000", nil),
            ("1 Jan 2026 24:00 +0000", nil), ("1 Jan 99999 00:00 +0000", nil),
        ] as [(String, Int64?)])
    func dates(text: String, seconds: Int64?) {
        #expect(DateTime(Array(text.utf8))?.seconds == seconds)
        if let seconds { #expect(DateTime(Array(DateTime(seconds: seconds).text.utf8))?.seconds == seconds) }
    }

    @Test("the date that we write is RFC 5322's")
    func written() {
        #expect(DateTime(seconds: 1_795_458_845).text == "Mon, 23 Nov 2026 18:34:05 +0000")
        #expect(DateTime(seconds: 951_782_400, zoneMinutes: -210).text == "Mon, 28 Feb 2000 20:30:00 -0330")
    }
}
