import Front
import Bytes
import Program
import TemporaryPlaces
import Testing
import Unix

@testable import pop3d

/// pop3d behind the login, over a Maildir on a disk.
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
            configuration, Log(.file(home.path + "/log"), name: "relais", program: "pop3d"),
            InheritedLogin(user: "ann", home: homeless ? "" : home.path, start: start),
            input: ends.second.raw,
            output: ends.second.raw
        ).run()
        Socket.endWriting(ends.second.raw)
        return String(decoding: try ends.first.readAll(limit: 1 << 20) ?? [], as: UTF8.self)
    }

    @Test("what the client said behind its login comes first, and then what it says now; QUIT removes")
    func pipelined() throws {
        let home = try Home()
        let heard = try serve("QUIT\r\n", ahead: "STAT\r\nDELE 1\r\n", in: home)
        #expect(heard == "+OK 1 messages (22 octets)\r\n+OK 1 22\r\n+OK Marked\r\n+OK Bye\r\n")
        #expect(try home.files == [])
    }

    @Test("RFC 1939 §6: without QUIT nothing is removed, whether commands end or break off")
    func withoutQuit() throws {
        let home = try Home()
        for input in ["DELE 1\r\n", "DELE 1\r\nQUI"] {
            #expect(try serve(input, in: home).hasSuffix("+OK Marked\r\n"))
            #expect(try home.files == ["1.a.h:2,S"])
        }
        #expect(home.logged == "")
    }

    @Test("a maildrop that another session has is in use; when that has ended it is free")
    func inUse() throws {
        let home = try Home()
        do {
            let stream = ByteStream(input: 0, output: 1, patience: .seconds(1))
            let other = try UserMaildrop.open(home.path + "/Maildir/", home: home.path, output: stream)
            #expect(try serve("STAT\r\n", in: home) == "-ERR [IN-USE] Another session has the maildrop\r\n")
            withExtendedLifetime(other) {}
        }
        #expect(home.logged.contains("warning: user=<ann>: another session or program has it locked"))
        #expect(try serve("", in: home).hasPrefix("+OK 1 "))
    }

    @Test(
        "who has no home, and whose maildrop cannot be opened, hears whether to come again; no mail yet is no trouble"
    )
    func trouble() throws {
        let home = try Home()
        #expect(
            try serve("STAT\r\n", in: home, homeless: true)
                == "-ERR [SYS/PERM] There is no home directory\r\n")
        #expect(
            try serve("STAT\r\n", in: home, mailbox: "~/file/Maildir/")
                == "-ERR [SYS/TEMP] The maildrop cannot be opened\r\n")
        #expect(home.logged.contains("USER and HOME are not set") && home.logged.contains("/file/Maildir"))
        #expect(try serve("", in: home, mailbox: "~/nothing/").hasPrefix("+OK 0 messages (0 octets)\r\n"))
    }

    @Test("by hand, where nobody logged in, it greets and serves just so")
    func byHand() throws {
        let heard = try serve("QUIT\r\n", ahead: nil, in: try Home())
        #expect(heard == "+OK 1 messages (22 octets)\r\n+OK Bye\r\n")
    }
}
