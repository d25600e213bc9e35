import Front
import Bytes
import IMAP
import Program
import TemporaryPlaces
import Testing
import Unix

@testable import imapd

/// imapd behind the login, over a Maildir on a disk.
@Suite struct MailboxServerTests {

    /// A home with a Maildir that holds one message.
    private final class Home {
        private let place: TemporaryDirectory
        var path: String { place.path }
        static let message = "Subject: one\n\ntext\n"

        init() throws {
            place = try TemporaryDirectory()
            try place.makeDirectories("Maildir", "Maildir/new", "Maildir/cur", "Maildir/tmp")
            try place.write("Maildir/cur/1.a.h:2,S", Self.message)
            try place.write("file", "")
        }

        var files: [String] { get throws { try Directory(path + "/Maildir/cur").names() } }
        var logged: String {
            ((try? place.read("log")) ?? nil) ?? ""
        }
    }

    /// All that a client hears who says `input` and is gone then; `ahead`: what it had said behind its login.
    private func serve(
        _ input: String, ahead: String? = "", tag: String = "", in home: Home, homeless: Bool = false,
        mailbox: String = "~/Maildir/"
    ) throws -> String {
        var configuration = Configuration()
        configuration.mailbox = mailbox
        let ends = try DescriptorPair.sockets()
        try ends.first.write(Array(input.utf8))
        Socket.endWriting(ends.first.raw)
        let start = ahead.map {
            SessionStart(tag: Array(tag.utf8), pipelined: Array($0.utf8), isEncrypted: false)
        }
        MailboxServer(
            configuration, Log(.file(home.path + "/log"), name: "relais", program: "imapd"),
            InheritedLogin(user: "ann", home: homeless ? "" : home.path, start: start),
            input: ends.second.raw,
            output: ends.second.raw
        ).run()
        Socket.endWriting(ends.second.raw)
        return String(decoding: try ends.first.readAll(limit: 1 << 20) ?? [], as: UTF8.self)
    }

    private static let ready = "[CAPABILITY \(MailboxSession.capabilities)] Logged in\r\n"

    @Test(
        "the command that logged in is answered by its tag; what was said behind it comes first, and then what is said now"
    )
    func pipelined() throws {
        let home = try Home()
        let heard = try serve("c LOGOUT\r\n", ahead: "b STATUS INBOX (MESSAGES)\r\n", tag: "a", in: home)
        #expect(
            heard == "a OK " + Self.ready + """
                * STATUS INBOX (MESSAGES 1)\r
                b OK Status completed\r
                * BYE Logging out\r
                c OK Logout completed\r

                """)
        #expect(home.logged == "")
    }

    @Test("RFC 3501 §7.1.4: by hand, where nobody logged in, it greets with PREAUTH")
    func byHand() throws {
        for ahead in [nil, ""] {
            let heard = try serve("a LOGOUT\r\n", ahead: ahead, in: try Home())
            #expect(
                heard.hasPrefix("* PREAUTH " + Self.ready) && heard.hasSuffix("a OK Logout completed\r\n"))
        }
    }

    @Test("who has no home, and whose mailbox cannot be opened, is told so by BYE; the log has what it was")
    func trouble() throws {
        let home = try Home()
        let bye = "* BYE [UNAVAILABLE] The mailbox cannot be opened\r\n"
        #expect(try serve("a NOOP\r\n", tag: "x", in: home, homeless: true) == bye)
        #expect(try serve("a NOOP\r\n", tag: "x", in: home, mailbox: "~/file/Maildir/") == bye)
        #expect(home.logged.contains("error: user=<ann>: ") && home.logged.contains("/file/Maildir"))
    }

    @Test("a client that is gone while it idles, or in the middle of a command, is told nothing more")
    func gone() throws {
        let home = try Home()
        for (input, heard) in [
            ("b SELECT INBOX\r\nc IDLE\r\n", "+ idling\r\n"), ("b NOOP\r\nc NOO", "b OK Completed\r\n"),
            ("", Self.ready),
        ] {
            #expect(try serve(input, tag: "a", in: home).hasSuffix(heard))
        }
        #expect(try home.files == ["1.a.h:2,S"] && home.logged == "")
    }
}
