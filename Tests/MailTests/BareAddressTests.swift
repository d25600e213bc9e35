import Testing

import Bytes
import Mail

@Suite struct BareAddressTests {
    @Test(
        "the place for a missing domain is behind the local part",
        arguments: [
            ("root (Cron Daemon)", "root@h (Cron Daemon)"),
            (" bob, a@b ,Carol C. <carol >;", " bob@h, a@b ,Carol C. <carol@h >;"),
            ("\"a b\", x . y\r\n (c)", "\"a b\"@h, x . y@h\r\n (c)"), ("<bob>", "<bob@h>"),
            ("g: bob, c@d;", "g: bob@h, c@d;"), ("undisclosed-recipients:;", "undisclosed-recipients:;"),
            ("<>, ,", "<>, ,"), ("a <bob", "a <bob"), ("", ""), ("<@r:bob>", "<@r:bob@h>"), ("a@", "a@"),
            ("\"u@d\", <\"v@d\">", "\"u@d\", <\"v@d\">"),
        ])
    func places(value: String, expected: String) {
        var text = Array(value.utf8)
        for end in AddressList(text).bareEnds.reversed() { text.insert(contentsOf: "@h".utf8, at: end) }
        #expect(String(decoding: text, as: UTF8.self) == expected)
    }

    @Test(
        "who can be sent to is told from what is no address",
        arguments: [
            ("bob, a@b, C D <c@d>, \"x y\"@z (w), g: h@i;, j . k@l", "bob a@b c@d \"x y\"@z h@i j.k@l", ""),
            // Text in front of an address in brackets is a name, whatever is in it.
            ("u@d <u@d>", "u@d", ""), ("[List] Bob <u@d>, v@d", "u@d v@d", ""), ("\"a@b\" <c@d>", "c@d", ""),
            ("[a, b] Bob <u@d>", "u@d", ""), ("'u@d' <u@d>", "u@d", ""), ("Bob (x@y) Smith <u@d>", "u@d", ""),
            ("J\u{F6}rg <u@d>", "u@d", ""), ("=?utf-8?q?a,_b:?= <u@d>", "u@d", ""),
            ("#1 \\o/ <u@d>", "u@d", ""),
            ("Re: Fwd: Bob <u@d>", "u@d", ""), ("Bob: u@d, Re: w <v@d>", "u@d v@d", ""),
            ("mailto:u@d", "u@d", ""),
            ("] [ <u@d>", "u@d", ""), ("a@b; c@d;", "a@b c@d", ""),
            ("Bob\r\n <u@d>,\r\n\tv@d", "u@d v@d", ""),
            // A bracket ends with its piece, a comma may be missing between complete addresses, a dot behind.
            ("One <u@d", "u@d", ""), ("<u@d, v@d", "u@d v@d", ""), ("a@b c@d", "a@b c@d", ""),
            ("A <a@b> B <c@d>", "a@b c@d", ""), ("<a@b> c@d", "a@b c@d", ""),
            ("u@d.example.", "u@d.example", ""),
            ("<u@d.>", "u@d", ""), ("<@r,@s:a@b>", "a@b", ""), ("a@b,,", "a@b", ""),
            ("u@[IPv6:::1]", "u@[IPv6:::1]", ""),
            ("<>", "", ""), ("<>, a@b", "a@b", ""), ("undisclosed-recipients:;", "", ""),
            ("a..b@d", "a..b@d", ""),
            ("\"u@d\", v@d", "u@d v@d", ""), ("Bob <\"u@d\">", "u@d", ""),
            ("\"a b@c\"", "\"a b@c\"", ""), ("\"a b@c\"@d", "\"a b@c\"@d", ""),
            ("\"a..b\"@d", "\"a..b\"@d", ""), ("Smith, Bob <b@x>", "Smith b@x", ""), ("a;b", "a b", ""),
            ("", "", ""),
            // And the rest.
            ("Bob Smith u@d, v@d", "v@d", "Bob Smith u@d"), ("bob smith", "", "bob smith"),
            ("u@d Bob", "", "u@d Bob"),
            ("bob@exa mple.org, a@b", "a@b", "bob@exa mple.org"), ("bob@, a@b", "a@b", "bob@"),
            ("@b", "", "@b"),
            ("<a@b c>, d", "d", "<a@b c>"), ("<a b@c>", "", "<a b@c>"), ("<a@>", "", "<a@>"),
            ("a@b@c", "", "a@b@c"),
            ("\"x\" -oQ/tmp@b", "", "\"x\" -oQ/tmp@b"), ("Bob <>, v@d", "v@d", "Bob <>"),
            ("u@d>", "", "u@d>"),
            ("<a@b> c, d@e", "a@b d@e", " c"), ("\"Bob <u@d>, v@d", "", "\"Bob <u@d>, v@d"),
            ("u@d (Bob, v@d", "", "u@d (Bob, v@d"), ("(Bob u@d", "", "(Bob u@d"),
            ("<u@d (x, v@d", "", "<u@d (x, v@d"),
            ("<\"u@d", "", "<\"u@d"), ("u@d: v@e", "v@e", "u@d"), ("<<u@d>>", "", "<<u@d>"),
            ("a@b [c, d@e", "d@e", "a@b [c"),
            ("=?utf-8?q?a?=", "", "=?utf-8?q?a?="), ("\"Bob J.\" u@d", "", "\"Bob J.\" u@d"),
            ("<@r:>", "", "<@r:>"),
        ])
    func sendable(value: String, exact: String, unclear: String) {
        let bytes = Array(value.utf8)
        let list = AddressList(bytes)
        let texts = list.exactMailboxes.map { String(decoding: $0.address.text, as: UTF8.self) }
        #expect(texts.joined(separator: " ") == exact)
        #expect(list.unclear.map { String(decoding: bytes[$0], as: UTF8.self) }.first ?? "" == unclear)
    }

    @Test("addresses beyond the most that are kept are told")
    func cut() {
        let list = { AddressList(Array(String(repeating: "a@b,", count: $0).utf8)) }
        #expect(list(AddressList.mostEntries).unclear.isEmpty)
        #expect(!list(AddressList.mostEntries + 1).unclear.isEmpty)
        let unseparated = AddressList(Array(String(repeating: "a@b ", count: AddressList.mostEntries).utf8))
        #expect(unseparated.exactMailboxes.count == AddressList.mostEntries)
    }
}
