import IMAP
import SASL
import Testing

@Suite struct OtherProtocolTests {
    /// What is said in answer to all of `text`, and whether a login came out of it.
    private func talk(_ text: String) -> (output: String, ended: LoginStep.Next) {
        var session = LoginSession(offersTLS: false, allowsPlaintext: true, isEncrypted: false)
        var rest = Array(text.utf8)[...]
        var output: [UInt8] = []
        while true {
            let step = session.step(rest)
            output += step.output
            rest = rest.dropFirst(step.consumed)
            if step.next != .proceed || rest.isEmpty {
                return (String(decoding: output, as: UTF8.self), step.next)
            }
        }
    }

    @Test(
        "a browser that was made to speak to us is sent away before its body is read (T23)",
        arguments: ["POST / HTTP/1.1", "GET /x HTTP/1.0", "PROPFIND /?a=b HTTP/1.1", "head * http/2"])
    func browser(line: String) {
        let (output, ended) = talk("\(line)\r\nHost: h\r\n\r\na LOGIN u p\r\n")
        #expect(output == "* BYE This is an IMAP server\r\n")
        #expect(ended == .close)
    }

    @Test("a tag may be any word", arguments: ["GET", "POST", "HTTP/1.1"])
    func tags(tag: String) {
        #expect(talk("\(tag) NOOP\r\n").output == "\(tag) OK Noop completed\r\n")
        #expect(
            talk("\(tag) LOGIN u p\r\n").ended == .login(tag: Array(tag.utf8), user: [117], password: [112]))
    }

    @Test("RFC 2971 §3.3: 30 long values of ID are read, more than the limit of a command is not")
    func longID() {
        let pairs = (10..<40).map { "\"name\($0)\" \"\(String(repeating: "v", count: 1024))\"" }.joined(
            separator: " ")
        #expect(talk("a ID (\(pairs))\r\n").output.hasSuffix("a OK Id completed\r\n"))
        #expect(talk("a ID (\(pairs) \(pairs))\r\n").ended == .close)
    }
}
