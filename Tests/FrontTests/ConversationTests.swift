import Bytes
import Program
import Testing
import Unix

@testable import Front

/// Greeting, TLS, deadlines and ends.
@Suite struct ConversationTests {
    private static let greeting = Array("hello\r\n".utf8)

    @Test(
        "Postfix's lines say who comes and goes, the first behind the greeting; the others' say nothing",
        arguments: ServedProtocol.all)
    func log(service: ServedProtocol) throws {
        let scene = try Scene()
        var before: [String] = []
        let (heard, _) = try scene.serve(service, from: "192.0.2.1") { connection in
            let failure = connection.talk { () throws(StreamError) in
                before = scene.logged
                #expect(try connection.greet(Self.greeting, tls: false))
                #expect(connection.tls == nil)
            }
            #expect(failure == nil)
        }
        #expect(heard == "hello\r\n" && before.isEmpty)
        #expect(
            scene.logged
                == (service.name == "smtp"
                    ? ["connect from unknown[192.0.2.1]", "disconnect from unknown[192.0.2.1]"] : []))
    }

    @Test("who is refused came and went, too")
    func refused() throws {
        let scene = try Scene()
        scene.limits.total = 0
        try scene.serve(ServedProtocol.all[0], from: "192.0.2.1")
        #expect(
            scene.logged == [
                "connect from unknown[192.0.2.1]",
                "warning: refused unknown[192.0.2.1]: too many connections",
                "disconnect from unknown[192.0.2.1]",
            ])
    }

    @Test(
        "where TLS cannot be had, nothing is said in the clear, and the log says why",
        arguments: ServedProtocol.all)
    func noTLS(service: ServedProtocol) throws {
        let scene = try Scene()
        for tls in [true, false] {
            let (heard, _) = try scene.serve(service, from: "192.0.2.1") { connection in
                let failure = connection.talk { () throws(StreamError) in
                    if tls {
                        #expect(try !connection.greet(Self.greeting, tls: true))
                    } else {
                        #expect(try !connection.beginTLS(saying: Array("begin\r\n".utf8)))
                    }
                }
                #expect(failure == nil && connection.tls == nil)
            }
            #expect(heard == "")
        }
        #expect(scene.logged.count { $0.contains("TLS not available: ") && $0.contains("/net/tls") } == 2)
    }

    @Test(
        "who takes too long, or goes on for too long, is told so in the words of the protocol",
        arguments: ServedProtocol.all, [true, false])
    func timeout(service: ServedProtocol, waits: Bool) throws {
        let words = [
            "smtp": "421 4.4.2 here.example Timeout\r\n", "pop3": "-ERR Timeout\r\n",
            "imap": "* BYE Timeout\r\n",
        ]
        let scene = try Scene()
        if waits {
            scene.limits.patience = .milliseconds(20)
        } else {
            scene.limits.session = .milliseconds(20)
        }
        let (heard, _) = try scene.serve(service, from: "192.0.2.1", saying: nil) { connection in
            let failure = connection.talk { () throws(StreamError) in
                #expect(try connection.greet(Self.greeting, tls: false))
                _ = try connection.stream.fill()
                Issue.record("it waited for nothing")
            }
            #expect(failure == .timedOut)
        }
        #expect(heard == "hello\r\n" + (words[service.name] ?? ""))
    }

    @Test("who goes away is told nothing, and the caller learns what it was")
    func lost() throws {
        let scene = try Scene()
        let (heard, _) = try scene.serve(.imap, from: "192.0.2.1") { connection in
            #expect(connection.talk { () throws(StreamError) in throw .disconnected } == .disconnected)
        }
        #expect(heard == "")
    }

    @Test(
        "a client that cannot be served for a broken configuration hears one line that says: for now",
        arguments: ServedProtocol.all)
    func unavailable(service: ServedProtocol) {
        let start = ["smtp": "421 4.3.5 ", "pop3": "-ERR [SYS/TEMP] ", "imap": "* BYE [UNAVAILABLE] "]
        for text in [service.unavailable, service.busy, service.timeout] {
            let bytes = Array(text.utf8)
            #expect(bytes.suffix(2) == [.cr, .lf] && bytes.dropLast(2).allSatisfy { $0.isPrintable })
        }
        #expect(service.unavailable.hasPrefix(start[service.name] ?? "?"))
    }
}
