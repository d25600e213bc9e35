import Bytes
import Mail
import Testing

@testable import SMTP

@Suite struct ClientSessionTests {
    typealias Row = ScriptedServer.Row

    // MARK: - The ordinary

    @Test("With PIPELINING the envelope goes out in one piece")
    func pipelining() {
        var server = ScriptedServer()
        #expect(server.deliver("x@mx.example", "y@mx.example") == [.delivered, .delivered])
        #expect(
            server.wire == [
                "EHLO client.example\r\n", "MAIL FROM:<a@client.example> SIZE=20\r\n",
                "RCPT TO:<x@mx.example>\r\n", "RCPT TO:<y@mx.example>\r\n", "DATA\r\n",
                "Subject: x\r\n\r\nbody\r\n.\r\n",
            ])
        #expect(server.text() == "250 2.0.0 Ok: queued")
    }

    @Test("Without it each command waits for its reply")
    func oneByOne() {
        var server = ScriptedServer(Row("EHLO", "250 mx.example\r\n"))
        server.run()
        server.session.begin(
            ClientTransaction(
                reversePath: [], size: 1, recipients: [.init(address: [UInt8]("x@mx.example"))]))
        #expect(server.session.next() == .write([UInt8]("MAIL FROM:<>\r\n")))
        #expect(server.session.next() == .read(.mail))
        server.session.receive([UInt8]("250 ok\r\n"))
        #expect(server.session.next() == .write([UInt8]("RCPT TO:<x@mx.example>\r\n")))
        server.session.receive([UInt8]("250 ok\r\n"))
        #expect(server.session.next() == .write([UInt8]("DATA\r\n")))
    }

    @Test("Several messages in one session; RSET only after one that was not sent")
    func severalMessages() {
        var server = ScriptedServer(
            Row("EHLO", "250 mx\r\n"), Row("RCPT TO:<no@", "550 5.1.1 no\r\n"))
        #expect(server.deliver("x@mx.example") == [.delivered])
        #expect(server.deliver("no@mx.example") == [.failed])
        #expect(server.deliver("y@mx.example") == [.delivered])
        #expect(server.wire.filter { $0 == "RSET\r\n" }.count == 1)
        server.session.quit()
        server.run()
        #expect(server.session.isClosed && server.session.failure == nil)
        #expect(server.wire.last == "QUIT\r\n")
    }

    @Test("An old server gets HELO")
    func helo() {
        var server = ScriptedServer(Row("EHLO", "502 what?\r\n"))
        #expect(server.deliver("x@mx.example", parameters: "RET=HDRS") == [.delivered])
        #expect(server.wire.contains("HELO client.example\r\n"))
        #expect(server.wire.contains("MAIL FROM:<a@client.example>\r\n"))
    }

    @Test("Many recipients go out in groups, DATA behind the last")
    func groups() {
        var server = ScriptedServer()
        server.run()
        let recipients = (0..<120).map {
            ClientTransaction.Recipient(address: Array("r\($0)@mx.example".utf8))
        }
        server.session.begin(ClientTransaction(reversePath: [], size: 1, recipients: recipients))
        guard case .write(let first) = server.session.next() else {
            Issue.record("nothing to write")
            return
        }
        #expect(first.count { $0 == .lf } == 1 + ClientSession.mostInGroup)
        server.session.receive([UInt8](String(repeating: "250 ok\r\n", count: 51).utf8))
        server.run()
        #expect(server.session.outcomes.count == 120)
        #expect(server.session.outcomes.allSatisfy { $0?.verdict == .delivered })
    }

    @Test("Parameters go to servers that know them, as they came")
    func parameters() {
        var knowing = ScriptedServer(
            Row("EHLO", "250-mx\r\n250-DSN\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n"))
        _ = knowing.deliver(
            "x@mx.example", parameters: "BODY=8BITMIME RET=HDRS ENVID=QQ+2B FUTURE=1 SMTPUTF8")
        #expect(
            knowing.wire.contains(
                "MAIL FROM:<a@client.example> BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=QQ+2B\r\n"))
        var plain = ScriptedServer(Row("EHLO", "250 mx\r\n"))
        _ = plain.deliver("x@mx.example", parameters: "RET=HDRS ENVID=QQ")
        #expect(plain.wire.contains("MAIL FROM:<a@client.example>\r\n"))
    }

    @Test("LMTP says for each recipient what became of it")
    func lmtp() {
        var server = ScriptedServer(
            Row("end", "250 2.0.0 first\r\n", times: 1), Row("end", "452 4.2.2 full\r\n"), dialect: .lmtp)
        #expect(server.deliver("x@mx.example", "y@mx.example") == [.delivered, .later])
        #expect(server.wire[0] == "LHLO client.example\r\n")
    }

    // MARK: - Opening

    @Test(
        "A session that cannot begin decides nothing: another host may be asked",
        arguments: [
            Row("greeting", "554 5.7.1 go away\r\n"), Row("greeting", "421 busy\r\n"),
            Row("greeting", "571 5.7.1 go away\r\n"), Row("greeting", "354 x\r\n"), Row("greeting", nil),
            Row("greeting", "SSH-2.0-OpenSSH\r\n"),
            Row("greeting", "* OK IMAP4\r\n"), Row("greeting", "+OK POP3\r\n"), Row("EHLO", "451 later\r\n"),
            Row("EHLO", "354 what\r\n"), Row("EHLO", nil),
        ])
    func noSession(row: Row) {
        var server = ScriptedServer(row)
        server.run()
        #expect(server.session.isClosed)
        #expect(server.session.failure?.verdict == .deferred)
        #expect(server.session.failure?.status.kind == .persistentTransientFailure)
    }

    @Test("HELO refused for good is the one refusal of a session that is final")
    func refusedHello() {
        var server = ScriptedServer(Row("EHLO", "550 no\r\n"), Row("HELO", "550 5.7.1 not you\r\n"))
        server.run()
        #expect(server.session.failure?.verdict == .failed)
        #expect(server.session.failure?.status == EnhancedStatus(5, 7, 1))
        var later = ScriptedServer(Row("EHLO", "550 no\r\n"), Row("HELO", "450 not now\r\n"))
        later.run()
        #expect(later.session.failure?.verdict == .deferred)
    }

    // MARK: - TLS

    static let tlsOffer = Row("EHLO", "250-mx.example\r\n250-STARTTLS\r\n250 8BITMIME\r\n", times: 1)

    @Test("STARTTLS is used when it is offered, and EHLO said again")
    func startTLS() {
        var server = ScriptedServer(Self.tlsOffer, security: .opportunistic)
        #expect(server.deliver("x@mx.example") == [.delivered])
        #expect(server.tlsHandshakes == 1 && server.session.isEncrypted)
        #expect(
            server.wire.prefix(3) == ["EHLO client.example\r\n", "STARTTLS\r\n", "EHLO client.example\r\n"])
        var off = ScriptedServer(Self.tlsOffer, security: .off)
        #expect(off.deliver("x@mx.example") == [.delivered])
        #expect(off.tlsHandshakes == 0)
    }

    @Test("What comes in the clear behind the reply to STARTTLS is thrown away (T63)")
    func injection() {
        let injected = "220 go\r\n250-evil\r\n250 SIZE 10\r\n250 ok\r\n250 ok\r\n354 x\r\n250 done\r\n"
        var server = ScriptedServer(Self.tlsOffer, Row("STARTTLS", injected), security: .opportunistic)
        #expect(server.deliver("x@mx.example") == [.delivered])
        #expect(server.session.capabilities.largestMessage == 1_000_000, "that of the second EHLO")
        #expect(server.text() == "250 2.0.0 Ok: queued")
    }

    @Test("STARTTLS refused: in the clear if that is allowed, else not at all")
    func refusedTLS() {
        for answer in ["454 4.7.0 not now\r\n", "502 no\r\n"] {
            var open = ScriptedServer(Self.tlsOffer, Row("STARTTLS", answer), security: .opportunistic)
            #expect(open.deliver("x@mx.example") == [.delivered])
            #expect(open.session.refusalOfTLS == Array(answer.dropLast().utf8))
            var strict = ScriptedServer(Self.tlsOffer, Row("STARTTLS", answer), security: .required)
            #expect(strict.deliver("x@mx.example") == [])
            #expect(strict.session.failure?.status.kind == .persistentTransientFailure)
            #expect(!strict.wire.contains { $0.hasPrefix("MAIL") })
        }
    }

    @Test("Required and not offered: nothing is sent")
    func notOffered() {
        var server = ScriptedServer(security: .required)
        #expect(server.deliver("x@mx.example") == [])
        #expect(server.session.failure?.status == EnhancedStatus(4, 7, 4))
        var old = ScriptedServer(Row("EHLO", "500 what\r\n"), security: .required)
        #expect(old.deliver("x@mx.example") == [])
        #expect(old.session.failure?.status == EnhancedStatus(4, 7, 4))
    }

    // MARK: - Losses

    @Test(
        "A connection lost before the end of the data decides nothing (T65)",
        arguments: ["MAIL", "RCPT", "DATA"])
    func lostBefore(command: String) {
        var server = ScriptedServer(Row(command, nil))
        #expect(server.deliver("x@mx.example") == [.undecided])
        #expect(server.session.isClosed)
    }

    @Test("Lost after it: deferred, and nobody else is asked (T65)")
    func lostAfter() {
        var server = ScriptedServer(Row("end", nil))
        #expect(server.deliver("x@mx.example") == [.deferred])
        #expect(server.text().contains("end of DATA"))
    }

    @Test("Lost in the message: undecided, unless the server said why")
    func lostInContent() {
        for (said, verdict) in [("", ClientOutcome.Verdict.undecided), ("552 5.3.4 too big\r\n", .failed)] {
            var server = ScriptedServer()
            server.run()
            server.session.begin(
                ClientTransaction(reversePath: [], size: 1, recipients: [.init(address: [UInt8]("x@mx"))]))
            _ = server.session.next()
            server.session.receive([UInt8]("250 ok\r\n250 ok\r\n354 go\r\n"))
            #expect(server.session.next() == .content)
            server.session.receive(Array(said.utf8))
            server.session.lost(.closed)
            #expect(server.session.outcomes[0]?.verdict == verdict)
        }
    }

    // MARK: - What cannot be sent

    @Test(
        "No CR, LF or bracket of an address reaches the wire (T67)",
        arguments: [
            "x@y\r\nDATA", "x\n@y", "x@y>", "<x@y", "x y@z", "x@y\u{0}", "\"x@y", "\"a\\\"@y", "x@y\u{7F}",
            "\"a\rb\"@y", "\"a\" <b@c>",
        ])
    func hostileAddresses(address: String) {
        var server = ScriptedServer()
        #expect(server.deliver(address, "y@mx.example") == [.failed, .delivered])
        #expect(server.session.outcomes[0]?.status == EnhancedStatus(5, 1, 3))
        #expect(server.wire.count { $0.hasPrefix("RCPT") } == 1)
        var sender = ScriptedServer()
        #expect(sender.deliver("y@mx.example", from: address) == [.failed])
        #expect(sender.wire == ["EHLO client.example\r\n"])
    }

    @Test("Quoted local parts and the null sender are sent as they are")
    func oddAddresses() {
        var server = ScriptedServer()
        #expect(server.deliver("\"a b>\\\"c\"@mx.example", from: "") == [.delivered])
        #expect(server.wire.contains("RCPT TO:<\"a b>\\\"c\"@mx.example>\r\n"))
        #expect(server.wire.contains("MAIL FROM:<> SIZE=20\r\n"))
    }

    @Test("A message that the server cannot take is not offered")
    func unsuitable() {
        var small = ScriptedServer(Row("EHLO", "250-mx\r\n250 SIZE 19\r\n"))
        #expect(small.deliver("x@mx.example") == [.failed])
        #expect(small.session.outcomes[0]?.status == EnhancedStatus(5, 3, 4))
        var exact = ScriptedServer(Row("EHLO", "250-mx\r\n250 SIZE 20\r\n"))
        #expect(exact.deliver("x@mx.example") == [.delivered])
        var seven = ScriptedServer(Row("EHLO", "250 mx\r\n"))
        #expect(seven.deliver("x@mx.example", content: "é\n") == [.failed])
        #expect(seven.session.outcomes[0]?.status == EnhancedStatus(5, 6, 3))
        #expect(seven.deliver("é@mx.example") == [.failed])
        #expect(seven.session.outcomes[0]?.status == EnhancedStatus(5, 6, 7))
        #expect(seven.deliver("x@mx.example", parameters: "SMTPUTF8", content: "é\n") == [.failed])
        #expect(seven.session.outcomes[0]?.status == EnhancedStatus(5, 6, 7))
        #expect(seven.wire.count == 1, "nothing but EHLO")
        #expect(
            seven.deliver("x@mx.example", parameters: "BODY=8BITMIME SMTPUTF8") == [.delivered],
            "ASCII needs neither")
    }

    @Test(
        "BODY is what was declared, and 8BITMIME where the content says so, whatever was declared (RFC 6152 §3)",
        arguments: [
            ("", "é\n", " BODY=8BITMIME"), ("BODY=7BIT", "é\n", " BODY=8BITMIME"), ("", "e\n", ""),
            ("BODY=8BITMIME", "e\n", " BODY=8BITMIME"), ("BODY=7BIT", "e\n", " BODY=7BIT"),
            ("BODY=X", "e\n", ""),
        ])
    func declared(parameters: String, content: String, body: String) {
        var server = ScriptedServer(Row("EHLO", "250-mx\r\n250 8BITMIME\r\n"))
        #expect(server.deliver("x@mx.example", parameters: parameters, content: content) == [.delivered])
        #expect(server.wire.contains("MAIL FROM:<a@client.example>\(body)\r\n"))
        var plain = ScriptedServer(Row("EHLO", "250 mx\r\n"))
        _ = plain.deliver("x@mx.example", parameters: parameters, content: "e\n")
        #expect(plain.wire.contains("MAIL FROM:<a@client.example>\r\n"))
    }

    // MARK: - Capabilities

    @Test(
        "SIZE is what it can be (T66)",
        arguments: [
            ("SIZE", true, nil), ("SIZE 0", true, nil), ("SIZE 10", true, 10), ("size 10", true, 10),
            ("SIZE 99999999999999999999", true, nil), ("SIZE -1", true, nil), ("SIZE 0x10", true, nil),
            ("SIZE 10 20", true, nil), ("SIZE=10", false, nil), ("XSIZE 10", false, nil),
            ("SIZE 18446744073709551615", true, .max),
        ] as [(String, Bool, UInt64?)])
    func sizes(line: String, declared: Bool, limit: UInt64?) {
        let reply = ServerReply(code: 250, lines: [[UInt8]("mx SIZE 5"), Array(line.utf8)])
        let capabilities = Capabilities(reply)
        #expect(capabilities.declaresSize == declared)
        #expect(capabilities.largestMessage == limit)
    }
}
