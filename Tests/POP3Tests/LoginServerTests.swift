import Auth
import Bytes
import Front
import Program
import Testing
import Unix

@testable import pop3d

/// pop3d before the login: what it asks of checkpassword, and what becomes of the answer.
@Suite struct LoginServerTests {
    private static let greeting = "+OK here.example POP3 relais\r\n"

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
            Client(address.flatMap { IPAddress($0) }, of: .pop3, configuration), input: client,
            output: client,
            .pop3, LoginServer.limits(configuration), configuration,
            Log(.none, name: "relais", program: "pop3d"))
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
        let (heard, asked) = try serve("USER ann\r\nPASS a secret\r\nSTAT\r\nQUIT\r\n", answers: [.accepted])
        #expect(heard == Self.greeting + "+OK\r\n")
        #expect(
            asked == [
                LoginRequest(
                    user: Array("ann".utf8), password: Array("a secret".utf8), client: IPAddress("127.0.0.1"),
                    start: SessionStart(
                        tag: [], pipelined: Array("STAT\r\nQUIT\r\n".utf8), isEncrypted: false))
            ])
    }

    @Test("RFC 3206 §4: each answer of checkpassword's has its words, and the third that is none ends it")
    func refused() throws {
        let (heard, asked) = try serve(
            String(repeating: "USER ann\r\nPASS x\r\n", count: 4),
            answers: [.refused, .later, .tooManySessions])
        #expect(
            heard == Self.greeting + """
                +OK\r
                -ERR [AUTH] Wrong name or password\r
                +OK\r
                -ERR [SYS/TEMP] Login not possible now\r
                +OK\r
                -ERR [IN-USE] Too many sessions of this user, close others first\r

                """)
        #expect(asked.count == 3)
    }

    @Test(
        "from elsewhere no password goes on in the clear, and none is asked for; a client of this host has no address"
    )
    func plaintext() throws {
        let (heard, asked) = try serve("USER ann\r\nPASS x\r\nQUIT\r\n", from: "192.0.2.1")
        #expect(
            heard.contains("-ERR [AUTH] Plaintext login") && asked.isEmpty && heard.hasSuffix("+OK Bye\r\n"))
        let own = try serve("USER ann\r\nPASS x\r\n", answers: [.accepted], from: nil)
        #expect(own.asked.first?.client == nil && own.asked.count == 1)
    }

    @Test("without tls-relay STLS is refused and the session goes on; where TLS comes first, nothing is said")
    func noRelay() throws {
        let (heard, _) = try serve("STLS\r\nQUIT\r\n") { $0.tlsCertificate = "/x" }
        #expect(heard == Self.greeting + "-ERR [SYS/TEMP] TLS is not available now\r\n+OK Bye\r\n")
        let first = try serve("USER ann\r\nPASS x\r\n", tls: true) { $0.tlsCertificate = "/x" }
        #expect(first.heard == "" && first.asked.isEmpty)
    }

    @Test("a client that ends in the middle of its password logs nobody in")
    func cut() throws {
        #expect(try serve("USER ann\r\nPASS secr", answers: [.accepted]).asked.isEmpty)
    }
}
