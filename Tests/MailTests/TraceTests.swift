import Bytes
import Mail
import Testing

@Suite struct TraceTests {
    @Test("the Received field is folded, and a stranger's greeting cannot break it")
    func received() {
        let field = TraceField.received(
            helo: Array("evil\r\nX: y".utf8), hostName: nil, address: "192.0.2.1", by: "mx.example.org",
            with: "ESMTPS", tls: "TLSv1.3", id: "0abc", recipient: Array("b@c".utf8), at: DateTime(seconds: 0)
        )
        #expect(
            String(decoding: field, as: UTF8.self) == """
                Received: from evil??X:?y (unknown [192.0.2.1])
                \t(using TLSv1.3)
                \tby mx.example.org (relais) with ESMTPS id 0abc
                \tfor <b@c>;
                \tThu, 1 Jan 1970 00:00:00 +0000

                """)
    }
    @Test(
        "what the client calls itself is written as a name or a literal, or so that nobody takes it for one",
        arguments: [
            ("[192.0.2.1]", "[192.0.2.1]"), ("[IPv6:2001:db8::1]", "[IPv6:2001:db8::1]"),
            ("[300.1.1.1]", "?300.1.1.1?"), ("[x]", "?x?"), ("a[1.2.3.4]", "a?1.2.3.4?"),
            ("[1.2.3.4]]", "?1.2.3.4??"), ("my pc", "my?pc"), ("mx_1.far-.example", "mx_1.far-.example"),
        ])
    func greeting(helo: String, written: String) {
        let field = TraceField.received(
            helo: Array(helo.utf8), hostName: nil, address: "192.0.2.1", by: "x", with: "SMTP", tls: nil,
            id: "0", recipient: nil, at: DateTime(seconds: 0))
        #expect(field.starts(with: "Received: from \(written) (unknown [192.0.2.1])\n".utf8))
    }
}
