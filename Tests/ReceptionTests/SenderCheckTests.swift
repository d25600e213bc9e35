import Bytes
import Mail
import Queue
import Reception
import Testing
import Unix

/// Whether who has logged in may write under the names that he writes under.
@Suite struct SenderCheckTests {
    private let host: TemporaryHost

    init() throws { host = try TemporaryHost() }

    /// What is said to who owns `me@host.example` alone: empty where the message is taken.
    private func refusal(_ sender: String, _ header: String, lookupFails: Bool = false) throws -> String {
        let check = SenderCheck(of: "me") { address throws(Rejection) in
            if lookupFails { throw Rejection(451, EnhancedStatus(4, 3, 0), "Try again later") }
            return address.text == Array("me@host.example".utf8)
        }
        let door = Reception(host.configuration, from: .client(nil), through: [check])
        do throws(ReceptionFailure) {
            let envelope = Envelope(
                reversePath: Array(sender.utf8), recipients: [.init(Array("you@far.example".utf8))])
            let message = try door.take(envelope)
            message.append(Array("\(header)\n\ntext\n".utf8))
            try message.commit(wakes: false)
            return ""
        } catch {
            guard case .rejected(let rejection) = error else { throw error }
            return "\(rejection.code) \(rejection.text)"
        }
    }

    @Test(
        "what is checked is the reverse-path, and each address of From and Sender",
        arguments: [
            ("me@host.example", "From: Me <me@host.example>", ""),
            ("", "From: me@host.example", ""), ("me@host.example", "Subject: no author", ""),
            ("you@host.example", "From: me@host.example", "553"),
            ("me@host.example", "From: you@host.example", "554"),
            ("me@host.example", "From: me@host.example, You <you@host.example>", "554"),
            ("me@host.example", "From: \"me@host.example\" <you@host.example>", "554"),
            ("me@host.example", "FROM : you@host.example", "554"),
            ("me@host.example", "From: me@host.example\nFrom: you@host.example", "554"),
            ("me@host.example", "From: me@host.example\nSender: you@host.example", "554"),
            ("me@host.example", "From: me@host.example,\n you@host.example", "554"),
            ("me@host.example", "From: group: you@host.example;", "554"),
            ("me@host.example", "From: me@host.example you <", "554"),
            ("me@host.example", "From: me@host.example\nReply-To: you@host.example", ""),
        ])
    func fields(sender: String, header: String, expected: String) throws {
        let said = try refusal(sender, header)
        #expect(said.hasPrefix(expected) && said.isEmpty == expected.isEmpty, "\(said)")
        #expect(try host.count() == (expected.isEmpty ? 1 : 0), "what is refused is not kept")
    }

    @Test("behind more fields than are looked at nobody's name is hidden")
    func long() throws {
        let many = Array(repeating: "X: y", count: MessageHeader.mostFields).joined(separator: "\n")
        #expect(try refusal("me@host.example", "\(many)\nFrom: you@host.example") == "554 Header is too long")
        #expect(try host.count() == 0)
    }

    @Test("what cannot be looked up has to come again")
    func unknown() throws {
        #expect(
            try refusal("me@host.example", "From: me@host.example", lookupFails: true)
                == "451 Try again later")
    }
}
