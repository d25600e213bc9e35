import Bytes
import Mail
import Testing

@Suite struct ParameterTests {
    @Test(
        "parameters are read by their grammar",
        arguments: [
            ("SIZE=100 BODY=8BITMIME", true), ("", true), ("X-y=z", true), ("RET=HDRS ENVID=a+2Bb", true),
            ("SIZE=", false), ("=1", false), ("SIZE=1 size=2", false), ("A=b=c", false), ("-A", false),
            ("A=\u{1}", false),
            ("SIZE=-1", false), ("SIZE=0x10", false), ("SIZE=+5", false),
            ("SIZE=123456789012345678901", false),
            ("SIZE=99999999999999999999", false),
            ("SIZE=18446744073709551615", true), ("SIZE=18446744073709551616", false), ("SIZE=0", true),
            ("SMTPUTF8", true), ("SMTPUTF8=1", false), ("REQUIRETLS", true), ("REQUIRETLS=yes", false),
            ("ENVID=", false), ("ENVID=a+0Ab", false), ("ENVID=a+b", false), ("ENVID=a+2b", false),
            ("AUTH=<>", true), ("AUTH=a+2Bb@c", true), ("AUTH=a+0Ab@c", false), ("AUTH=a", false),
            ("AUTH=<a@b>", false), ("BODY=9BIT", false), ("RET=ALL", false), ("SIZE", false),
        ])
    func parameters(text: String, isGood: Bool) {
        let read = try? MailParameters(Parameters(Array(text.utf8)))
        #expect((read != nil) == isGood)
    }

    @Test("xtext goes to and fro, and refuses what is not encoded")
    func xtext() {
        let plain = Array("a+b=c\n é".utf8)
        #expect(XText.decode(XText.encode(plain)) == plain)
        for bad in ["a+", "a+2", "a+2g", "a+0a", "a=b", "a b", "é"] {
            #expect(XText.decode(Array(bad.utf8)) == nil)
        }
    }

    @Test("what MAIL says is known by its meaning, and travels as it came")
    func mail() throws {
        let text = "size=12 Body=8BITMIME RET=full ENVID=q+2Br AUTH=ann+2Bx@b.example REQUIRETLS X-Y=z"
        let read = try MailParameters(Parameters(Array(text.utf8)))
        #expect(read.size == 12 && read.body == .eightBitMIME && read.returning == .full)
        #expect(read.envelopeID == Array("q+r".utf8) && read.requiresTLS && !read.smtpUTF8)
        #expect(read.submitter == Address(Array("ann+x@b.example".utf8)).map { .mailbox($0) })
        let wire = "SIZE=12 BODY=8BITMIME RET=full ENVID=q+2Br AUTH=ann+2Bx@b.example REQUIRETLS X-Y=z"
        #expect(read.raw.text == Array(wire.utf8))
        #expect(try MailParameters(Parameters(read.raw.text)) == read)
    }

    @Test(
        "what RCPT says is known by its meaning (T14: no line end in it)",
        arguments: [
            ("", nil, nil), ("NOTIFY=NEVER", 0, nil), ("notify=Success,DELAY", 5, nil),
            ("NOTIFY=FAILURE", 2, nil),
            ("ORCPT=rfc822;bob+2Bx@c", nil, "rfc822;bob+x@c"), ("ORCPT=utf-8;a NOTIFY=DELAY", 4, "utf-8;a"),
        ] as [(String, UInt8?, String?)])
    func recipient(text: String, notify: UInt8?, original: String?) throws {
        let read = try RecipientParameters(Parameters(Array(text.utf8)))
        #expect(read.notify?.rawValue == notify)
        #expect(read.original.map { $0.type + [.ascii(";")] + $0.address } == original.map { Array($0.utf8) })
        #expect(try RecipientParameters(Parameters(read.raw.text)) == read)
    }

    @Test(
        "what RCPT may not say is refused",
        arguments: [
            "NOTIFY", "NOTIFY=", "NOTIFY=NEVER,DELAY", "NOTIFY=,", "NOTIFY=DELAY,", "NOTIFY=ALWAYS", "ORCPT",
            "ORCPT=", "ORCPT=rfc822", "ORCPT=rfc822;", "ORCPT=;a", "ORCPT=rfc822;a+0Ab", "ORCPT=rfc822;a+0D",
            "ORCPT=rfc822;a+00", "ORCPT=rfc822;a+7F", "ORCPT=rfc822;a+C3+A9", "ORCPT=rfc822;+", "ORCPT=r@f;a",
            "ORCPT=rfc822;a ORCPT=rfc822;b", "NOTIFY=DELAY notify=DELAY",
        ])
    func badRecipient(text: String) {
        #expect(throws: SyntaxError.self) { try RecipientParameters(Parameters(Array(text.utf8))) }
    }

