import Auth
import Bytes
import Front
import Program
import Testing
import Unix

@testable import imapd

/// imapd before the login: what it asks of checkpassword, and what becomes of the answer.
@Suite struct LoginServerTests {
    private static let greeting =
        "* OK [CAPABILITY IMAP4rev1 LITERAL+ SASL-IR ID AUTH=PLAIN] relais ready\r\n"

    /// Everything that `input`'s client hears of a server whose checkpassword says `answers`, one a login, and what that was asked.
    private func serve(
        _ input: String, answers: [LoginAnswer] = [], from address: String? = "127.0.0.1", tls: Bool = false,
        _ change: (inout Configuration) -> Void = { _ in }
    ) throws -> (heard: String, asked: [LoginRequest]) {
        var configuration = Configuration()
        configuration.hostname = "here.example"
        configuration.slotsDirectory = "/tmp"
        configuration.netDirectory = "/nonexistent"
        change(&configuration)
        let ends = try DescriptorPair.sockets()
        try ends.first.write(Array(input.utf8))
        Socket.endWriting(ends.first.raw)
        let client = ends.second.raw
        let connection = Connection(
            Front.Client(address.flatMap { IPAddress($0) }, of: .imap, configuration), input: client,
            output: client,
            .imap, LoginServer.limits(configuration), configuration,
            Log(.none, name: "relais", program: "imapd"))
        var asked: [LoginRequest] = []
        LoginServer(configuration, connection) { request, socket in
            #expect(socket == client, "it is the client's socket that is handed over")
            asked.append(request)
            return asked.count <= answers.count ? answers[asked.count - 1] : .later
        }.run(tls: tls)
        Socket.endWriting(client)
        let heard = try ends.first.readAll(limit: 1 << 20) ?? []
        return (String(decoding: heard, as: UTF8.self), asked)
    }

    @Test(
        "who is let in is somebody else's from then on: nothing more is said, and what was sent ahead goes along"
    )
    func accepted() throws {
        let ahead = "b SELECT INBOX\r\nc NOOP\r\n"
        for command in ["a LOGIN ann secret\r\n", "a AUTHENTICATE PLAIN AGFubgBzZWNyZXQ=\r\n"] {
            let (heard, asked) = try serve(command + ahead, answers: [.accepted])
            #expect(heard == Self.greeting)
            #expect(
                asked == [
                    LoginRequest(
                        user: Array("ann".utf8), password: Array("secret".utf8),
                        client: IPAddress("127.0.0.1"),
                        start: SessionStart(
                            tag: [.ascii("a")], pipelined: Array(ahead.utf8), isEncrypted: false))
                ])
        }
    }

    @Test("RFC 5530 §3: each answer of checkpassword's has its words, and the third that is none ends it")
    func refused() throws {
        let (heard, asked) = try serve(
            "a LOGIN ann x\r\nb LOGIN ann y\r\nc LOGIN ann z\r\nd NOOP\r\n",
            answers: [.refused, .later, .tooManySessions])
        #expect(
            heard == Self.greeting + """
                a NO [AUTHENTICATIONFAILED] Wrong name or password\r
                b NO [UNAVAILABLE] Login not possible now\r
                c NO [LIMIT] Too many sessions of this user, close others first\r

                """)
        #expect(asked.map(\.start.tag) == [[0x61], [0x62], [0x63]])
        #expect(asked[0].start.pipelined == Array("b LOGIN ann y\r\nc LOGIN ann z\r\nd NOOP\r\n".utf8))
    }

    @Test("no more is sent along than the program behind the login takes")
    func pipelined() throws {
        let (_, asked) = try serve(
            "a LOGIN ann x\r\n" + String(repeating: "x", count: SessionStart.mostPipelined + 1),
            answers: [.accepted])
        #expect((asked.first?.start.pipelined.count ?? .max) <= SessionStart.mostPipelined)
    }

    @Test(
        "from elsewhere no password goes on in the clear, and none is asked for; a client of this host has no address"
    )
    func plaintext() throws {
        let (heard, asked) = try serve("a LOGIN ann x\r\nb LOGOUT\r\n", from: "192.0.2.1")
        #expect(
            heard.contains(" LOGINDISABLED]") && heard.contains("a NO [PRIVACYREQUIRED]") && asked.isEmpty)
        #expect(heard.hasSuffix("b OK Logout completed\r\n"))
        let own = try serve("a LOGIN ann x\r\n", answers: [.accepted], from: nil)
        #expect(own.asked.first?.client == nil && own.asked.count == 1)
    }

    @Test(
        "without tls-relay STARTTLS is refused and the session goes on; where TLS comes first, nothing is said"
    )
    func noRelay() throws {
        let (heard, _) = try serve("a STARTTLS\r\nb NOOP\r\n") { $0.tlsCertificate = "/x" }
        #expect(heard.hasSuffix("a NO [UNAVAILABLE] TLS is not available now\r\nb OK Noop completed\r\n"))
        let first = try serve("a LOGIN ann x\r\n", tls: true) { $0.tlsCertificate = "/x" }
        #expect(first.heard == "" && first.asked.isEmpty)
    }
}
