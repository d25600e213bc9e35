import Bytes

/// A server's exchange as SMTP (RFC 4954 §4), POP3 (RFC 5034 §4) and IMAP (RFC 9051 §6.2.2) carry it: each message in base 64,
/// on a line. What a protocol adds is what stands before a challenge, and its words for the end.
package struct LineExchange {
    package enum Step: Equatable {
        /// Base 64 for the client, perhaps none; its next line, whatever it is, is the response.
        case challenge([UInt8])
        case verify(Credentials)
        /// It could be read, and is no message of the mechanism.
        case malformed
        /// The client gave up.
        case cancelled
        /// No base 64 as RFC 4648 §4 has it, or longer than `longestResponse`.
        case unreadable
    }

    /// In base 64.
    package static let longestResponse = 4096

    private var exchange: ServerExchange

    package init(_ mechanism: Mechanism) { exchange = ServerExchange(mechanism) }

    /// `text`: what stands behind the mechanism in the command, nil for nothing. There `=` is a response that is empty
    /// (RFC 4959 §3, RFC 5034 §4), and nothing cancels.
    package mutating func begin(_ text: [UInt8]?) -> Step {
        guard let text else { return step(exchange.begin(nil)) }
        guard let message = text == [.ascii("=")] ? [] : Self.decode(text) else { return .unreadable }
        return step(exchange.begin(message))
    }

    /// `line`: without its line end. One that is `*` alone cancels.
    package mutating func take(_ line: [UInt8]) -> Step {
        if line == [.ascii("*")] { return .cancelled }
        guard let message = Self.decode(line) else { return .unreadable }
        return step(exchange.take(message))
    }

    private static func decode(_ text: [UInt8]) -> [UInt8]? {
        text.count <= longestResponse ? Base64.decode(text) : nil
    }

    private func step(_ step: ServerExchange.Step) -> Step {
        switch step {
        case .challenge(let message): .challenge(Base64.encode(message))
        case .verify(let credentials): .verify(credentials)
        case .malformed: .malformed
        }
    }
}
