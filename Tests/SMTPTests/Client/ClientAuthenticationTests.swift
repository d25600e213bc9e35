import Bytes
import Mail
import SASL
import Testing

@testable import SMTP

/// RFC 4954 from the client's side: logging in at a relay, and what is made of the answers.
@Suite struct ClientAuthenticationTests {
    typealias Row = ScriptedServer.Row

    /// Functions that are none: what the exchange makes of real ones is for its own tests.
    private static func relay(user: String = "me", password: String = "secret") -> ClientRelay {
        let functions = SCRAMFunctions(
            hash: { _ in [1] }, hmac: { key, _ in [UInt8(key.count & 15)] }, derive: { _, _, _ in [2, 2] })
        return ClientRelay(
            login: .init(
                Credentials(user: Array(user.utf8), password: Array(password.utf8)),
                nonce: Array("nonce".utf8), functions))
    }

    private static func offering(_ words: String) -> Row {
        Row("EHLO", "250-mx\r\n250-STARTTLS\r\n250 \(words)\r\n")
    }
    private static func base64(_ text: String) -> String {
        String(decoding: Base64.encode(Array(text.utf8)), as: UTF8.self)
    }

    private static func server(
        _ rows: Row..., security: ClientSession.Security = .required, relay: ClientRelay? = nil
    ) -> ScriptedServer {
        var server = ScriptedServer(security: security, relay: relay ?? self.relay())
        server.rows = rows + server.rows
        return server
    }