    @Test("lengths of RFC 3461 hold at the limit and not beyond")
    func lengths() {
        func mail(_ count: Int) -> MailParameters? {
            let text = "ENVID=" + String(repeating: "x", count: count)
            return try? MailParameters(Parameters(Array(text.utf8)))
        }
        func recipient(_ count: Int) -> RecipientParameters? {
            let text = "ORCPT=rfc822;" + String(repeating: "x", count: count - 7)
            return try? RecipientParameters(Parameters(Array(text.utf8)))
        }
        #expect(mail(MailParameters.longestEnvelopeID) != nil)
        #expect(mail(MailParameters.longestEnvelopeID + 1) == nil)
        #expect(recipient(RecipientParameters.longestOriginal) != nil)
        #expect(recipient(RecipientParameters.longestOriginal + 1) == nil)
    }

    @Test(
        "what goes on with a forwarded copy (RFC 3461 §5.2.7)",
        arguments: [
            (.single, "NOTIFY=SUCCESS ORCPT=rfc822;a@b", "NOTIFY=SUCCESS ORCPT=rfc822;a@b"),
            (.single, "", "ORCPT=rfc822;ann+2Bx@b"),
            (.single, "NOTIFY=NEVER", "NOTIFY=NEVER ORCPT=rfc822;ann+2Bx@b"),
            (.several, "NOTIFY=SUCCESS,FAILURE", "NOTIFY=FAILURE ORCPT=rfc822;ann+2Bx@b"),
            (.several, "NOTIFY=SUCCESS ORCPT=x;y", "NOTIFY=NEVER ORCPT=x;y"),
            (.several, "NOTIFY=DELAY,FAILURE ORCPT=x;y", "NOTIFY=FAILURE,DELAY ORCPT=x;y"),
            (.several, "", "ORCPT=rfc822;ann+2Bx@b"), (.list, "NOTIFY=SUCCESS ORCPT=x;y", ""),
            (.list, "", ""), (.single, "ORCPT=x;y X-ROUTE=[192.0.2.1]", "ORCPT=x;y"),
            (.several, "X-ROUTE=relay.example ORCPT=x;y", "ORCPT=x;y"),
        ] as [(ForwardedWishes.Road, String, String)])
    func forwarded(road: ForwardedWishes.Road, text: String, expected: String) throws {
        let parameters = try Parameters(Array(text.utf8))
        let copy = ForwardedWishes.recipient(parameters, of: Array("ann+x@b".utf8), by: road)
        #expect(String(decoding: copy.text, as: UTF8.self) == expected)
        #expect(throws: Never.self) { try RecipientParameters(Parameters(copy.text)) }
    }

    @Test("a list's copies go without the sender's wishes, all copies without the old size")
    func forwardedMessage() throws {
        let parameters = try Parameters(Array("SIZE=9 BODY=8BITMIME RET=HDRS ENVID=x X-DOUBLE-BOUNCE".utf8))
        for (road, expected) in [
            (ForwardedWishes.Road.single, "BODY=8BITMIME RET=HDRS ENVID=x X-DOUBLE-BOUNCE"),
            (.several, "BODY=8BITMIME RET=HDRS ENVID=x X-DOUBLE-BOUNCE"),
            (.list, "BODY=8BITMIME X-DOUBLE-BOUNCE"),
        ] {
            let copy = ForwardedWishes.mail(parameters, by: road)
            #expect(String(decoding: copy.text, as: UTF8.self) == expected)
        }
    }

    @Test("an ORCPT of ours fits, or is left out")
    func addedOriginal() {
        typealias Original = RecipientParameters.OriginalRecipient
        func added(_ count: Int) -> Original? {
            Original(addedFor: Array(String(repeating: "x", count: count).utf8), to: Parameters())
        }
        #expect(added(493)?.text.count == RecipientParameters.longestOriginal && added(494) == nil)
        let original = Original(addedFor: Array("jürgen@x".utf8), to: Parameters())
        #expect(original?.text == Array("utf-8;j\\x{FC}rgen@x".utf8))
        #expect(Original(addedFor: [0xFF], to: Parameters()) == nil)
    }
}
