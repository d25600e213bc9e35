import SASL
import Testing

@testable import POP3

@Suite struct LoginSessionTests {
    private func session(
        offersTLS: Bool = true, allowsPlaintext: Bool = true, isEncrypted: Bool = false
    ) -> LoginSession {
        LoginSession(
            hostname: "h", offersTLS: offersTLS, allowsPlaintext: allowsPlaintext, isEncrypted: isEncrypted)
    }

    private func run(
        _ input: String, _ session: LoginSession
    ) -> (output: String, logins: [(user: String, password: String)]) {
        var logins: [(user: String, password: String)] = []
        var answers: Set<String> = []
        for cut in Cut.allCases {
            answers.insert(
                Conversation.authorization(session, Array(input.utf8), cut, logins: &logins).0)
        }
        #expect(answers.count == 1, "the answer depends on how the input was cut")
        return (answers.first ?? "", logins)
    }

    @Test(
        "RFC 1939 §7: the password is all behind one space, spaces included",
        arguments: [
            ("USER u\r\nPASS p\r\n", "u", "p"), ("user u\r\npass p\r\n", "u", "p"),
            ("USER u\nPASS p\n", "u", "p"), ("USER u \r\nPASS  a b \r\n", "u", " a b "),
            ("USER u@x.example\r\nPASS é\r\n", "u@x.example", "é"),
            ("USER a\r\nUSER b\r\nPASS p\r\n", "b", "p"),
            ("USER %s%n%x\r\nPASS %n%n\r\n", "%s%n%x", "%n%n"), ("USER u\r\nNOOP\r\nPASS p\r\n", "u", "p"),
        ])
    func login(input: String, user: String, password: String) {
        let logins = run(input, session()).logins
        #expect(logins.count == 1 && logins.first?.user == user && logins.first?.password == password)
    }

    @Test(
        "a browser that was made to speak to us is sent away before its body is read (T23)",
        arguments: ["POST / HTTP/1.1", "GET /x HTTP/1.0", "PROPFIND /?a=b HTTP/1.1", "head * http/2"])
    func otherProtocol(line: String) {
        let (output, logins) = run("\(line)\r\nHost: h\r\n\r\nUSER u\r\nPASS p\r\n", session())
        #expect(output.hasSuffix("-ERR This is a POP3 server\r\n"))
        #expect(logins.isEmpty)
    }

    @Test("RFC 2595 §4: what was said before TLS is forgotten (T49)")
    func forgetsBeforeTLS() {
        let (output, logins) = run("USER u\r\nSTLS\r\nPASS p\r\n", session(allowsPlaintext: true))
        #expect(output == "+OK\r\n+OK Begin TLS\r\n-ERR USER first\r\n" && logins.isEmpty)
    }

    @Test("STLS is there once, and only where a certificate is")
    func startTLS() {
        #expect(
            run("STLS\r\nSTLS\r\n", session()).output == "+OK Begin TLS\r\n-ERR TLS is active already\r\n")
        #expect(run("STLS\r\n", session(offersTLS: false)).output == "-ERR TLS is not offered\r\n")
        #expect(run("STLS\r\n", session(isEncrypted: true)).output == "-ERR TLS is active already\r\n")
        #expect(run("CAPA\r\n", session()).output.contains("\r\nSTLS\r\n"))
        #expect(!run("CAPA\r\n", session(offersTLS: false)).output.contains("STLS"))
        #expect(!run("STLS\r\nCAPA\r\n", session()).output.contains("\r\nSTLS\r\n"))
    }

    @Test("no password is asked for in the clear, and CAPA does not offer it")
    func plaintext() {
        let (output, logins) = run("CAPA\r\nUSER u\r\nPASS p\r\n", session(allowsPlaintext: false))
        #expect(logins.isEmpty && !output.contains("\r\nUSER\r\n"))
        #expect(
            output.hasSuffix(
                "-ERR [AUTH] Plaintext login is not allowed here, use STLS\r\n-ERR USER first\r\n"))
        #expect(run("STLS\r\nUSER u\r\nPASS p\r\n", session(allowsPlaintext: false)).logins.count == 1)
    }

    @Test("RFC 3206 §4: a wrong password and a failing server differ; the third failure ends the session")
    func failures() {
        var one = session()
        #expect(
            one.refused([], .wrong) == (
                Array("-ERR [AUTH] Wrong name or password\r\n".utf8), false
            ))
        #expect(
            one.refused([], .undecided) == (
                Array("-ERR [SYS/TEMP] Login not possible now\r\n".utf8), false
            ))
        #expect(one.refused([], .wrong).isOver)
        #expect(
            String(decoding: one.refused([], .tooManySessions).output, as: UTF8.self)
                == "-ERR [IN-USE] Too many sessions of this user, close others first\r\n")
        let again = String(repeating: "USER u\r\nPASS p\r\n", count: 4)
        #expect(run(again, session()).logins.count == LoginSession.mostLogins)
        #expect(run("USER u\r\nPASS p\r\nPASS p\r\n", session()).output.hasSuffix("-ERR USER first\r\n"))
    }

    @Test("who has too many sessions has no more tries than who is wrong, and must say his name again")
    func tooMany() {
        var one = session()
        #expect(
            (1...LoginSession.mostLogins).map { _ in one.refused([], .tooManySessions).isOver } == [
                false, false, true,
            ])
        var other = session()
        _ = other.step(Array("USER u\r\n".utf8)[...])
        _ = other.refused([], .tooManySessions)
        let answer = other.step(Array("PASS p\r\n".utf8)[...])
        #expect(answer.next == .proceed && answer.output == Array("-ERR USER first\r\n".utf8))
    }

    @Test("names and passwords have limits, and one octet more is an error")
    func limits() {
        func text(_ count: Int) -> String { String(repeating: "x", count: count) }
        #expect(run("USER \(text(255))\r\nPASS \(text(512))\r\n", session()).logins.count == 1)
        #expect(run("USER \(text(256))\r\n", session()).output == "-ERR Wrong arguments\r\n")
        #expect(run("USER u\r\nPASS \(text(513))\r\n", session()).output == "+OK\r\n-ERR Wrong arguments\r\n")
        #expect(run(text(LoginSession.longestLine), session()).output == "-ERR Line too long\r\n")
        #expect(
            run(text(LoginSession.longestLine - 1) + "\n", session()).output == "-ERR Unknown command\r\n")
    }
}
