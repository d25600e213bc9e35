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
                "EHLO client.example\r\n", "MAIL FROM:<a@client.example> SIZE=17\r\n",
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
        #expect(server.deliver("x@mx.example", "y@mx.example") == [.delivered, .deferred])
        #expect(server.wire[0] == "LHLO client.example\r\n")
    }

    // MARK: - Refusals

    struct Refusal: CustomStringConvertible {
        let description: String
        let row: Row
        let verdicts: [ClientOutcome.Verdict?]
        let status: EnhancedStatus
    }

    static let refusals: [Refusal] = [
        Refusal(
            description: "MAIL refused for now", row: Row("MAIL", "451 4.7.1 greylisted\r\n"),
            verdicts: [.deferred, .deferred], status: EnhancedStatus(4, 7, 1)),
        Refusal(
            description: "MAIL refused for good", row: Row("MAIL", "550 5.7.1 not you\r\n"),
            verdicts: [.failed, .failed], status: EnhancedStatus(5, 7, 1)),
        Refusal(
            description: "first recipient unknown", row: Row("RCPT TO:<x@", "550 5.1.1 unknown\r\n"),
            verdicts: [.failed, .delivered], status: EnhancedStatus(5, 1, 1)),
        Refusal(
            description: "first recipient's box full", row: Row("RCPT TO:<x@", "452 4.2.2 full\r\n"),
            verdicts: [.deferred, .delivered], status: EnhancedStatus(4, 2, 2)),
        Refusal(
            description: "all recipients unknown", row: Row("RCPT", "550 unknown\r\n"),
            verdicts: [.failed, .failed], status: EnhancedStatus(5, 0, 0)),
        Refusal(
            description: "second recipient is too many", row: Row("RCPT TO:<y@", "452 4.5.3 enough\r\n"),
            verdicts: [.delivered, .tooMany], status: EnhancedStatus(2, 0, 0)),
        Refusal(
            description: "DATA refused", row: Row("DATA", "554 5.5.1 no\r\n"),
            verdicts: [.failed, .failed], status: EnhancedStatus(5, 5, 1)),
        Refusal(
            description: "DATA refused for now", row: Row("DATA", "451 later\r\n"),
            verdicts: [.deferred, .deferred], status: EnhancedStatus(4, 0, 0)),
        Refusal(
            description: "message refused", row: Row("end", "554 5.7.1 spam\r\n"),
            verdicts: [.failed, .failed], status: EnhancedStatus(5, 7, 1)),
        Refusal(
            description: "message refused for now", row: Row("end", "451 4.3.0 disk\r\n"),
            verdicts: [.deferred, .deferred], status: EnhancedStatus(4, 3, 0)),
        Refusal(
            description: "a status code of another class is not believed",
            row: Row("end", "554 2.0.0 fine\r\n"), verdicts: [.failed, .failed],
            status: EnhancedStatus(5, 0, 0)),
        Refusal(
            description: "a bare status code (T27)", row: Row("end", "554 5.7.2\r\n"),
            verdicts: [.failed, .failed], status: EnhancedStatus(5, 7, 2)),
        Refusal(
            description: "a reply without text", row: Row("end", "554\r\n"), verdicts: [.failed, .failed],
            status: EnhancedStatus(5, 0, 0)),
        Refusal(
            description: "421 in the envelope", row: Row("RCPT TO:<y@", "421 4.3.2 down\r\n"),
            verdicts: [.undecided, .undecided], status: EnhancedStatus(4, 3, 2)),
        Refusal(
            description: "421 after the message", row: Row("end", "421 4.3.2 down\r\n"),
            verdicts: [.undecided, .undecided], status: EnhancedStatus(4, 3, 2)),
        Refusal(
            description: "354 to a recipient", row: Row("RCPT TO:<x@", "354 go\r\n"),
            verdicts: [.undecided, .undecided], status: EnhancedStatus(4, 5, 0)),
        Refusal(
            description: "250 to DATA", row: Row("DATA", "250 ok\r\n"),
            verdicts: [.undecided, .undecided], status: EnhancedStatus(4, 5, 0)),
        Refusal(
            description: "354 to the message", row: Row("end", "354 more\r\n"),
            verdicts: [.deferred, .deferred], status: EnhancedStatus(4, 5, 0)),
    ]

    @Test("Each refusal falls on those it concerns", arguments: refusals, [Int.max, 1])
    func eachRefusal(row: Refusal, step: Int) {
        var server = ScriptedServer(row.row)
        server.step = step
        #expect(server.deliver("x@mx.example", "y@mx.example") == row.verdicts)
        #expect(server.session.outcomes[0]?.status == row.status)
    }

    @Test("Whom nobody wanted gets an empty message when DATA is accepted all the same (T22)")
    func pipelinedData() {
        var server = ScriptedServer(Row("RCPT", "550 no\r\n"))
        #expect(server.deliver("x@mx.example") == [.failed])
        #expect(server.wire.last == ".\r\n")
        #expect(server.session.isIdle)
        #expect(server.deliver("y@mx.example") == [.failed])
    }

    @Test("What the server said is told with the command that it answered")
    func words() {
        var server = ScriptedServer(
            Row("RCPT", "550-5.1.1 The account\r\n550-5.1.1 does not exist.\r\n550 5.1.1  See http://x\r\n"))
        _ = server.deliver("x@mx.example")
        #expect(
            server.text()
                == "host mx.example[192.0.2.1] said: 550 5.1.1 The account does not exist. See http://x (in reply to RCPT TO)"
        )
    }

    // MARK: - Opening

    @Test(
        "A session that cannot begin decides nothing: another host may be asked",
        arguments: [
            Row("greeting", "554 5.7.1 go away\r\n"), Row("greeting", "421 busy\r\n"),
            Row("greeting", "250 hello\r\n"), Row("greeting", nil), Row("greeting", "SSH-2.0-OpenSSH\r\n"),
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
        #expect(server.wire.contains("MAIL FROM:<> SIZE=17\r\n"))
    }

    @Test("A message that the server cannot take is not offered")
    func unsuitable() throws {
        var small = ScriptedServer(Row("EHLO", "250-mx\r\n250 SIZE 16\r\n"))
        #expect(small.deliver("x@mx.example") == [.failed])
        #expect(small.session.outcomes[0]?.status == EnhancedStatus(5, 3, 4))
        var exact = ScriptedServer(Row("EHLO", "250-mx\r\n250 SIZE 17\r\n"))
        #expect(exact.deliver("x@mx.example") == [.delivered])
        var seven = ScriptedServer(Row("EHLO", "250 mx\r\n"))
        #expect(seven.deliver("x@mx.example", parameters: "BODY=8BITMIME") == [.failed])
        #expect(seven.session.outcomes[0]?.status == EnhancedStatus(5, 6, 3))
        #expect(seven.deliver("é@mx.example") == [.failed])
        #expect(seven.session.outcomes[0]?.status == EnhancedStatus(5, 6, 7))
        #expect(seven.wire.count == 1, "nothing but EHLO")
        var transaction = ClientTransaction(
            reversePath: [], parameters: try Parameters([UInt8]("BODY=8BITMIME SMTPUTF8")), size: 1,
            recipients: [.init(address: [UInt8]("x@mx.example"))])
        #expect(transaction.needsEightBits && transaction.needsUTF8)
        transaction.isSevenBit = true
        #expect(!transaction.needsEightBits && !transaction.needsUTF8, "ASCII needs neither")
        #expect(seven.deliver("x@mx.example") == [.delivered])
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
