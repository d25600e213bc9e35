import Bytes
import Mail
import SMTP
import Testing

/// What a message leaves behind in its session, which must be nothing; and sizes, n and n+1 octets.
@Suite struct SecondMessageTests {
    private static let envelope = "MAIL FROM:<>\r\nRCPT TO:<local@here>\r\nDATA\r\n"

    /// The codes of the replies, and how many refusals are for the log.
    private func say(_ lines: String...) -> (codes: [Int], news: Int) {
        let handler = FakeHandler()
        var session = ServerSession(
            .init(hostname: "here", sizeLimit: 1000, recipientLimit: 2, offersTLS: false), handler: handler)
        let codes = lines.map { line in
            let step = session.step(Array("\(line)\r\n".utf8)[...])
            return Int(strictDecimal: step.output.prefix(3)) ?? -1
        }
        return (codes, handler.refusals.count)
    }

    @Test(
        "a greeting and RSET give the transaction up (RFC 5321 §4.1.4, §4.1.1.5)",
        arguments: ["EHLO d", "HELO d", "RSET"])
    func givenUp(command: String) {
        let rcpt = "RCPT TO:<local@here>"
        #expect(say("EHLO c", "MAIL FROM:<>", rcpt, command, "DATA").codes == [250, 250, 250, 250, 503])
        #expect(say("EHLO c", "MAIL FROM:<>", rcpt, command, rcpt).codes == [250, 250, 250, 250, 503])
        #expect(
            say("EHLO c", "MAIL FROM:<>", rcpt, command, "MAIL FROM:<>", "DATA").codes
                == [250, 250, 250, 250, 250, 554])
    }

    @Test("what a refused MAIL excuses is over with the transaction", arguments: ["EHLO d", "RSET"])
    func excuse(command: String) {
        let (mail, rcpt) = ("MAIL FROM:<> BODY=9", "RCPT TO:<local@here>")
        #expect(say("EHLO c", mail, rcpt) == ([250, 501, 503], 1))
        #expect(say("EHLO c", mail, command, rcpt) == ([250, 501, 250, 503], 2))
    }

    @Test("messages that come to more than one may be are taken, one after the other")
    func octets() {
        let handler = FakeHandler()
        var session = ServerSession(
            .init(hostname: "here", sizeLimit: 4 << 20, recipientLimit: 10, offersTLS: false),
            handler: handler)
        func say(_ text: String) -> String {
            var rest = Array(text.utf8)[...]
            var output: [UInt8] = []
            while !rest.isEmpty {
                let step = session.step(rest)
                rest = rest.dropFirst(step.consumed)
                output += step.output
                if step.consumed == 0 { break }
            }
            return String(decoding: output, as: UTF8.self)
        }
        _ = say("EHLO x\r\n")
        let piece = [UInt8](repeating: .ascii("x"), count: 3 << 20)
        for number in 1...6 {
            #expect(say(Self.envelope).hasSuffix("354 End data with <CR><LF>.<CR><LF>\r\n"))
            #expect(session.step(piece[...]).next == .proceed)
            #expect(say("\r\n.\r\n") == "250 2.0.0 Ok: queued\r\n", "message \(number)")
        }
        #expect(handler.committed.count == 6)
    }

    @Test(
        "content of as many octets as are allowed is taken, and of one more is not",
        arguments: [99, 100, 101])
    func sizes(size: Int) {
        let content = String(repeating: "x", count: size - 2) + "\r\n"
        for declared in ["", " SIZE=\(size)"] {
            let envelope = Self.envelope.replacing("<>", with: "<>\(declared)")
            let text = "EHLO c\r\n\(envelope)\(content).\r\n"
            let conversation = Conversation(Array(text.utf8), cut: 1 << 16, sizeLimit: 100)
            #expect(conversation.messages.count == (size <= 100 ? 1 : 0), "\(declared)")
            #expect(conversation.codes.contains(552) == (size > 100), "\(declared)")
        }
    }

    @Test("a command line of as many octets as are allowed is taken, and of one more is not")
    func lines() {
        for (length, code) in [(-1, 250), (0, 250), (1, 500)] {
            let blanks = ServerSession.longestLine + length - "NOOP\r\n".utf8.count
            let text = "NOOP" + String(repeating: " ", count: blanks) + "\r\nQUIT\r\n"
            for cut in [1000, 1 << 16] {
                #expect(Conversation(Array(text.utf8), cut: cut).codes == [code, 221], "\(length)")
            }
        }
    }
}