    @Test("PLAIN goes out with its message, once, behind TLS and the second EHLO; then mail does")
    func plain() {
        var server = Self.server(Self.offering("AUTH LOGIN PLAIN"), Row("AUTH", "235 2.7.0 ok\r\n"))
        #expect(server.deliver("x@mx.example") == [.delivered])
        #expect(server.tlsHandshakes == 1)
        #expect(
            server.wire.prefix(5) == [
                "EHLO client.example\r\n", "STARTTLS\r\n", "EHLO client.example\r\n",
                "AUTH PLAIN \(Self.base64("\0me\0secret"))\r\n", "MAIL FROM:<a@client.example>\r\n",
            ])
    }

    @Test(
        "LOGIN answers two questions, in whatever form they come",
        arguments: ["334 VXNlcm5hbWU6\r\n", "334 what?\r\n", "334\r\n"])
    func login(question: String) {
        var server = Self.server(
            Self.offering("AUTH=LOGIN"), Row("AUTH LOGIN", question), Row(Self.base64("me"), question),
            Row(Self.base64("secret"), "235 ok\r\n"))
        #expect(server.deliver("x@mx.example") == [.delivered])
    }

    @Test("what does not fit on a line follows behind the server's challenge")
    func longPassword() {
        let password = String(repeating: "p", count: 400)
        var server = Self.server(
            Self.offering("AUTH PLAIN"), Row("AUTH", "334 \r\n"),
            Row(Self.base64("\0me\0" + password), "235 ok\r\n"),
            relay: Self.relay(password: password))
        #expect(server.deliver("x@mx.example") == [.delivered])
        #expect(server.wire.contains("AUTH PLAIN\r\n"))
    }

    @Test(
        "the strongest that is offered is chosen",
        arguments: [
            ("AUTH LOGIN PLAIN SCRAM-SHA-256", "AUTH SCRAM-SHA-256 "),
            ("AUTH CRAM-MD5 PLAIN LOGIN", "AUTH PLAIN "),
            ("AUTH=PLAIN", "AUTH PLAIN "), ("auth login xoauth2", "AUTH LOGIN\r\n"),
            ("AUTH PLAIN SCRAM-SHA-256-PLUS SCRAM-SHA-1", "AUTH PLAIN "),
        ])
    func strongest(offered: String, command: String) {
        var server = Self.server(Self.offering(offered), Row("AUTH", nil))
        server.run()
        #expect(server.wire.last?.hasPrefix(command) == true)
    }

    @Test("SCRAM: success counts when the server has proved that it knows the password, and not before")
    func scram() {
        func session(_ last: String) -> ScriptedServer {
            var server = Self.server(
                Self.offering("AUTH SCRAM-SHA-256"),
                Row(
                    "AUTH SCRAM-SHA-256 \(Self.base64("n,,n=me,r=nonce"))",
                    "334 \(Self.base64("r=nonceX,s=AAAA,i=1"))\r\n"),
                // With these functions the proof is one byte, 2 xor 1, and the server's signature is 1.
                Row(Self.base64("c=biws,r=nonceX,p=Aw=="), last))
            // The client's last message is empty, and any other line has its row.
            server.rows.append(Row("", "235 ok\r\n"))
            server.run()
            return server
        }
        let honest = session("334 \(Self.base64("v=AQ=="))\r\n")
        #expect(honest.session.isIdle)
        #expect(honest.wire.last == "\r\n")
        let early = session("235 2.7.0 welcome\r\n").session
        #expect(early.isClosed && early.loginIsRefused)
        #expect(
            early.failure.map { String(decoding: $0.text, as: UTF8.self) }?.contains("did not prove") == true)
        let liar = session("334 \(Self.base64("v=Ag=="))\r\n").session
        #expect(liar.isClosed && liar.loginIsRefused)
    }

    @Test(
        "a login that is refused decides nobody's mail: it waits, and no other address is asked",
        arguments: [
            "535 5.7.8 bad\r\n", "534 5.7.9 too weak\r\n", "504 what\r\n", "538 no\r\n", "501 no\r\n",
            "334 !!!\r\n",
            "334 Zm9v\r\n",
        ])
    func refused(answer: String) {
        var server = Self.server(Self.offering("AUTH PLAIN"), Row("AUTH", answer))
        #expect(server.deliver("x@mx.example") == [])
        #expect(server.session.isClosed && server.session.loginIsRefused)
        #expect(server.session.failure?.verdict == .deferred)
        #expect(server.session.failure?.status.kind == .persistentTransientFailure)
    }

    @Test(
        "one that is refused for now is no refusal: another address may be asked",
        arguments: ["454 4.7.0 later\r\n", "421 busy\r\n", "432 no\r\n"])
    func refusedForNow(answer: String) {
        var server = Self.server(Self.offering("AUTH PLAIN"), Row("AUTH", answer))
        server.run()
        #expect(server.session.isClosed && !server.session.loginIsRefused)
        #expect(server.session.failure?.status.kind == .persistentTransientFailure)
    }

    @Test(
        "no password in the clear: not without STARTTLS, not where it is refused, not by a caller's mistake")
    func neverInTheClear() {
        for (rows, security) in [
            ([Row("EHLO", "250-mx\r\n250 AUTH PLAIN\r\n")], ClientSession.Security.required),
            ([Self.offering("AUTH PLAIN"), Row("STARTTLS", "454 no\r\n")], .required),
            ([Self.offering("AUTH PLAIN"), Row("STARTTLS", "502 no\r\n")], .opportunistic),
            ([Self.offering("AUTH PLAIN")], .off),
            ([Row("EHLO", "502 no\r\n")], .opportunistic),
        ] {
            var server = Self.server(security: security)
            server.rows = rows + [Row("AUTH", "235 thanks\r\n")] + server.rows
            server.run()
            #expect(server.session.isClosed && server.session.failure?.verdict == .deferred)
            #expect(!server.wire.contains { $0.hasPrefix("AUTH") })
        }
    }

    @Test(
        "what a server offers in the clear is not believed behind TLS, and where no way is known nothing is sent"
    )
    func nothingOffered() {
        for words in ["SIZE 5", "AUTH", "AUTH NTLM CRAM-MD5"] {
            var server = Self.server(Self.offering(words), Row("AUTH", "235 ok\r\n"))
            server.rows.insert(Row("EHLO", "250-mx\r\n250-STARTTLS\r\n250 AUTH PLAIN\r\n", times: 1), at: 0)
            server.run()
            #expect(server.session.loginIsRefused)
            #expect(!server.wire.contains { $0.hasPrefix("AUTH") })
        }
    }

    @Test("TLS from the first byte: the handshake, then the greeting, then one EHLO (RFC 8314 §3.3)")
    func implicit() {
        var server = Self.server(Self.offering("AUTH PLAIN"), Row("AUTH", "235 ok\r\n"), security: .implicit)
        #expect(server.session.next() == .startTLS)
        #expect(server.deliver("x@mx.example") == [.delivered])
        #expect(server.tlsHandshakes == 1)
        #expect(server.wire.filter { $0.hasPrefix("EHLO") }.count == 1)
        #expect(!server.wire.contains("STARTTLS\r\n"))
    }

    @Test("a handshake that fails there is told as one")
    func implicitFails() {
        var session = ClientSession(
            name: "c", peer: "mx", security: .implicit, relay: Self.relay())
        #expect(session.next() == .startTLS)
        session.lost(.tls("handshake: certificate has expired"))
        #expect(session.failure?.status == EnhancedStatus(4, 7, 5))
        #expect(session.next() == .closed)
    }

    @Test(
        "a relay that wants a login we have not been given keeps the mail waiting; from others 530 is as it was"
    )
    func missing() {
        for words in ["MAIL", "RCPT TO:<y@"] {
            var relay = ScriptedServer(Row(words, "530 5.7.0 log in\r\n"), relay: ClientRelay(login: nil))
            #expect(relay.deliver("x@mx.example", "y@mx.example") == [.undecided, .undecided])
            #expect(relay.session.loginIsRefused)
        }
        var other = ScriptedServer(Row("MAIL", "530 5.7.0 log in\r\n"))
        #expect(other.deliver("x@mx.example") == [.failed])
    }
}
