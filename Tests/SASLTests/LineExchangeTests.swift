import Bytes
import Testing

import SASL

/// The lines in which SMTP, POP3 and IMAP carry the messages.
@Suite struct LineExchangeTests {
    private func begin(_ text: String?) -> LineExchange.Step {
        var exchange = LineExchange(.plain)
        return exchange.begin(text.map { Array($0.utf8) })
    }

    private func take(_ line: String) -> LineExchange.Step {
        var exchange = LineExchange(.plain)
        _ = exchange.begin(nil)
        return exchange.take(Array(line.utf8))
    }

    private static let test = Credentials(user: Array("test".utf8), password: Array("test".utf8))

    @Test("RFC 5034 §6: PLAIN with an initial response, and with the response behind an empty challenge")
    func pop3() {
        #expect(begin("dGVzdAB0ZXN0AHRlc3Q=") == .verify(Self.test))
        #expect(begin(nil) == .challenge([]))
        #expect(take("dGVzdAB0ZXN0AHRlc3Q=") == .verify(Self.test))
    }

    @Test("RFC 4959 §6: the same in IMAP, in which the initial response is one line less")
    func imap() {
        #expect(begin("dGVzdAB0ZXN0AHRlc3Q=") == .verify(Self.test))
        #expect(take("dGVzdAB0ZXN0AHRlc3Q=") == .verify(Self.test))
    }

    @Test("RFC 4959 §3, RFC 5034 §4: `=` is an empty response where it stands in the command, and only there")
    func empty() {
        #expect(begin("=") == .malformed, "it is read; PLAIN has no empty message")
        #expect(begin("") == .malformed)
        #expect(take("=") == .unreadable)
        #expect(take("") == .malformed)
    }

    @Test("RFC 9051 §6.2.2: a line that is * alone cancels, where a line is waited for")
    func cancelled() {
        #expect(take("*") == .cancelled)
        #expect(begin("*") == .unreadable)
        for line in ["**", " *", "* ", "*="] { #expect(take(line) == .unreadable) }
    }

    @Test(
        "what is no base 64 as RFC 4648 §4 has it is told apart from what is no message",
        arguments: [
            "AHUAcA", "AHUAcA=", "AHU AcA==", "AHUAcA==x", "AHUAcA===", "AHUAcB==", "====", "A", "\0", "é",
            "AHUAcA==\r", " AHUAcA==", "AH-_cA==",
        ])
    func unreadable(text: String) {
        #expect(begin(text) == .unreadable)
        #expect(take(text) == .unreadable)
    }

    @Test("a response has its limit, at n and n+1")
    func limit() {
        func text(_ length: Int) -> String {
            // NUL, a name of one letter, NUL, and a password that fills the rest of the groups.
            let password = [UInt8](repeating: .ascii("p"), count: length / 4 * 3 - 3)
            return String(decoding: Base64.encode([0, .ascii("u"), 0] + password), as: UTF8.self)
        }
        let longest = text(LineExchange.longestResponse)
        #expect(longest.utf8.count == LineExchange.longestResponse)
        if case .verify = begin(longest) {} else { Issue.record("the longest is refused") }
        if case .verify = take(longest) {} else { Issue.record("the longest is refused") }
        #expect(begin(text(LineExchange.longestResponse + 4)) == .unreadable)
        #expect(take(text(LineExchange.longestResponse + 4)) == .unreadable)
    }
}
