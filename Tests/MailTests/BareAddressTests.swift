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
            ("<>, ,", "<>, ,"), ("", ""), ("<@r:bob>", "<@r:bob@h>"), ("a@", "a@"),
        ])
    func places(value: String, expected: String) {
        var text = Array(value.utf8)
        for end in AddressList(text).bareEnds.reversed() { text.insert(contentsOf: "@h".utf8, at: end) }
        #expect(String(decoding: text, as: UTF8.self) == expected)
    }

    @Test(
        "what took good will to read is told from what stands there",
        arguments: [
            ("bob, a@b, C D <c@d>, \"x y\"@z (w), g: h@i;, j . k@l", "bob a@b c@d \"x y\"@z h@i j.k@l"),
            ("bob smith", ""), ("bob smith@x, a@b", "a@b"), ("bob@exa mple.org, a@b", "a@b"),
            ("bob@, a@b", "a@b"),
            ("a@b c@d", ""), ("<a@b", ""), ("<a@b c>, d", "d"), ("<a b@c>", ""), ("<a@>", ""), ("@b", ""),
            ("a@b <c@d>", ""), ("<a@b> c, d@e", "d@e"), ("\"x\" -oQ/tmp@b", ""), ("a@b@c", ""),
            ("Smith, Bob <b@x>", "Smith b@x"), ("<@r,@s:a@b>", "a@b"), ("a;b", "a b"),
        ])
    func guesses(value: String, exact: String) {
        let mailboxes = AddressList(Array(value.utf8)).exactMailboxes
        let texts = mailboxes.map { String(decoding: $0.address.text, as: UTF8.self) }
        #expect(texts.joined(separator: " ") == exact)
    }
}
