import SASL
import Testing

@testable import IMAP

/// RFC 3501 §6.2.3, RFC 5530 §3, RFC 2595 §3.2: passwords in the clear.
@Suite struct LoginTests {
    private struct Outcome {
        var output = ""
        var logins = 0
        var isOver = false
    }

    /// Does what a client says, TLS beginning whenever it is asked for.
    private func run(
        _ text: String, offersTLS: Bool = true, allowsPlaintext: Bool, isEncrypted: Bool = false
    ) -> Outcome {
        var session = LoginSession(
            offersTLS: offersTLS, allowsPlaintext: allowsPlaintext, isEncrypted: isEncrypted)
        var outcome = Outcome()
        var rest = Array(text.utf8)[...]
        while true {
            let step = session.step(rest)
            rest = rest.dropFirst(step.consumed)
            outcome.output += String(decoding: step.output, as: UTF8.self)
            switch step.next {
            case .proceed: if step.consumed == 0 { return outcome }
            case .startTLS(let tag):
                outcome.output += String(decoding: session.readyForTLS(tag), as: UTF8.self)
                session.startedTLS()
            case .login: outcome.logins += 1
            case .close:
                outcome.isOver = true
                return outcome
            }
        }
    }

    private static let refusal = "NO [PRIVACYREQUIRED] Use STARTTLS first\r\n"

    @Test(
        "LOGINDISABLED stands in the greeting and in CAPABILITY as long as no password may come, AUTH=PLAIN AUTH=LOGIN from then on"
    )
    func capabilities() {
        for (allows, encrypted) in [(false, false), (true, false), (false, true), (true, true)] {
            let session = LoginSession(offersTLS: true, allowsPlaintext: allows, isEncrypted: encrypted)
            let greeting = String(decoding: session.greeting, as: UTF8.self)
            let answer = run("a CAPABILITY\r\n", allowsPlaintext: allows, isEncrypted: encrypted).output
            for text in [greeting, answer] {
                #expect(text.contains(" LOGINDISABLED") == (!allows && !encrypted), "\(text)")
                #expect(text.contains(" AUTH=PLAIN AUTH=LOGIN") == (allows || encrypted), "\(text)")
                #expect(text.contains(" STARTTLS") == !encrypted, "\(text)")
            }
        }
        #expect(
            !run("a CAPABILITY\r\n", offersTLS: false, allowsPlaintext: false).output.contains("STARTTLS"))
    }

    @Test(
        "no form of login sends a password on while none may come",
        arguments: [
            "a LOGIN u p\r\n", "a login \"u\" \"p\"\r\n", "a LOGIN {1+}\r\nu {1+}\r\np\r\n",
            "a AUTHENTICATE PLAIN AHUAcA==\r\n", "a AUTHENTICATE PLAIN\r\n", "a authenticate plain =\r\n",
            "a AUTHENTICATE CRAM-MD5\r\n",
        ])
    func refused(command: String) {
        let outcome = run(command, allowsPlaintext: false)
        #expect(outcome.output.hasSuffix("a \(Self.refusal)") && outcome.logins == 0, "\(outcome.output)")
        #expect(run(command, offersTLS: false, allowsPlaintext: false).logins == 0)
        #expect(!run(command, allowsPlaintext: true).output.contains("PRIVACYREQUIRED"))
        #expect(!run(command, allowsPlaintext: false, isEncrypted: true).output.contains("PRIVACYREQUIRED"))
        let behindTLS = run("s STARTTLS\r\n" + command, allowsPlaintext: false)
        #expect(!behindTLS.output.contains("PRIVACYREQUIRED"))
    }

    @Test("the line behind a refused AUTHENTICATE is a command, not a password")
    func noResponse() {
        let outcome = run("a AUTHENTICATE PLAIN\r\nAHUAcA==\r\n", allowsPlaintext: false)
        #expect(outcome.logins == 0 && !outcome.output.contains("+ "))
        #expect(run("a AUTHENTICATE PLAIN\r\nAHUAcA==\r\n", allowsPlaintext: true).logins == 1)
    }

    @Test("the mechanism LOGIN asks for the name, and then for the password")
    func asksTwice() {
        let outcome = run("a AUTHENTICATE LOGIN\r\ndQ==\r\ncA==\r\n", allowsPlaintext: true)
        #expect(outcome.output.hasPrefix("+ VXNlcm5hbWU6\r\n+ UGFzc3dvcmQ6\r\n") && outcome.logins == 1)
        #expect(run("a AUTHENTICATE LOGIN dQ==\r\ncA==\r\n", allowsPlaintext: true).logins == 1)
    }

    @Test(
        "RFC 9051 §6.2.2: what is cancelled or no base 64 is BAD, and nobody's password; what is no message is one that is wrong"
    )
    func responses() {
        for (line, answer) in [
            ("*", "a BAD Authentication cancelled"), ("AHUAcA=", "a BAD Invalid base 64"),
            ("=", "a BAD Invalid base 64"),
        ] {
            let outcome = run("a AUTHENTICATE PLAIN\r\n\(line)\r\nb NOOP\r\n", allowsPlaintext: true)
            #expect(outcome.output == "+ \r\n\(answer)\r\nb OK Noop completed\r\n" && outcome.logins == 0)
        }
        for line in ["dQBw", "AAAA", ""] {
            #expect(run("a AUTHENTICATE PLAIN\r\n\(line)\r\n", allowsPlaintext: true).logins == 1)
        }
        #expect(run("a AUTHENTICATE PLAIN =\r\n", allowsPlaintext: true).logins == 1)
    }
}
