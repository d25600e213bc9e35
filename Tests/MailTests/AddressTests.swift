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
            (".a@b", true), ("a.@b", true), ("a..b@c", true), ("a@-b", false), ("a@b-.-c", true),
            ("a@_.b", true),
            ("", false), ("a", false), ("@b", false), ("a@", false),
            ("a b@c", false), ("a@b c", false), ("a@b..c", false), ("a@b..", false), ("a@..", false),
            ("a@.b", false), ("\"\"@c", false), ("\"a@c", false), ("a\"b@c", false), ("a@[]", false),
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
        let longest = AddressLimit.path - 2 - 2
        #expect(accepts(String(repeating: "a", count: longest) + "@b"))
        #expect(!accepts(String(repeating: "a", count: longest + 1) + "@b"))
        // `MAIL FROM:<…>` CRLF is a line that every server reads.
        #expect("MAIL FROM:\r\n".utf8.count + AddressLimit.path == 512)
        #expect(accepts("a@" + label))
        #expect(!accepts("a@x" + label))
        #expect(domain.utf8.count == 255)
        #expect(accepts("a@" + domain))
        #expect(!accepts("a@" + domain + ".z"))
    }

    @Test(
        "what goes to the next host is a path of the RFC, for the same mailbox",
        arguments: [
            ("a..b@c", "\"a..b\"@c"), (".a@c", "\".a\"@c"), ("a.@c", "\"a.\"@c"), (".@c", "\".\"@c"),
            ("a.b@c", "a.b@c"), ("a@c", "a@c"), ("\"a..b\"@c", "\"a..b\"@c"), ("a@c..d", "a@c..d"),
            ("a..\u{e9}@c", "a..\u{e9}@c"), ("", ""), ("a..b", "a..b"), ("a@b.example@c", "a@b.example@c"),
        ])
    func sendable(path: String, sent: String) {
        let bytes = Array(path.utf8)
        #expect(Address.sendable(bytes) == Array(sent.utf8))
        let (kept, given) = (Address(bytes), Address(Address.sendable(bytes)))
        #expect(kept?.unquotedLocalPart == given?.unquotedLocalPart && kept?.domain == given?.domain)
    }

    @Test("a dot behind the domain is no part of it")
    func finalDot() {
        for text in ["a@b.c.", "<a@b.c.>", "<@x.,@y.:a@b.c.>"] {
            var cursor = Cursor(Array(text.utf8))
            let address = text.first == "<" ? try? cursor.path() : Address(Array(text.utf8))
            #expect(address?.text == Array("a@b.c".utf8))
        }
    }

    @Test(
        "an address literal is an address",
        arguments: [
            ("[192.0.2.1]", "192.0.2.1"), ("[0.0.0.0]", "0.0.0.0"), ("[255.255.255.255]", "255.255.255.255"),
            ("[IPv6:::]", "0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0"),
            ("[ipv6:::1]", "0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1"),
            ("[IPv6:2001:DB8::a:b]", "32.1.13.184.0.0.0.0.0.0.0.0.0.10.0.11"),
            ("[IPv6:1:2:3:4:5:6:7:8]", "0.1.0.2.0.3.0.4.0.5.0.6.0.7.0.8"),
            ("[IPv6:1:2:3:4:5:6::]", "0.1.0.2.0.3.0.4.0.5.0.6.0.0.0.0"),
            ("[IPv6:::ffff:192.0.2.1]", "0.0.0.0.0.0.0.0.0.0.255.255.192.0.2.1"),
            ("[IPv6:1:2:3:4:5:6:192.0.2.1]", "0.1.0.2.0.3.0.4.0.5.0.6.192.0.2.1"),
            ("[300.1.1.1]", nil), ("[1.2.3]", nil), ("[1.2.3.4.5]", nil), ("[1.2.3.]", nil),
            ("[.1.2.3.4]", nil),
            ("[1..2.3]", nil), ("[1.2.3.256]", nil), ("[1.2.3.0001]", nil), ("[01.2.3.4]", nil),
            ("[0x7f.0.0.1]", nil), ("[2130706433]", nil), ("[127.1]", nil), ("[1.2.3.4 ]", nil),
            ("[ 1.2.3.4]", nil), ("[1.2.3.4", nil), ("1.2.3.4]", nil), ("[]", nil), ("[x]", nil),
            ("[::1]", nil), ("[IPv6:]", nil), ("[IPv6::]", nil), ("[IPv6:1.2.3.4]", nil),
            ("[IPv6:1::2::3]", nil), ("[IPv6:1:2:3:4:5:6:7]", nil), ("[IPv6:1:2:3:4:5:6:7:8:9]", nil),
            ("[IPv6:1:2:3:4:5:6:7::]", nil), ("[IPv6:::1:2:3:4:5:6:7]", nil), ("[IPv6:12345::]", nil),
            ("[IPv6:::300.1.1.1]", nil), ("[IPv6:::1.2.3.4:5]", nil), ("[IPv6:1:2:3:4:5:6:7:1.2.3.4]", nil),
            ("[IPv6:1:]", nil), ("[IPv6::1]", nil), ("[IPv6:1:::2]", nil), ("[IPv6:g::]", nil),
            ("[IPv6:::1%lo]", nil), ("[IPv4:1.2.3.4]", nil), ("[tag:text]", nil),
        ] as [(String, String?)])
    func literals(text: String, address: String?) {
        var cursor = Cursor(Array(text.utf8))
        let bytes = try? cursor.literalAddress()
        let shown = bytes.map { $0.map { "\($0)" }.joined(separator: ".") }
        #expect((cursor.isAtEnd ? shown : nil) == address)
        #expect((Address(Array("a@\(text)".utf8)) != nil) == (address != nil))
    }

    @Test("what our own clients may leave out: brackets, and the domain of a name of this host")
    func ours() {
        for (text, address) in [
            ("<root>", "root"), ("a@b.c.", "a@b.c"), ("root", "root"), ("<a@b>", "a@b"),
            ("<a..b@c>", "a..b@c"),
            ("<a@>", nil), ("<@b>", nil), ("a@", nil), ("", nil), ("<a", nil), ("a@b@c", "a@b"),
        ] as [(String, String?)] {
            var cursor = Cursor(Array(text.utf8))
            #expect((try? cursor.path(isOurs: true))?.text == address.map { Array($0.utf8) })
        }
    }

    @Test(
        "paths take a source route and forget it; the null path is no path",
        arguments: [
            ("<a@b>", "a@b"), ("<@x,@y.z:a@b>", "a@b"), ("<>", nil), ("a@b", nil), ("<a@b", nil),
            ("<@x:>", nil),
            ("<@x a@b>", nil), ("< a@b >", "a@b"), ("< @x:a@b>", "a@b"), ("<a @b>", nil), ("<a@ b>", nil),
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
