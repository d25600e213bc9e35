import Bytes
import IMAP
import POP3
import Program
import SASL
import Testing
import Unix

@testable import Front

/// pop3d and imapd before the login: what they ask of checkpassword, and what becomes of the answer.
@Suite struct LoginServerTests {
    enum Reader: String, CaseIterable { case pop3, imap }

    /// What clients of the two send and hear where the same happens.
    struct Words {
        let greeting: String
        /// With the tag that it goes on under; the password is `secret`.
        let logins: [(text: String, tag: String, heard: String)]
        let ahead: String
        let logout: String
        let bye: String
        let startTLS: String
        let noTLS: String
        let noPlaintext: String
        let refusals: [String]
    }

    private static func words(_ reader: Reader) -> Words {
        switch reader {
        case .pop3:
            Words(
                greeting: "+OK here.example POP3 relais\r\n",
                logins: [("USER ann\r\nPASS secret\r\n", "", "+OK\r\n")], ahead: "STAT\r\nQUIT\r\n",
                logout: "QUIT\r\n", bye: "+OK Bye\r\n", startTLS: "STLS\r\n",
                noTLS: "-ERR [SYS/TEMP] TLS is not available now\r\n",
                noPlaintext: "-ERR [AUTH] Plaintext login",
                refusals: [
                    "-ERR [AUTH] Wrong name or password\r\n", "-ERR [SYS/TEMP] Login not possible now\r\n",
                    "-ERR [IN-USE] Too many sessions of this user, close others first\r\n",
                ])
        case .imap:
            Words(
                greeting:
                    "* OK [CAPABILITY IMAP4rev1 LITERAL+ SASL-IR ID AUTH=PLAIN AUTH=LOGIN] relais ready\r\n",
                logins: [
                    ("a LOGIN ann secret\r\n", "a", ""),
                    ("b AUTHENTICATE PLAIN AGFubgBzZWNyZXQ=\r\n", "b", ""),
                    ("c AUTHENTICATE PLAIN\r\nAGFubgBzZWNyZXQ=\r\n", "c", "+ \r\n"),
                ],
                ahead: "b SELECT INBOX\r\nc NOOP\r\n", logout: "z LOGOUT\r\n",
                bye: "* BYE Logging out\r\nz OK Logout completed\r\n", startTLS: "a STARTTLS\r\n",
                noTLS: "a NO [UNAVAILABLE] TLS is not available now\r\n",
                noPlaintext: "a NO [PRIVACYREQUIRED]",
                refusals: [
                    "a NO [AUTHENTICATIONFAILED] Wrong name or password\r\n",
                    "a NO [UNAVAILABLE] Login not possible now\r\n",
                    "a NO [LIMIT] Too many sessions of this user, close others first\r\n",
                ])
        }
    }

    /// Everything that `input`'s client hears of a server whose checkpassword says `answers`, one a login, and what that was asked.
    private func serve(
        _ reader: Reader, _ input: String, answers: [LoginAnswer] = [], from address: String? = "127.0.0.1",
        tls: Bool = false, certificate: String = ""
    ) throws -> (heard: String, asked: [LoginRequest]) {
        let scene = try Scene()
        scene.configuration.hostname = "here.example"
        scene.configuration.tlsCertificate = certificate
        var asked: [LoginRequest] = []
        let (heard, _) = try scene.serve(reader == .pop3 ? .pop3 : .imap, from: address, saying: input) {
            connection in
            let server = LoginServer(connection) { request, socket in
                #expect(socket == connection.stream.input, "it is the client's socket that is handed over")
                asked.append(request)
                return asked.count <= answers.count ? answers[asked.count - 1] : .later
            }
            let (offers, allows) = (connection.offersTLS, connection.allowsPlaintextLogin)
            switch reader {
            case .pop3:
                server.run(
                    POP3.LoginSession(
                        hostname: "here.example", offersTLS: offers, allowsPlaintext: allows, isEncrypted: tls
                    ), tls: tls)
            case .imap:
                server.run(
                    IMAP.LoginSession(offersTLS: offers, allowsPlaintext: allows, isEncrypted: tls), tls: tls)
            }
        }
        return (heard, asked)
    }

