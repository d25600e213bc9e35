import Bytes
import Mail
import Reception
import Testing

@Suite struct MessageFrontTests {
    private static let author = SubmittedHeader.Author(
        address: [UInt8]("ann@far.example"), fullName: [], hostname: [UInt8]("h.example"),
        date: DateTime(seconds: 0), messageID: [UInt8]("id@h.example"))
    static let whole = "From: a@b\nTo: c@d\nDate: x\nMessage-ID: <1@b>\n"
    static let added =
        "Date: Thu, 1 Jan 1970 00:00:00 +0000\nMessage-ID: <id@h.example>\n"

    /// What comes out when the content comes in pieces.
    private static func passed(
        _ content: String, cut size: Int, limit: Int = 1000, isOurs: Bool = false
    ) -> (text: String, header: MessageHeader) {
        var front = MessageFront(limit: limit)
        var output: [UInt8] = []
        var rest = Array(content.utf8)[...]
        func change(_ header: MessageHeader) -> [UInt8]? {
            isOurs ? SubmittedHeader(header)?.completed(by: author) : nil
        }
        func giveOut(isAtEnd: Bool) {
            guard let (header, rest) = try? front.giveOut(isAtEnd: isAtEnd, change: change) else { return }
            output += header + rest
        }
        while !rest.isEmpty {
            let piece = Array(rest.prefix(size))
            rest = rest.dropFirst(size)
            if front.isGivenOut {
                output += piece
            } else if front.append(piece) {
                giveOut(isAtEnd: false)
            }
        }
        if !front.isGivenOut { giveOut(isAtEnd: true) }
        return (String(decoding: output, as: UTF8.self), front.header)
    }

    @Test(
        "a stranger's message is stored as it came, but what is no header is no header",
        arguments: [
            ("", ""), ("\n", "\n"), ("\nx\n", "\nx\n"), ("Subject: x\n", "Subject: x\n"),
            ("Subject: x\n\nbody\n", "Subject: x\n\nbody\n"), ("Subject: x\n y\n\nb", "Subject: x\n y\n\nb"),
            ("Hello world\nsecond line\n", "\nHello world\nsecond line\n"), ("Hello", "\nHello"),
            (" Subject: x\n\nb\n", "\n Subject: x\n\nb\n"), (": x\n\nb\n", "\n: x\n\nb\n"),
            ("Subject: x\ntext\nTo: y\n\nb\n", "Subject: x\n\ntext\nTo: y\n\nb\n"),
            ("From a@b Mon Jan 1 00:00:00 2026\nSubject: x\n\nb\n", "Subject: x\n\nb\n"),
            (">From a@b Mon Jan 1\nFrom a@b Mon\nSubject: x\n\nb\n", "Subject: x\n\nb\n"),
            ("From a@b Mon Jan 1\nHello\n", "\nHello\n"), ("From: a@b\n\nFrom x\n", "From: a@b\n\nFrom x\n"),
            ("From here on\nall is well\n", "\nall is well\n"),
        ])
    func strangers(content: String, stored: String) {
        for size in [1, 2, 7, 1000] { #expect(Self.passed(content, cut: size).text == stored, "\(size)") }
    }

    @Test(
        "what our own clients left out is added, what they said stays",
        arguments: [
            (whole + "\nx\n", whole + "\nx\n"), (whole, whole + "\n"),
            (
                "Subject: x\nFrom: app\nTo: root\n\nx\n",
                "Subject: x\nFrom: app@h.example\nTo: root@h.example\n" + added + "\nx\n"
            ),
            ("Hello\n", "From: ann@far.example\n" + added + "To: undisclosed-recipients:;\n\nHello\n"),
            (whole + "text\n", whole + "\ntext\n"),
            ("From x@y Mon\n" + whole + "\n", whole + "\n"),
        ])
    func ours(content: String, stored: String) {
        for size in [1, 3, 1000] {
            #expect(Self.passed(content, cut: size, isOurs: true).text == stored, "\(size)")
        }
    }

    @Test("a header of the limit is completed, a longer one is stored as it came")
    func limit() {
        let field = "To: c@d\n"
        for isOurs in [false, true] {
            let content = field + "\n" + String(repeating: "x", count: 500)
            for size in [1, 64, 1000] {
                let text = Self.passed(content, cut: size, isOurs: isOurs).text
                #expect(text.hasSuffix("\n\n" + String(repeating: "x", count: 500)))
                #expect(text.contains("Message-ID") == isOurs)
            }
            let long = Self.whole + "X: " + String(repeating: "y", count: 990) + "\n\nx\n"
            for size in [1, 64, 5000] {
                #expect(Self.passed(long, cut: size, limit: 100, isOurs: isOurs).text == long, "\(size)")
            }
        }
        let text = String(repeating: "no field\n", count: 50)
        for size in [1, 64, 1000] { #expect(Self.passed(text, cut: size, limit: 100).text == "\n" + text) }
    }

    @Test("the header that was found is the one that is stored")
    func header() {
        let ours = Self.passed("Received: x\nReceived: y\n\nz\n", cut: 5, isOurs: true).header
        #expect(ours.all("Received").count == 2)
        #expect(ours.first("Message-ID")?.value == [UInt8]("<id@h.example>"))
        #expect(Self.passed("Received: x\nReceived: y\n\nz\n", cut: 5).header.all("Received").count == 2)
        let cut = Self.passed(String(repeating: "Received: x\n", count: 100), cut: 50, limit: 600).header
        #expect(cut.all("Received").count >= 49)
    }
}
