import Bytes
import Mail
import Testing

@testable import SMTP

/// What a transaction leaves behind in its session, which must be nothing but a RSET; and what a session before TLS does.
@Suite struct SecondTransactionTests {
    typealias Row = ScriptedServer.Row

    private static let plain = Row("EHLO", "250 mx.example\r\n")
    private static let pipelining = Row("EHLO", "250-mx.example\r\n250 PIPELINING\r\n")

    @Test(
        "a message goes out behind one that was refused, whatever of that was refused",
        arguments: [plain, pipelining])
    func behindRefusal(hello: Row) {
        for (row, verdict) in [
            (Row("MAIL", "451 4.3.0 later\r\n", times: 1), .later),
            (Row("MAIL", "550 5.7.1 no\r\n", times: 1), .failed),
            (Row("RCPT", "550 5.1.1 no\r\n", times: 1), .failed),
            (Row("DATA", "554 5.5.1 no\r\n", times: 1), .failed),
            (Row("end", "451 4.3.0 disk\r\n", times: 1), .later),
        ] as [(Row, ClientOutcome.Verdict)] {
            var server = ScriptedServer(hello, row)
            #expect(server.deliver("x@mx.example") == [verdict], "\(row.words)")
            #expect(
                server.deliver("y@mx.example", "z@mx.example") == [.delivered, .delivered], "\(row.words)")
            #expect(server.deliver("x@mx.example") == [.delivered], "\(row.words)")
            #expect(server.session.failure == nil)
        }
    }

    @Test("who was accepted before is not accepted now", arguments: [plain, pipelining])
    func accepted(hello: Row) {
        var server = ScriptedServer(hello, Row("RCPT TO:<no@", "452 4.2.2 full\r\n"))
        #expect(server.deliver("x@mx.example", "y@mx.example") == [.delivered, .delivered])
        // The first refusal of a transaction says nothing of how many recipients there may be.
        #expect(server.deliver("no@mx.example", "no@other.example") == [.later, .later])
        #expect(server.wire.filter { $0.hasPrefix("Subject") }.count == 1)
    }

    @Test("552 to the first recipient is no limit of recipients")
    func tooMany() {
        var server = ScriptedServer(Row("RCPT TO:<no@", "552 5.2.2 full\r\n"))
        #expect(server.deliver("no@mx.example", "x@mx.example") == [.failed, .delivered])
        #expect(server.deliver("x@mx.example", "no@mx.example") == [.delivered, .tooMany])
    }

    @Test("a message of as many octets as the server takes is sent, and of one more is not")
    func sizes() {
        for (limit, verdict) in [(21, .delivered), (20, .delivered), (19, .failed)]
            as [(Int, ClientOutcome.Verdict)]
        {
            var server = ScriptedServer(Row("EHLO", "250-mx.example\r\n250 SIZE \(limit)\r\n"))
            #expect(server.deliver("x@mx.example") == [verdict], "\(limit)")
        }
    }

    @Test("what was offered before TLS is not offered behind it (RFC 3207 §4.2)")
    func behindTLS() {
        var server = ScriptedServer(
            Row("EHLO", "250-mx.example\r\n250-STARTTLS\r\n250-PIPELINING\r\n250 SIZE 10\r\n", times: 1),
            Row("EHLO", "502 5.5.1 what?\r\n"), security: .opportunistic)
        #expect(server.deliver("x@mx.example") == [.delivered])
        #expect(server.tlsHandshakes == 1)
        #expect(server.wire.contains("HELO client.example\r\n"))
        #expect(server.wire.contains("MAIL FROM:<a@client.example>\r\n"))
    }

    @Test("a session may have more replies than one may be long")
    func replies() {
        var parser = ReplyParser()
        let reply = Array("250-\(String(repeating: "x", count: 400))\r\n250 ok\r\n".utf8)
        for _ in 0..<ReplyParser.largestReply / 400 + 2 {
            parser.append(reply)
            guard case .reply(let one) = parser.next() else {
                Issue.record("no reply")
                return
            }
            #expect(one.code == 250)
        }
    }

    @Test(
        "a reply in the middle of the message settles it where it is a refusal for good, and only then",
        arguments: [("550 5.7.1 spam\r\n", true), ("451 4.3.0 disk\r\n", false), ("250 2.0.0 ok\r\n", false)])
    func early(reply: String, isFinal: Bool) {
        var server = ScriptedServer(Self.plain)
        server.run()
        server.session.begin(
            ClientTransaction(
                reversePath: [], size: 1, recipients: [.init(address: Array("x@mx.example".utf8))]))
        for answer in ["250 ok\r\n", "250 ok\r\n", "354 go on\r\n"] {
            _ = server.session.next()
            server.session.receive(Array(answer.utf8))
        }
        #expect(server.session.next() == .content)
        server.session.receive(Array(reply.utf8))
        server.session.lost(.closed)
        #expect(server.session.outcomes.map { $0?.verdict } == [isFinal ? .failed : .undecided])
    }
}
