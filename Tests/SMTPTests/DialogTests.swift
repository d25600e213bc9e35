import Bytes
import SMTP
import Testing

@Suite struct DialogTests {
    @Test("a pipelined session is answered reply by reply, and every message is stored as it was meant")
    func pipelined() {
        let input =
            "EHLO x\r\nMAIL FROM:<a@b> SIZE=10 BODY=8BITMIME\r\nRCPT TO:<local@here>\r\nRCPT TO:<no@far.example>\r\n"
            + "RCPT TO:<LOCAL@here>\r\nDATA\r\nSubject: 1\r\n\r\n..\r\n.dot\r\n.\r\n"
            + "MAIL FROM:<>\r\nRCPT TO:<Postmaster>\r\nDATA\r\n.\r\nNOOP\r\nVRFY x\r\nHELP\r\nQUIT\r\nNOOP\r\n"
        for cut in [1, 2, 5, 64, 1 << 20] {
            let conversation = Conversation(Array(input.utf8), cut: cut)
            #expect(
                conversation.codes == [
                    250, 250, 250, 550, 250, 354, 250, 250, 250, 354, 250, 250, 252, 214, 221,
                ])
            #expect(conversation.isClosed)
            #expect(
                conversation.messages == [
                    .init(recipients: ["local@here", "LOCAL@here"], content: "Subject: 1\n\n.\ndot\n"),
                    .init(recipients: ["postmaster"], content: ""),
                ])
        }
    }

    @Test("EHLO offers what is there, STARTTLS once and only in the clear")
    func offers() {
        let clear = Conversation(Array("EHLO x\r\n".utf8), cut: 9, tls: true)
        #expect(
            String(decoding: clear.output, as: UTF8.self)
                == "250-here\r\n250-PIPELINING\r\n250-SIZE 100000\r\n250-8BITMIME\r\n250-ENHANCEDSTATUSCODES\r\n250-DSN\r\n250 STARTTLS\r\n"
        )
        let inside = Conversation(
            Array(
                "EHLO x\r\nMAIL FROM:<>\r\nSTARTTLS\r\nRCPT TO:<local@here>\r\nEHLO x\r\nSTARTTLS\r\n".utf8),
            cut: 1, tls: true)
        #expect(inside.startsTLS == 1)
        #expect(inside.codes == [250, 250, 220, 503, 250, 503])
        #expect(String(decoding: inside.output, as: UTF8.self).components("STARTTLS") == 1)
    }

    @Test("HELO speaks SMTP without extensions")
    func plain() {
        let conversation = Conversation(
            Array("HELO x\r\nMAIL FROM:<> SIZE=1\r\nMAIL FROM:<>\r\n".utf8), cut: 4)
        #expect(conversation.codes == [250, 555, 250])
    }
}

extension String {
    /// How often a word stands in the text.
    func components(_ word: String) -> Int {
        let text = Array(utf8)
        let pattern = Array(word.utf8)
        return text.indices.count { text[$0...].starts(with: pattern) }
    }
}
