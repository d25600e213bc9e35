import Bytes
import Mail
import Testing

@testable import SMTP

/// What a client makes of the replies to its commands: whom a refusal concerns, and what is none.
@Suite struct ClientRefusalTests {
    typealias Row = ScriptedServer.Row

    struct Refusal: CustomStringConvertible {
        let description: String
        let row: Row
        let verdicts: [ClientOutcome.Verdict?]
        let status: EnhancedStatus
    }

    static let refusals: [Refusal] = [
        Refusal(
            description: "MAIL refused for now", row: Row("MAIL", "451 4.7.1 greylisted\r\n"),
            verdicts: [.later, .later], status: EnhancedStatus(4, 7, 1)),
        Refusal(
            description: "MAIL refused for good", row: Row("MAIL", "550 5.7.1 not you\r\n"),
            verdicts: [.failed, .failed], status: EnhancedStatus(5, 7, 1)),
        Refusal(
            description: "first recipient unknown", row: Row("RCPT TO:<x@", "550 5.1.1 unknown\r\n"),
            verdicts: [.failed, .delivered], status: EnhancedStatus(5, 1, 1)),
        Refusal(
            description: "first recipient's box full", row: Row("RCPT TO:<x@", "452 4.2.2 full\r\n"),
            verdicts: [.later, .delivered], status: EnhancedStatus(4, 2, 2)),
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
            verdicts: [.later, .later], status: EnhancedStatus(4, 0, 0)),
        Refusal(
            description: "message refused", row: Row("end", "554 5.7.1 spam\r\n"),
            verdicts: [.failed, .failed], status: EnhancedStatus(5, 7, 1)),
        Refusal(
            description: "message refused for now", row: Row("end", "451 4.3.0 disk\r\n"),
            verdicts: [.later, .later], status: EnhancedStatus(4, 3, 0)),
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
            description: "one recipient refused with a code of no RFC",
            row: Row("RCPT TO:<x@", "571 5.7.1 no\r\n"),
            verdicts: [.failed, .delivered], status: EnhancedStatus(5, 7, 1)),
        Refusal(
            description: "one recipient later, with a code of no RFC", row: Row("RCPT TO:<x@", "499 no\r\n"),
            verdicts: [.later, .delivered], status: EnhancedStatus(4, 0, 0)),
        Refusal(
            description: "MAIL refused with a code of no RFC", row: Row("MAIL", "571 5.7.1 no\r\n"),
            verdicts: [.failed, .failed], status: EnhancedStatus(5, 7, 1)),
        Refusal(
            description: "the message refused with a code of no RFC", row: Row("end", "580 no\r\n"),
            verdicts: [.failed, .failed], status: EnhancedStatus(5, 0, 0)),
        Refusal(
            description: "the status code on the last line only",
            row: Row("RCPT TO:<x@", "550-no such user\r\n550 5.1.1 here\r\n"),
            verdicts: [.failed, .delivered],
            status: EnhancedStatus(5, 1, 1)),
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

    @Test(
        "Any code of the right class will do",
        arguments: [
            Row("greeting", "250 hello\r\n"), Row("greeting", "299-a\nwords\n299 b\n"),
            Row("MAIL", "200 ok\r\n"),
            Row("RCPT", "251 will forward\r\n"), Row("RCPT", "252 will try\r\n"), Row("RCPT", "299\r\n"),
            Row("DATA", "300 go\r\n"), Row("DATA", "399 go\r\n"), Row("EHLO", "571 what\r\n"),
            Row("EHLO", "599 what\r\n"), Row("HELO", "220 hi\r\n"), Row("end", "200 ok\r\n"),
        ], [Int.max, 1])
    func oddCodes(row: Row, step: Int) {
        var server = ScriptedServer(row)
        server.step = step
        #expect(server.deliver("x@mx.example", "y@mx.example") == [.delivered, .delivered])
    }

    @Test(
        "Who began to say 250 behind the end of a message has taken it",
        arguments: [
            "250 ok\n", "250 ok\r\r\n", "250\r\n", "250\n", "250\u{0}ok\r\n", "250 o\u{0}k\r\n",
            "250-a\r\n251 b\r\n",
            "550-a\r\n250 b\r\n", "250 okCLOSE", "250CLOSE", "250-okCLOSE", "250-ok\r\nCLOSE",
            "250-ok\r\n25CLOSE",
            "\r\n250 ok\r\n", "nonsense\r\n\r\n250 ok\r\n", "999 x\r\n250 ok\r\n",
            "250 " + String(repeating: "x", count: 100_000) + "\r\n",
            "250 " + String(repeating: "x", count: ReplyParser.largestReply + 1),
            String(repeating: "250-x\r\n", count: 1000) + "250 x\r\n",
            String(repeating: "250-x\r\n", count: ReplyParser.largestReply / 7 + 1),
        ], [Int.max, 1000])
    func taken(answer: String, step: Int) {
        var server = ScriptedServer(Row("end", answer))
        server.step = step
        #expect(server.deliver("x@mx.example", "y@mx.example") == [.delivered, .delivered])
    }

    @Test("What began to be a refusal is one; what has no code says nothing")
    func notTaken() {
        for (answer, verdict) in [
            ("550 noCLOSE", ClientOutcome.Verdict.failed), ("451-xCLOSE", .later), ("25CLOSE", .deferred),
            ("CLOSE", .deferred),
            ("nonsense\r\nCLOSE", .deferred), ("999 x\r\nCLOSE", .deferred), ("354 x\r\n", .deferred),
        ] {
            var server = ScriptedServer(Row("end", answer))
            #expect(server.deliver("x@mx.example") == [verdict], "\(answer)")
        }
    }

    @Test("LMTP: each reply counts for its recipient, also the one that breaks off")
    func unfinishedLMTP() {
        var server = ScriptedServer(
            Row("end", "250 first\n", times: 1), Row("end", "250 secCLOSE"), dialect: .lmtp)
        #expect(
            server.deliver("x@mx.example", "y@mx.example", "z@mx.example") == [
                .delivered, .delivered, .deferred,
            ])
    }

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
}
