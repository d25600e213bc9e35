import Bytes
import Testing

import SASL

/// RFC 4422 §3, RFC 4616: the messages, whoever carries them.
@Suite struct ServerExchangeTests {
    private func begin(_ message: String?) -> ServerExchange.Step {
        var exchange = ServerExchange(.plain)
        return exchange.begin(message.map { Array($0.utf8) })
    }

    private func credentials(_ user: String, _ password: String) -> Credentials {
        Credentials(user: Array(user.utf8), password: Array(password.utf8))
    }

    @Test(
        "RFC 4616 §4, the first example: with its name came nothing, so the client is asked by an empty challenge"
    )
    func asked() {
        var exchange = ServerExchange(.plain)
        #expect(exchange.begin(nil) == .challenge([]))
        #expect(
            exchange.take(Array("\0tim\0tanstaaftanstaaf".utf8))
                == .verify(
                    credentials("tim", "tanstaaftanstaaf")))
    }

    @Test(
        "RFC 4616 §4, the second example: who acts for another is not let through, and what follows is nothing"
    )
    func forAnother() {
        var exchange = ServerExchange(.plain)
        #expect(exchange.begin(Array("Ursel\0Kurt\0xipj3plmq".utf8)) == .malformed)
        #expect(exchange.take(Array("\0Kurt\0xipj3plmq".utf8)) == .malformed)
    }

    @Test(
        "RFC 4616 §2: the message is authzid, authcid, password",
        arguments: [
            ("\0u\0p", "u", "p"), ("u\0u\0p", "u", "p"), ("\0u@x\0p q", "u@x", "p q"), ("\0é\0é", "é", "é"),
        ])
    func plain(message: String, user: String, password: String) {
        #expect(begin(message) == .verify(credentials(user, password)))
    }

    @Test(
        "and nothing else",
        arguments: [
            "", "u", "u\0p", "\0u", "\0u\0", "\0\0p", "\0\0", "x\0u\0p", "\0u\0p\0", "\0u\0p\0x", "u\0\0p",
            "\0\0\0", "U\0u\0p",
        ])
    func notPlain(message: String) { #expect(begin(message) == .malformed) }

    @Test("an exchange is good for one message: a second is not looked at")
    func once() {
        var exchange = ServerExchange(.plain)
        #expect(exchange.begin(Array("\0u\0p".utf8)) == .verify(credentials("u", "p")))
        #expect(exchange.take(Array("\0root\0p".utf8)) == .malformed)
    }

    @Test("RFC 4422 §3.1: a mechanism is known by its whole name, in whatever case")
    func names() {
        for name in ["PLAIN", "plain", "Plain"] { #expect(Mechanism(Array(name.utf8)) == .plain) }
        for name in ["", "PLAI", "PLAINS", "PLAIN ", "LOGI", "CRAM-MD5", "EXTERNAL", "PLA\u{131}N"] {
            #expect(Mechanism(Array(name.utf8)) == nil)
        }
        for mechanism in Mechanism.allCases {
            let name = Array("\(mechanism.name)".utf8)
            #expect(
                (1...20).contains(name.count)
                    && name.allSatisfy { $0.isUpper || $0.isDigit || $0 == .ascii("-") || $0 == .ascii("_") })
        }
    }

    @Test(
        "LOGIN asks for the name and for the password; the name may come with the command, neither may be empty, and nothing comes behind"
    )
    func login() {
        let (name, password) = (Array("test".utf8), Array("a b".utf8))
        let asking = ServerExchange.Step.challenge(Array("Password:".utf8))
        for comesAtOnce in [true, false] {
            var exchange = ServerExchange(.login)
            if comesAtOnce {
                #expect(exchange.begin(name) == asking)
            } else {
                #expect(exchange.begin(nil) == .challenge(Array("Username:".utf8)))
                #expect(exchange.take(name) == asking)
            }
            #expect(exchange.take(password) == .verify(Credentials(user: name, password: password)))
            #expect(exchange.take(password) == .malformed)
        }
        for (first, second) in [([], password), (name, []), (name + [0], password), (name, [0])] {
            var exchange = ServerExchange(.login)
            var step = exchange.begin(first)
            if step == asking { step = exchange.take(second) }
            #expect(step == .malformed)
            #expect(exchange.take(password) == .malformed)
        }
    }
}
