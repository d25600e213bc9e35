import IMAP
import Testing

/// Messages as they come, and what a client must see in them nevertheless.
@Suite struct HardMessageTests {
    private func answer(_ message: String, _ command: String) -> String {
        let store = FakeStore()
        store.add(message)
        let client = Client(store, sizeLimit: 1 << 24)
        client.say("s SELECT INBOX\r\n")
        return client.say("a \(command)\r\n")
    }

    private static let fields =
        "From: A <a@example.com>\nTo: b@example.org\nSubject: s\nDate: Thu, 1 Jan 2026 10:00:00 +0000\n"

    @Test(
        "what is no field hides no field",
        arguments: [
            "From a@example.com Fri Feb 14 08:55:52 2014\n" + fields,
            ">From a@example.com Fri Feb 14\n" + fields,
            "Received: from x by y\nthis line has no colon at all\n" + fields, "X Bad Name: value\n" + fields,
            "X-A: a long value that was\nwrapped without the blank in front\n" + fields,
            " fold first\n" + fields,
            fields + "last\n", "Ärger: 8 bit\n" + fields,
            "X: " + String(repeating: "x", count: 1_200_000) + "\n" + fields,
        ])
    func header(text: String) {
        let message = text + "Content-Type: multipart/mixed; boundary=\"b1\"\n\n--b1\n\nx\n--b1--\n"
        let said = answer(message, "FETCH 1 (ENVELOPE BODYSTRUCTURE BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
        #expect(
            said.contains(
                "ENVELOPE (\"Thu, 1 Jan 2026 10:00:00 +0000\" \"s\" ((\"A\" NIL \"a\" \"example.com\"))"))
        #expect(said.contains("\"MIXED\" (\"BOUNDARY\" \"b1\")"))
        #expect(said.contains("{14}\r\nSubject: s\r\n\r\n"))
        #expect(
            answer(message, "SEARCH SUBJECT s FROM a@example.com SENTON 1-Jan-2026").hasPrefix(
                "* SEARCH 1\r\n"))
    }

    @Test(
        "a multipart in which its boundary is nowhere is one text",
        arguments: ["", "; boundary=x", "; boundary=\"\""])
    func undivided(parameters: String) {
        let message =
            "Content-Type: multipart/mixed\(parameters)\nContent-Transfer-Encoding:\n\nneedle\n-- \nx\n"
        let part = "(\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\" 16 3"
        #expect(answer(message, "FETCH 1 BODY").hasPrefix("* 1 FETCH (BODY (\(part)) \"MIXED\"))\r\n"))
        let said = answer(message, "FETCH 1 BODYSTRUCTURE")
        #expect(said.hasPrefix("* 1 FETCH (BODYSTRUCTURE (\(part) NIL NIL NIL NIL) \"MIXED\" "), "\(said)")
        #expect(answer(message, "FETCH 1 BODY.PEEK[1]").contains("BODY[1] {16}\r\nneedle\r\n-- \r\nx\r\n)"))
        #expect(answer(message, "SEARCH BODY needle").hasPrefix("* SEARCH 1\r\n"))
    }

    @Test(
        "a message that is no multipart and carries no message has one part; a part of a multipart is its own first"
    )
    func onePart() {
        let command = "FETCH 1 (BODY.PEEK[1] BODY.PEEK[1.1])"
        #expect(answer("\nx\n", command).contains("BODY[1] {3}\r\nx\r\n BODY[1.1] NIL)"))
        let multipart = answer("Content-Type: multipart/mixed; boundary=b\n\n--b\n\nx\n--b--\n", command)
        #expect(multipart.contains("BODY[1] {1}\r\nx BODY[1.1] {1}\r\nx)"), "\(multipart)")
        let deeper = answer(
            "Content-Type: multipart/mixed; boundary=b\n\n--b\n\nx\n--b--\n", "FETCH 1 BODY.PEEK[1.1.1]")
        #expect(deeper.contains("BODY[1.1.1] NIL)"), "\(deeper)")
    }

    @Test(
        "a message that is carried holds the empty line of its header, also where a boundary follows at once")
    func emptyMessage() {
        let said = answer(
            "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: message/rfc822\n\nSubject: s\n\n--b--\n",
            "FETCH 1 (BODY.PEEK[1] BODY.PEEK[1.HEADER] BODY.PEEK[1.TEXT])")
        let header = "{14}\r\nSubject: s\r\n\r\n"
        #expect(said.contains("BODY[1] \(header) BODY[1.HEADER] \(header) BODY[1.TEXT] {0}\r\n)"), "\(said)")
    }

    @Test(
        "the encoding that nothing was said of is 7BIT; a leap second is of its day",
        arguments: ["Thu, 1 Jan 2026 23:59:60 +0000", "Thu, 1 Jan 2026 23:59:60 -1130"])
    func small(date: String) {
        let message = "Date: \(date)\nContent-Type: text/html\nContent-Transfer-Encoding: \n\nx\n"
        #expect(
            answer(message, "FETCH 1 BODY").contains(
                "\"TEXT\" \"HTML\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\" 3 1)"))
        #expect(answer(message, "SEARCH SENTON 1-Jan-2026").hasPrefix("* SEARCH 1\r\n"))
    }

    @Test(
        "addresses are found as they are written, and as they are meant",
        arguments: [
            ("<ann (there)@ (of) example.com>", "ann@example.com", true),
            ("<ann (there)@ (of) example.com>", "there", true),
            ("\"O\\\"Neil\" <ann@example.com>", "O\\\"Neil", true),
            ("=?utf-8?q?J=C3=B6rg?= <ann @ example . com>", "Jörg <ann@example.com>", true),
            ("team: ann@example.com, bob@example.com;", "team", true),
            ("ann@example.com, bob@example.org", "ann@example.org", false),
        ])
    func addresses(field: String, text: String, isFound: Bool) {
        let literal = "{\(text.utf8.count)+}\r\n\(text)"
        for name in ["From", "To", "Cc", "Bcc"] {
            for key in [name, "HEADER \(name)"] {
                #expect(
                    answer("\(name): \(field)\n\nx\n", "SEARCH CHARSET UTF-8 \(key) \(literal)")
                        == "* SEARCH\(isFound ? " 1" : "")\r\na OK Search completed\r\n")
            }
        }
    }

    private static let carried = "From: I <i@example.com>\nSubject: inner subject\n\ninner body\n"

    @Test(
        "sections of a message that is carried by another, which is no multipart (RFC 3501 §6.4.5)",
        arguments: [
            ("1", "From: I <i@example.com>\r\nSubject: inner subject\r\n\r\ninner body\r\n"),
            ("1.HEADER", "From: I <i@example.com>\r\nSubject: inner subject\r\n\r\n"),
            ("1.TEXT", "inner body\r\n"), ("1.1", "inner body\r\n"),
            ("1.MIME", "Subject: outer\r\nContent-Type: message/rfc822\r\n\r\n"),
            ("1.HEADER.FIELDS (SUBJECT)", "Subject: inner subject\r\n\r\n"), ("2", nil), ("1.2", nil),
        ] as [(String, String?)])
    func sections(section: String, text: String?) {
        let said = answer(
            "Subject: outer\nContent-Type: message/rfc822\n\n" + Self.carried, "FETCH 1 BODY.PEEK[\(section)]"
        )
        let literal = text.map { "{\($0.utf8.count)}\r\n\($0)" } ?? "NIL"
        #expect(said.contains("BODY[\(section)] \(literal))\r\n"), "\(said)")
    }

    @Test(
        "body structure says what is meant, not how it was written",
        arguments: [
            (
                "Content-Type: \"text/html\"; charset=utf-8",
                "(\"TEXT\" \"HTML\" (\"CHARSET\" \"utf-8\") NIL NIL \"7BIT\" 3 1)"
            ),
            (
                "Content-Type: text/plain; name*0=\"a b\"; name*1=c",
                "(\"TEXT\" \"PLAIN\" (\"NAME\" \"a bc\" \"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\" 3 1)"
            ),
            (
                "Content-Type: text/plain; name*0*=utf-8''%41; name*1=b",
                "(\"NAME*\" \"utf-8''%41b\" \"CHARSET\""
            ),
            ("Content-Transfer-Encoding: \"base64\"", "\"BASE64\""),
            ("Content-Transfer-Encoding: base64 (x)", "\"BASE64\""),
            (
                "Content-Type: text/plain; charset*0=iso-; charset*1=8859-1",
                "(\"CHARSET\" \"iso-8859-1\") NIL"
            ),
            ("Content-Type: text /html; name=a", "(\"TEXT\" \"HTML\" (\"NAME\" \"a\" "),
            ("Content-Type: text (x) / (y) html (z); name=a", "(\"TEXT\" \"HTML\" (\"NAME\" \"a\" "),
            ("Content-Type: text/ html", "(\"TEXT\" \"HTML\" "),
            ("Content-Type: text/", "(\"TEXT\" \"PLAIN\" "),
            ("Content-Type: application/pdf; name=a", "(\"NAME\" \"a\") NIL"),
        ])
    func structure(field: String, part: String) {
        #expect(answer("\(field)\n\nx\n", "FETCH 1 BODY").contains(part))
    }

    @Test(
        "languages are tags, without comments",
        arguments: [
            ("de, en", "(\"de\" \"en\")"), ("(c) de(d),,\n en-GB (e", "(\"de\" \"en-GB\")"),
            ("de en", "(\"de\")"),
            ("(c)", "NIL"), (",", "NIL"), ("", "NIL"),
        ])
    func languages(field: String, list: String) {
        let said = answer("Content-Language: \(field)\n\nx\n", "FETCH 1 BODYSTRUCTURE")
        #expect(said.contains("3 1 NIL NIL \(list) NIL)"), "\(said)")
    }

    @Test("SEARCH TEXT looks at lines of the header that are no field, as at others")
    func textOfNoField() {
        let message = "From x@y Thu\nSubject: s\nno field =?utf-8?q?=C3=A4?=\nX-A: a\n >last"
        for text in ["x@y", "{2+}\r\nä", "\"field ä\"", ">last", "\"subject: s\""] {
            #expect(
                answer(message, "SEARCH CHARSET UTF-8 TEXT \(text)").hasPrefix("* SEARCH 1\r\n"), "\(text)")
        }
        #expect(answer(message, "SEARCH TEXT xx").hasPrefix("* SEARCH\r\n"))
    }

    @Test(
        "of a field of an envelope that comes twice the last counts, of one of a structure the first; a subject's blanks are single"
    )
    func twice() {
        let said = answer(
            "Date: Thu Jan  1 2026\nSubject: one\nMessage-ID: <1@x>\nContent-ID: <a>\nContent-Description: d\nSubject : two\n\tfolded\nMessage-ID: <2@x>\n"
                + "Content-ID: <b>\nContent-Description: e\nContent-Transfer-Encoding: 8bit\nContent-Transfer-Encoding: base64\n\nx\n",
            "FETCH 1 (ENVELOPE BODY)")
        #expect(
            said.contains(
                "ENVELOPE (\"Thu Jan  1 2026\" \"two folded\" NIL NIL NIL NIL NIL NIL NIL \"<2@x>\")"),
            "\(said)")
        #expect(said.contains("\"<a>\" \"d\" \"8BIT\" 3 1)"), "\(said)")
    }

    @Test(
        "every message has the empty text in its body",
        arguments: ["", "\n", "Content-Type: image/png\n\nx\n"])
    func emptyText(message: String) {
        #expect(answer(message, "SEARCH BODY \"\"").hasPrefix("* SEARCH 1\r\n"))
    }

    @Test("message/global has no envelope of its own in this grammar")
    func global() {
        let said = answer(
            "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: message/global\n\n\(Self.carried)--b--\n",
            "FETCH 1 BODY")
        #expect(said.contains("((\"MESSAGE\" \"GLOBAL\" NIL NIL NIL \"7BIT\" 61) \"MIXED\")"), "\(said)")
    }

    private static let attached = """
        From: A <a@example.com>
        Subject: =?ISO-8859-1?Q?Gr=FC=DFe mail order news / LP pr?=
          =?ISO-8859-1?Q?e-order?= quarterly report about
        \tthings and more
        Content-Type: multipart/mixed; boundary=bb

        --bb

        outer text
        --bb
        Content-Type: message/rfc822

        From: zed@inner.example
        Subject: innersubject

        innertext
        --bb
        Content-Type: message/delivery-status

        Final-Recipient: rfc822; lost@far.example
        --bb
        Content-Type: application/pdf; name="invoice-4711.pdf"

        unseen
        --bb
        Content-Type: text/plain; charset*0=iso-; charset*1=8859-1
        Content-Transfer-Encoding: quoted-printable

        Stra=DFe

        --bb--

        """

    @Test(
        "SEARCH sees all that is text, as it is meant",
        arguments: [
            ("TEXT innersubject", true), ("TEXT zed@inner.example", true), ("TEXT invoice-4711", true),
            ("BODY innersubject", true),
            ("BODY innertext", true), ("TEXT lost@far.example", true), ("BODY \"outer text\"", true),
            ("BODY unseen", false),
            ("BODY news", false), ("TEXT \"mail order\"", true), ("SUBJECT \"LP pre-order\"", true),
            ("SUBJECT \"Grüße mail\"", true),
            ("SUBJECT \"report about things\"", true), ("CHARSET UTF-8 TEXT STRASSE", true),
            ("SUBJECT innersubject", false),
            ("HEADER Content-Type \"\"", true), ("HEADER X-None \"\"", false), ("TEXT \"\"", true),
            ("BODY \"\"", true),
        ])
    func search(key: String, isFound: Bool) {
        #expect(
            answer(Self.attached, "SEARCH \(key)")
                == "* SEARCH\(isFound ? " 1" : "")\r\na OK Search completed\r\n")
    }

    @Test(
        "nothing is too far behind to be found, nor cut in two by how it is read",
        arguments: ["8bit", "quoted-printable", "base64"])
    func farBehind(encoding: String) {
        // A line of 64 octets, so that pieces end in the middle of lines and of characters.
        let line =
            encoding == "base64"
            ? "4oKsIHBhZGRpbmcgcGFkZGluZyBwYWRkaW5nIHBhZGRpbmcgcGFkZGluZyA=".dropLast(4) + "AAAA\n"
            : "€ padding padding padding padding padding padding\n"
        let needle =
            encoding == "base64"
            ? "ZMO8cmVyIG5lZWRsZQ==\n" : encoding == "8bit" ? "dürer needle\n" : "d=C3=\n=BCrer needle\n"
        let message =
            "Content-Transfer-Encoding: \(encoding)\n\n" + String(repeating: String(line), count: 90_000)
            + needle
        #expect(answer(message, "SEARCH BODY \"Dürer needle\"").hasPrefix("* SEARCH 1\r\n"))
        #expect(answer(message, "SEARCH BODY \"Dürer needles\"").hasPrefix("* SEARCH\r\n"))
    }
}
