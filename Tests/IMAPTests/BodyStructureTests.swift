import IMAP
import Testing

@Suite struct BodyStructureTests {
    private func answer(_ message: String, _ command: String) -> String {
        let store = FakeStore()
        store.add(message)
        let client = Client(store)
        client.say("s SELECT INBOX\r\n")
        return client.say("a \(command)\r\n")
    }

    private static let plain = "(\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\" 1 0)"

    @Test(
        "a charset is said of a text that says none, and of nothing else (RFC 2045 §5.2)",
        arguments: [
            (
                "message/rfc822", "Subject: s\n\nx",
                "(\"MESSAGE\" \"RFC822\" NIL NIL NIL \"7BIT\" 15 (NIL \"s\" "
            ),
            (
                "message/rfc822; name=n", "Subject: s\n\nx",
                "(\"MESSAGE\" \"RFC822\" (\"NAME\" \"n\") NIL NIL \"7BIT\" 15 (NIL \"s\" "
            ),
            ("message/delivery-status", "A: b", "(\"MESSAGE\" \"DELIVERY-STATUS\" NIL NIL NIL \"7BIT\" 4)"),
            ("image/png", "x", "(\"IMAGE\" \"PNG\" NIL NIL NIL \"7BIT\" 1)"),
            ("text/html", "x", "(\"TEXT\" \"HTML\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\" 1 0)"),
            (
                "text/plain; format=flowed", "x",
                "(\"TEXT\" \"PLAIN\" (\"FORMAT\" \"flowed\" \"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\" 1 0)"
            ),
            (
                "text/plain; charset=utf-8", "x",
                "(\"TEXT\" \"PLAIN\" (\"CHARSET\" \"utf-8\") NIL NIL \"7BIT\" 1 0)"
            ),
        ])
    func charset(type: String, body: String, structure: String) {
        let message =
            "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: \(type)\n\n\(body)\n--b--\n"
        let said = answer(message, "FETCH 1 BODY")
        #expect(said.hasPrefix("* 1 FETCH (BODY (\(structure)"), "\(said)")
        if type.hasPrefix("message/rfc822") {
            // Of the text in it, too; then its lines.
            #expect(said.hasPrefix("\(Self.plain) 2) \"MIXED\"))\r\n", behind: "NIL NIL) "), "\(said)")
        }
    }

    @Test("what a digest holds is messages, of which no charset is said (RFC 2046 §5.1.5)")
    func digest() {
        let said = answer(
            "Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: s\n\nx\n--b--\n", "FETCH 1 BODY")
        #expect(
            said.hasPrefix("* 1 FETCH (BODY ((\"MESSAGE\" \"RFC822\" NIL NIL NIL \"7BIT\" 15 "), "\(said)")
    }

    @Test("a text is found in the charset of its own header, whatever is said of the message that holds it")
    func search() {
        let message =
            "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: message/rfc822; charset=utf-8\n\n"
            + "Subject: s\nContent-Type: text/plain; charset=iso-8859-1\n"
            + "Content-Transfer-Encoding: quoted-printable\n\nein Caf=E9\n--b--\n"
        for (text, isThere) in [("Café", true), ("CAFÉ", true), ("Caf=E9", false), ("iso-8859-1", true)] {
            let literal = "SEARCH CHARSET UTF-8 TEXT {\(text.utf8.count)+}\r\n\(text)"
            #expect(answer(message, literal).hasPrefix("* SEARCH\(isThere ? " 1" : "")\r\n"), "\(text)")
        }
    }
}

extension String {
    /// Whether it goes on so behind the last place where `mark` stands.
    fileprivate func hasPrefix(_ text: String, behind mark: String) -> Bool {
        components(mark).last?.hasPrefix(text) == true
    }

    private func components(_ mark: String) -> [Substring] {
        split(separator: mark, omittingEmptySubsequences: false)
    }
}
