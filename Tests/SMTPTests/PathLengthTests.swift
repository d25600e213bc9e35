import Bytes
import Mail
import SMTP
import Testing

/// RFC 5321 §4.5.3.1.3 asks for paths of 256 octets, their brackets counted, and that no limit be where none is needed.
@Suite struct PathLengthTests {
    /// A path of so many octets, its brackets counted.
    private func path(_ length: Int) -> String {
        "<user" + String(repeating: "x", count: length - "<user@here>".utf8.count) + "@here>"
    }

    @Test(
        "a path is taken up to the limit, and the one behind it is refused",
        arguments: [254, 255, 256, 257, 258, 259, 300, AddressLimit.path])
    func taken(length: Int) {
        let path = path(length)
        #expect(path.utf8.count == length)
        let text = "EHLO c\r\nMAIL FROM:\(path)\r\nRCPT TO:\(path)\r\nDATA\r\nx\r\n.\r\nQUIT\r\n"
        let conversation = Conversation(Array(text.utf8), cut: 1 << 16)
        #expect(conversation.codes == [250, 250, 250, 354, 250, 221])
        #expect(conversation.messages.map(\.recipients) == [[String(path.dropFirst().dropLast())]])
    }

    @Test("one octet more is a bad address, and the next command is heard")
    func refused() {
        let path = path(AddressLimit.path + 1)
        let text =
            "EHLO c\r\nMAIL FROM:\(path)\r\nMAIL FROM:<>\r\nRCPT TO:\(path)\r\nRCPT TO:<user@here>\r\nQUIT\r\n"
        let conversation = Conversation(Array(text.utf8), cut: 1 << 16)
        #expect(conversation.codes == [250, 501, 250, 501, 250, 221])
        #expect(AddressLimit.path >= 256 + 2)
    }

    @Test("what was taken goes on as it is", arguments: [256, 258, AddressLimit.path])
    func sent(length: Int) {
        let path = path(length)
        let address = String(path.dropFirst().dropLast())
        var server = ScriptedServer()
        #expect(server.deliver(address, from: address) == [.delivered])
        #expect(server.wire.contains("MAIL FROM:\(path) SIZE=20\r\n"))
        #expect(server.wire.contains("RCPT TO:\(path)\r\n"))
    }
}
