import Bytes
import Mail
import Testing

@Suite struct ReportTests {
    typealias Notification = DeliveryStatusNotification

    static func notification(_ recipients: [Notification.Recipient], isHeaderOnly: Bool = true)
        -> Notification
    {
        Notification(
            reportingMTA: "mx.example.org", to: Array("ann@example.org".utf8), messageID: "1@mx.example.org",
            date: DateTime(seconds: 60), arrival: DateTime(seconds: 0), recipients: recipients,
            original: .init(isHeaderOnly: isHeaderOnly))
    }

    static func recipient(
        _ action: Notification.Action = .failed, _ status: String = "5.1.1", _ text: String = "",
        _ address: String = "bob@example.net"
    ) -> Notification.Recipient {
        .init(final: Array(address.utf8), action: action, status: status, text: Array(text.utf8))
    }

    static func text(_ notification: Notification, _ content: String = "Subject: hi\n") -> String {
        String(decoding: notification.head + Array(content.utf8) + notification.tail, as: UTF8.self)
    }

    @Test("a bounce is a multipart/report, and holds no control byte of a stranger's (T81)")
    func bounce() throws {
        let reply = RemoteReply(
            host: Array("mx.example.net[192.0.2.1]".utf8),
            reply: Array("550 5.1.1 no\r\n\u{1b}[31muser\n\nForged: yes".utf8), command: Array("RCPT TO".utf8)
        )
        var notification = Self.notification([Self.recipient()])
        notification.recipients[0].original = .init(
            type: Array("rfc822".utf8), address: Array("robert@example.com".utf8))
        notification.recipients[0].text = reply.text
        notification.recipients[0].lastAttempt = DateTime(seconds: 30)
        notification.recipients[0].willRetryUntil = DateTime(seconds: 90)
        notification.envelopeID = Array("E1".utf8)
        notification.receivedFrom = Array("client.example ([192.0.2.9])".utf8)
        notification.original.messageID = Array("<m@x>".utf8)
        #expect(
            Self.text(notification) == """
                From: Mail Delivery System <MAILER-DAEMON@mx.example.org>
                To: ann@example.org
                Subject: Undelivered Mail Returned to Sender
                Date: Thu, 1 Jan 1970 00:01:00 +0000
                Message-ID: <1@mx.example.org>
                In-Reply-To: <m@x>
                References: <m@x>
                Auto-Submitted: auto-replied
                MIME-Version: 1.0
                Content-Type: multipart/report; report-type=delivery-status;
                \tboundary="1/relais"

                --1/relais
                Content-Type: text/plain; charset=us-ascii

                This is the mail system at mx.example.org.

                Your message could not be delivered to the recipients below, and nothing
                more is tried.

                  <bob@example.net>, for <robert@example.com>
                    host mx.example.net[192.0.2.1] said: 550 5.1.1
                    no\\x0d\\x0a\\x1b[31muser\\x0a\\x0aForged: yes (in reply to RCPT TO)
                    What you can do: check the address for mistakes, or ask the recipient
                    for the right one.

                The header is attached, and a report for programs.

                --1/relais
                Content-Type: message/delivery-status

                Original-Envelope-Id: E1
                Reporting-MTA: dns; mx.example.org
                Received-From-MTA: dns; client.example ([192.0.2.9])
                Arrival-Date: Thu, 1 Jan 1970 00:00:00 +0000

                Original-Recipient: rfc822; robert@example.com
                Final-Recipient: rfc822; bob@example.net
                Action: failed
                Status: 5.1.1
                Remote-MTA: dns; mx.example.net
                Diagnostic-Code: smtp; 550 5.1.1 no\\x0d\\x0a\\x1b[31muser\\x0a\\x0aForged: yes
                Last-Attempt-Date: Thu, 1 Jan 1970 00:00:30 +0000

                --1/relais
                Content-Type: text/rfc822-headers

                Subject: hi

                --1/relais--

                """)
    }

    @Test("one report tells of several recipients, each by what became of it")
    func several() {
        let text = Self.text(
            Self.notification([
                Self.recipient(.failed, "5.2.2", "full", "a@x"),
                Self.recipient(.delivered, "2.0.0", "", "b@x"),
                Self.recipient(.relayed, "2.0.0", "", "c@x"), Self.recipient(.expanded, "2.0.0", "", "d@x"),
            ]))
        for action in ["failed", "delivered", "relayed", "expanded"] {
            #expect(text.components("Action: \(action)") == 1)
        }
        #expect(text.components("Subject: Undelivered Mail") == 1)
        #expect(text.components("What you can do: try again when the recipient has had time") == 1)
        #expect(text.components("Will-Retry-Until") == 0)
    }

    @Test("a warning says until when the message is tried, and that nothing needs to be done")
    func delayed() {
        var recipient = Self.recipient(.delayed, "4.4.1", "connect to x: Connection refused")
        recipient.willRetryUntil = DateTime(seconds: 86400)
        let text = Self.text(Self.notification([recipient]))
        #expect(text.components("Subject: Delayed Mail, Still Being Tried") == 1)
        #expect(text.components("Will-Retry-Until: Fri, 2 Jan 1970 00:00:00 +0000") == 1)
        #expect(text.components("you need not send it again") == 1)
        #expect(text.components("Diagnostic-Code: x-relais; connect to x: Connection refused") == 1)
        #expect(text.components("What you can do") == 0)
    }

    @Test("8-bit content is declared, in its part and in the whole (RFC 2045 §6.4)")
    func eightBit() {
        var notification = Self.notification([Self.recipient()], isHeaderOnly: false)
        #expect(!notification.isEightBit && Self.text(notification).components("Transfer-Encoding") == 0)
        notification.original.isEightBit = true
        let text = Self.text(notification)
        #expect(notification.isEightBit && !notification.isGlobal)
        #expect(text.components("Content-Transfer-Encoding: 8bit\n") == 2)
        #expect(text.components("message/rfc822\nContent-Transfer-Encoding: 8bit\n") == 1)
    }

    @Test("internationalised mail is reported in the forms of RFC 6533")
    func global() {
        var notification = Self.notification([Self.recipient(.failed, "5.1.1", "no", "jürgen@exämple.org")])
        notification.recipients[0].original = .init(
            type: Array("utf-8".utf8), address: Array("\\x{FC}@x".utf8))
        let text = Self.text(notification)
        #expect(notification.isGlobal && notification.isEightBit)
        for type in ["text/plain; charset=utf-8", "message/global-delivery-status", "message/global-headers"]
        {
            #expect(text.components("Content-Type: \(type)\n") == 1)
        }
        #expect(text.components("Final-Recipient: utf-8; jürgen@exämple.org\n") == 1)
        #expect(text.components("Original-Recipient: utf-8; \\x{FC}@x\n") == 1)
        notification.original.isHeaderOnly = false
        #expect(Self.text(notification).components("Content-Type: message/global\n") == 1)
        notification = Self.notification([Self.recipient(.failed, "5.1.1", "no")])
        notification.isInternationalised = true
        #expect(Self.text(notification).components("message/global-headers") == 1)
        #expect(Self.text(notification).components("Final-Recipient: rfc822; bob@example.net") == 1)
    }

    @Test("what is no UTF-8 is escaped even there")
    func badUTF8() {
        var notification = Self.notification([Self.recipient()])
        notification.recipients[0].final = [0xC3, 0x28] + Array("@x\n".utf8)
        #expect(Self.text(notification).components("Final-Recipient: unknown; \\xc3(@x\\x0a\n") == 1)
    }

    @Test("a report that has nobody to go to says so to the postmaster")
    func postmaster() {
        var notification = Self.notification([Self.recipient()])
        notification.audience = .postmaster
        let text = Self.text(notification)
        #expect(text.components("Subject: Undeliverable Report") == 1)
        #expect(text.components("A message without a sender") == 1 && text.components("What you can do") == 0)
    }

    @Test(
        "no line is longer than SMTP allows, whatever was said", arguments: [" ", "x", "x y", "\\", "\u{1}"])
    func lineLimit(piece: String) {
        let long = String(repeating: piece, count: 1024)
        var notification = Self.notification([Self.recipient(.failed, "5.0.0", long, long)])
        notification.to = Array(long.utf8)
        notification.envelopeID = Array(long.utf8)
        notification.receivedFrom = Array(long.utf8)
        for line in notification.head.split(separator: .lf, omittingEmptySubsequences: false) {
            #expect(line.count <= 998)
            #expect(line.allSatisfy(\.isPrintable) || line.first == .tab)
        }
    }

    @Test(
        "what a host said is told and understood",
        arguments: [
            ("host mx.x[192.0.2.1] said: 550 no (in reply to RCPT TO)", "mx.x", "550 no", "RCPT TO"),
            ("host mx.x[192.0.2.1] said: 550 no", "mx.x", "550 no", ""),
            (
                "host [192.0.2.1] said: 550 a (in reply to b) c (in reply to DATA)", "[192.0.2.1]",
                "550 a (in reply to b) c", "DATA"
            ),
            ("host x said: ", "x", "", ""),
        ])
    func remoteReply(text: String, host: String, reply: String, command: String) throws {
        let read = try #require(RemoteReply(Array(text.utf8)))
        #expect(read.hostName == Array(host.utf8) && read.reply == Array(reply.utf8))
        #expect(read.command == Array(command.utf8) && read.text == Array(text.utf8))
    }

    @Test(
        "and what was said by us is not taken for it",
        arguments: ["", "host", "host x", "connect to x: refused", "host  said: x", "the host x said: 5"])
    func noRemoteReply(text: String) { #expect(RemoteReply(Array(text.utf8)) == nil) }

    @Test("every kind of failure has its advice, and nothing else does")
    func advice() {
        for status in ["5.1.1", "5.1.7", "5.2.1", "5.2.2", "5.3.4", "5.4.7", "5.6.0", "5.7.1"] {
            let text = Self.text(Self.notification([Self.recipient(.failed, status)]))
            #expect(text.components("What you can do") == 1, "\(status)")
        }
        for status in ["5.0.0", "4.1.1", "2.0.0", "-", "5.1"] {
            let text = Self.text(Self.notification([Self.recipient(.failed, status)]))
            #expect(text.components("What you can do") == 0, "\(status)")
        }
    }

    @Test(
        "who gave us a message is read from our own field, and from no other",
        arguments: [
            ("192.0.2.1", nil, "mx.x ([192.0.2.1])"), ("::1", "TLSv1.3", "mx.x ([IPv6:::1])"),
        ] as [(String, String?, String)])
    func origin(address: String, tls: String?, expected: String) {
        for recipient in [nil, Array("b@c".utf8)] {
            let field = TraceField.received(
                helo: Array("mx.x".utf8), hostName: nil, address: address, by: "here", with: "ESMTP",
                tls: tls,
                id: "0abc", recipient: recipient, at: DateTime(seconds: 0))
            let value = MessageHeader(field).first("Received")?.value ?? []
            #expect(TraceField.origin(value, id: "0abc") == Array(expected.utf8))
            #expect(TraceField.origin(value, id: "0abd") == nil)
        }
        #expect(TraceField.origin(Array("by here (relais) id 0abc; x y z".utf8), id: "0abc") == nil)
    }

    @Test(
        "what was sent to many or by a program is known by its header",
        arguments: [
            ("Subject: x\n", false), ("Precedence: bulk\n", true), ("precedence: List\n", true),
            ("Precedence: first-class\n", false), ("List-Id: <a.b>\n", true), ("Auto-Submitted: no\n", false),
            ("Auto-Submitted: No (really)\n", false), ("Auto-Submitted: auto-generated\n", true),
            ("Auto-Submitted: auto-replied; x=y\n", true), ("Precedence: junk\n", true),
            ("\nList-Id: x\n", false),
        ])
    func bulk(text: String, isBulk: Bool) { #expect(MessageHeader(Array(text.utf8)).isBulk == isBulk) }
}

extension String {
    /// How often a text stands in this one.
    func components(_ word: String) -> Int {
        let text = Array(utf8)
        let pattern = Array(word.utf8)
        return text.indices.count { text[$0...].starts(with: pattern) }
    }
}
