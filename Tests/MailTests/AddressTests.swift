import Bytes
import Mail
import Testing

@Suite struct AddressTests {
    @Test(
        "a mailbox is read strictly",
        arguments: [
            ("a@b", true), ("a.b@c.d", true), ("\"a b\"@c", true), ("\"a\\\"b\"@c", true),
            ("a@[192.0.2.1]", true),
            ("a@[IPv6:2001:db8::1]", true), ("a+b=c@d-e.f", true), ("a@b_c.d", true),
            ("", false), ("a", false), ("@b", false), ("a@", false), (".a@b", false), ("a.@b", false),
            ("a..b@c", false),
            ("a b@c", false), ("a@b c", false), ("a@-b", false), ("a@b-", false), ("a@b..c", false),
            ("a@.b", false),
            ("a@b.", false), ("\"\"@c", false), ("\"a@c", false), ("a\"b@c", false), ("a@[]", false),
            ("a@[x]", false),
            ("a@[192.0.2.1", false), ("a@b\r", false), ("a\n@b", false), ("a\u{0}@b", false), ("é@b", false),
            ("a@b>", false), ("\"a\nb\"@c", false), ("(c)a@b", false),
        ])
    func mailbox(text: String, isGood: Bool) {
        let address = Address(Array(text.utf8))
        #expect((address != nil) == isGood)
        if let address { #expect(address.text == Array(text.utf8)) }
    }

    @Test("lengths hold at the limit and not beyond")
    func lengths() {
        let label = String(repeating: "x", count: 63)
        let domain = [label, label, label, String(repeating: "y", count: 63)].joined(separator: ".")
        func accepts(_ text: String) -> Bool { Address(Array(text.utf8)) != nil }
        #expect(accepts(String(repeating: "a", count: 64) + "@b"))
        #expect(!accepts(String(repeating: "a", count: 65) + "@b"))
        #expect(accepts("a@" + label))
        #expect(!accepts("a@x" + label))
        #expect(domain.utf8.count == 255)
        #expect(accepts("a@" + domain))
        #expect(!accepts("a@" + domain + ".z"))
    }

    @Test(
        "paths take a source route and forget it; the null path is no path",
        arguments: [
            ("<a@b>", "a@b"), ("<@x,@y.z:a@b>", "a@b"), ("<>", nil), ("a@b", nil), ("<a@b", nil),
            ("<@x:>", nil),
            ("<@x a@b>", nil), ("< a@b>", nil),
        ] as [(String, String?)])
    func paths(text: String, address: String?) {
        var cursor = Cursor(Array(text.utf8))
        #expect((try? cursor.path())?.text == address.map { Array($0.utf8) })
    }

    @Test("equivalent quoted forms name the same mailbox")
    func unquoting() {
        #expect(Address(Array("\"a\\b c\"@d".utf8))?.unquotedLocalPart == Array("ab c".utf8))
        #expect(Address(Array("a.b@d".utf8))?.unquotedLocalPart == Array("a.b".utf8))
    }
}