    @Test(
        "who is let in is somebody else's from then on: nothing more is said, and what was sent ahead goes along",
        arguments: Reader.allCases)
    func accepted(reader: Reader) throws {
        let words = Self.words(reader)
        for login in words.logins {
            let (heard, asked) = try serve(reader, login.text + words.ahead, answers: [.accepted])
            #expect(heard == words.greeting + login.heard)
            let start = SessionStart(
                tag: Array(login.tag.utf8), pipelined: Array(words.ahead.utf8), isEncrypted: false)
            #expect(
                asked == [
                    LoginRequest(
                        user: Array("ann".utf8), password: Array("secret".utf8),
                        client: IPAddress("127.0.0.1"), start: start)
                ])
        }
    }

    @Test(
        "RFC 3206 §4, RFC 5530 §3: each answer of checkpassword's has its words, and the third that is none ends it",
        arguments: Reader.allCases)
    func refused(reader: Reader) throws {
        let words = Self.words(reader)
        let login = words.logins[0]
        let (heard, asked) = try serve(
            reader, String(repeating: login.text, count: 4), answers: [.refused, .later, .tooManySessions])
        #expect(heard == words.greeting + words.refusals.map { login.heard + $0 }.joined())
        #expect(asked.map(\.start.tag) == [[UInt8]](repeating: Array(login.tag.utf8), count: 3))
        #expect(asked.first?.start.pipelined == Array(String(repeating: login.text, count: 3).utf8))
    }

    @Test("one refusal is not the end: the next attempt is another question", arguments: Reader.allCases)
    func again(reader: Reader) throws {
        let login = Self.words(reader).logins[0]
        let (_, asked) = try serve(reader, login.text + login.text, answers: [.refused, .accepted])
        #expect(asked.count == 2 && asked.last?.start.pipelined == [])
    }

    @Test(
        "no more is sent along than the program behind the login takes", arguments: Reader.allCases)
    func pipelined(reader: Reader) throws {
        let (_, asked) = try serve(
            reader,
            Self.words(reader).logins[0].text
                + String(repeating: "x", count: SessionStart.mostPipelined + 1), answers: [.accepted])
        #expect((asked.first?.start.pipelined.count ?? .max) <= SessionStart.mostPipelined)
    }

    @Test(
        "from elsewhere no password goes on in the clear, and none is asked for; a client of this host has no address",
        arguments: Reader.allCases)
    func plaintext(reader: Reader) throws {
        let words = Self.words(reader)
        let login = words.logins[0].text
        let (heard, asked) = try serve(reader, login + words.logout, from: "192.0.2.1")
        #expect(heard.contains(words.noPlaintext) && asked.isEmpty && heard.hasSuffix(words.bye))
        let own = try serve(reader, login, answers: [.accepted], from: nil)
        #expect(own.asked.count == 1 && own.asked.first?.client == nil)
    }

    @Test(
        "without tls-relay TLS is refused and the session goes on; where TLS comes first, nothing is said",
        arguments: Reader.allCases)
    func noRelay(reader: Reader) throws {
        let words = Self.words(reader)
        let (heard, _) = try serve(reader, words.startTLS + words.logout, certificate: "/x")
        #expect(heard.hasSuffix(words.noTLS + words.bye))
        let first = try serve(reader, words.logins[0].text, tls: true, certificate: "/x")
        #expect(first.heard == "" && first.asked.isEmpty)
    }

    @Test("a client that ends in the middle of its password logs nobody in", arguments: Reader.allCases)
    func cut(reader: Reader) throws {
        let text = Self.words(reader).logins[0].text.dropLast(4)
        #expect(try serve(reader, String(text), answers: [.accepted]).asked.isEmpty)
    }

    @Test("the limits of connections are those of the configuration, and nobody stays long without a name")
    func limits() {
        var configuration = Configuration()
        (configuration.readerConnections, configuration.readerConnectionsPerAddress) = (7, 3)
        let limits = Connection.Limits.ofReaders(configuration)
        #expect(limits.total == 7 && limits.perAddress == 3)
        #expect(limits.patience == .seconds(60) && limits.session == .seconds(300))
    }
}
