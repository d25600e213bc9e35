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

    @Test("a bounce is a multipart/report, and holds no control byte of a stranger's")
    func bounce() {
        let notification = DeliveryStatusNotification(
            reportingMTA: "mx.example.org", to: Array("ann@example.org".utf8), messageID: "1@mx.example.org",
            date: DateTime(seconds: 60), boundary: "b1", envelopeID: Array("E1".utf8),
            arrival: DateTime(seconds: 0),
            recipients: [
                .init(
                    original: Array("rfc822;bob@example.net".utf8), final: Array("bob@example.net".utf8),
                    action: .failed,
                    status: "5.1.1", remoteMTA: "mx.example.net",
                    diagnostic: "550 no\r\n\u{1b}[31muser\n\nForged: yes")
            ], isHeadersOnly: true)
        let text = String(
            decoding: notification.head + Array("Subject: hi\n".utf8) + notification.tail, as: UTF8.self)
        #expect(
            text == """
                From: Mail Delivery System <MAILER-DAEMON@mx.example.org>
                To: ann@example.org
                Subject: Undelivered Mail Returned to Sender
                Date: Thu, 1 Jan 1970 00:01:00 +0000
                Message-ID: <1@mx.example.org>
                Auto-Submitted: auto-replied
                MIME-Version: 1.0
                Content-Type: multipart/report; report-type=delivery-status;
                \tboundary="b1"

                --b1
                Content-Type: text/plain; charset=us-ascii

                This is the mail system at mx.example.org.

                Your message could not be delivered to one or more recipients.
                It is attached below.

                <bob@example.net>: 550 no\\x0d\\x0a\\x1b[31muser\\x0a\\x0aForged: yes

                --b1
                Content-Type: message/delivery-status

                Original-Envelope-Id: E1
                Reporting-MTA: dns; mx.example.org
                Arrival-Date: Thu, 1 Jan 1970 00:00:00 +0000

                Original-Recipient: rfc822;bob@example.net
                Final-Recipient: rfc822; bob@example.net
                Action: failed
                Status: 5.1.1
                Remote-MTA: dns; mx.example.net
                Diagnostic-Code: smtp; 550 no\\x0d\\x0a\\x1b[31muser\\x0a\\x0aForged: yes

                --b1
                Content-Type: text/rfc822-headers

                Subject: hi

                --b1--

                """)
    }
}
