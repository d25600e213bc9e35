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
}
