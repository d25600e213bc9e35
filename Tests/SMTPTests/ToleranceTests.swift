import Bytes
import SMTP
import Testing

/// What a good client does is no error, however often it does it (RFC 5321 §4.5.3.1.10, RFC 2920 §3.1).
@Suite struct ToleranceTests {
    private static let good = "MAIL FROM:<a@b>\r\nRCPT TO:<local@here>\r\nDATA\r\nx\r\n.\r\n"
    private static let unknown = "MAIL FROM:<a@b>\r\nRCPT TO:<no@far.example>\r\nDATA\r\nRSET\r\n"

    private static func converse(_ input: String, recipientLimit: Int = 1000) -> Conversation {
        Conversation(Array(("EHLO x\r\n" + input).utf8), cut: 1 << 20, recipientLimit: recipientLimit)
    }

    @Test("1,200 recipients with a limit of 1,000: the first thousand get the message, the others a 452")
    func tooMany() {
        let recipients = (1...1200).map { "RCPT TO:<user\($0)@here>\r\n" }.joined()
        let conversation = Self.converse("MAIL FROM:<a@b>\r\n" + recipients + "DATA\r\nx\r\n.\r\nQUIT\r\n")
        #expect(conversation.messages.map(\.recipients.count) == [1000])
        #expect(conversation.codes.filter { $0 == 452 }.count == 200)
        #expect(conversation.codes.suffix(3) == [354, 250, 221])
    }

    @Test("recipients beyond the limit count as nothing, and are told to the log once a transaction")
    func beyond() {
        let handler = FakeHandler()
        var session = ServerSession(
            .init(hostname: "here", sizeLimit: 1000, recipientLimit: 1, offersTLS: false), handler: handler)
        let once =
            "MAIL FROM:<>\r\n" + String(repeating: "RCPT TO:<user1@here>\r\n", count: 3000) + "RSET\r\n"
        var input = Array(("EHLO x\r\n" + once + once).utf8)[...]
        while !input.isEmpty {
            let step = session.step(input)
            #expect(step.next == .proceed)
            input = input.dropFirst(step.consumed)
        }
        #expect(handler.refusals.map(\.reply.code) == [452, 452])
    }

    @Test("a mailing list whose recipients are mostly gone still reaches those that are here")
    func mailingList() {
        let gone = String(repeating: "RCPT TO:<no@far.example>\r\n", count: 999)
        let conversation = Self.converse(
            "MAIL FROM:<a@b>\r\n" + gone + "RCPT TO:<local@here>\r\nDATA\r\nx\r\n.\r\nQUIT\r\n")
        #expect(conversation.messages.map(\.recipients) == [["local@here"]])
    }

    @Test("a session of thousands of messages, each with its errors, goes on")
    func longSession() {
        let errors = "FOO\r\n" + String(repeating: "DATA\r\n", count: 20) + Self.unknown
        let conversation = Self.converse(
            String(repeating: errors + Self.good, count: 2000) + "QUIT\r\n")
        #expect(conversation.messages.count == 2000)
        #expect(conversation.codes.last == 221)
    }

    @Test("what was pipelined behind a refusal is no error of its own")
    func pipelined() {
        let mails = [
            "MAIL FROM:<a@b> SIZE=200000\r\n", "MAIL FROM:<a@b> X=y\r\n", "MAIL FROM:<a@é>\r\n",
        ]
        for mail in mails {
            let refused = mail + String(repeating: "RCPT TO:<local@here>\r\n", count: 50) + "DATA\r\n"
            let conversation = Self.converse(String(repeating: refused, count: 15) + Self.good + "QUIT\r\n")
            #expect(conversation.messages.count == 1)
        }
        let lists = Self.converse(String(repeating: Self.unknown, count: 500) + Self.good + "QUIT\r\n")
        #expect(lists.messages.count == 1)
    }

    @Test("NOOP, RSET, VRFY, HELP and EHLO are no errors")
    func idle() {
        let idle = "NOOP\r\nRSET\r\nVRFY x\r\nHELP\r\nEHLO x\r\n"
        let conversation = Self.converse(String(repeating: idle, count: 1000) + Self.good)
        #expect(conversation.messages.count == 1)
    }

    @Test("commands that are no SMTP end the session, unless a message comes between")
    func junk() {
        let almost = String(repeating: "FOO\r\n", count: Tolerance.mostSyntaxErrors - 1)
        #expect(Self.converse(almost + Self.good + almost + Self.good).messages.count == 2)
        #expect(Self.converse(almost + "FOO\r\n" + Self.good).messages.isEmpty)
    }

    @Test("content that is refused is read so far, n and n+1 octets, and then its client sent away")
    func endless() {
        let handler = FakeHandler()
        var session = ServerSession(
            .init(hostname: "here", sizeLimit: 1000, recipientLimit: 10, offersTLS: false), handler: handler)
        for line in ["EHLO x\r\n", "MAIL FROM:<>\r\n", "RCPT TO:<local@here>\r\n", "DATA\r\n"] {
            _ = session.step(Array(line.utf8)[...])
        }
        let piece = [UInt8](repeating: .ascii("x"), count: 1 << 20)
        for _ in 0..<16 {
            let step = session.step(piece[...])
            #expect(step.next == .proceed && step.consumed == 1 << 20 && step.output.isEmpty)
        }
        let last = session.step([.ascii("x")])
        #expect(last.next == .sendAway)
        let said = String(decoding: last.output, as: UTF8.self).split(separator: "\r\n").map { $0.prefix(9) }
        #expect(said == ["552 5.3.4", "421 4.7.0"])
        #expect(handler.abandoned == 1 && handler.refusals.count == 1 && handler.committed.isEmpty)
    }
}
