import Bytes
import SMTP
import Testing

/// Sessions put together by chance, the same ones each time.
@Suite struct RandomSessionTests {
    /// xorshift64*.
    private struct Chance: RandomNumberGenerator {
        var state: UInt64

        mutating func next() -> UInt64 {
            state ^= state >> 12
            state ^= state << 25
            state ^= state >> 27
            return state &* 2_685_821_657_736_338_717
        }
    }

    private static let pieces = [
        "EHLO x\r\n", "HELO x\r\n", "MAIL FROM:<a@b>\r\n", "MAIL FROM:<> SIZE=9\r\n",
        "RCPT TO:<local@here>\r\n",
        "RCPT TO:<user1@here>\r\n", "RCPT TO:<x@far.example>\r\n", "DATA\r\n", "RSET\r\n", "NOOP\r\n",
        "STARTTLS\r\n",
        "VRFY x\r\n", "QUIT\r\n", ".\r\n", "..\r\n", "\r\n", "\r", "\n", "\0", ".", "x", "text\r\n", "MAIL",
        " ", "<", ">",
        "\"", "@", "BDAT 5\r\nxxxxx", "AUTH PLAIN =\r\n", "é",
    ].map { Array($0.utf8) }

    @Test(
        "whatever comes, the pieces it comes in make no difference, and nothing bad is kept",
        arguments: 1...40)
    func pieces(seed: Int) {
        var chance = Chance(state: UInt64(seed) &* 0x9E37_79B9_7F4A_7C15)
        for _ in 0..<20 {
            let input = (0..<Int.random(in: 1...60, using: &chance)).flatMap { _ in
                Self.pieces.randomElement(using: &chance) ?? []
            }
            let whole = Conversation(input, cut: 1 << 20)
            for cut in [1, Int.random(in: 2...40, using: &chance)] {
                let cutUp = Conversation(input, cut: cut)
                #expect(
                    cutUp.output == whole.output && cutUp.messages == whole.messages, "\(input.escaped())")
            }
            #expect(!whole.output.contains { $0.isControl && $0 != .cr && $0 != .lf })
            #expect(
                whole.messages.allSatisfy { message in
                    !message.content.utf8.contains { $0 == .cr || $0 == .nul }
                })
            #expect(whole.messages.allSatisfy { !$0.recipients.isEmpty })
            #expect(whole.codes.filter { $0 == 354 }.count >= whole.messages.count)
        }
    }
}
