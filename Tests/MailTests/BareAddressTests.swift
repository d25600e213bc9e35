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
}
