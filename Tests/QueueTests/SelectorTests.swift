import Bytes
import Queue
import Testing
import Unix

@Suite struct SelectorTests {
    private static let id = MessageID("0hofsbazmr01xi9h5ijcmdjf")!
    private static let envelope = Envelope(
        reversePath: Array("Ann@Example.org".utf8),
        recipients: ["bob@one.example", "\"a@b\"@Two.Example", "root"].map { .init(Array($0.utf8)) })

    @Test(
        "a word chooses recipients by number, without regard to case",
        arguments: [
            ("0hofsbazmr01xi9h5ijcmdjf", [1, 2, 3]), ("1hofsbazmr01xi9h5ijcmdjf", []), ("all", [1, 2, 3]),
            ("from=ann@example.org", [1, 2, 3]), ("FROM=<ANN@EXAMPLE.ORG>", [1, 2, 3]),
            ("from=@example.org", [1, 2, 3]), ("from=@xample.org", []), ("from=", []), ("from=<>", []),
            ("from=ann", [1, 2, 3]), ("from=<ann>", [1, 2, 3]), ("from=an", []), ("to=bob@ONE.example", [1]),
            ("to=@two.example", [2]),
            ("to=\"a@b\"@two.example", [2]), ("to=@b", []), ("to=root", [3]), ("domain=two.EXAMPLE", [2]),
            ("domain=example", []), ("domain=root", []), ("from=ann@EXAMPLE.org.", [1, 2, 3]),
            ("from=\"ann\"@example.org", [1, 2, 3]), ("to=bob", [1]), ("to=<ROOT>", [3]),
            ("to=\"r\\oot\"", [3]), ("to=root@two.example", []), ("to=\"a\\@b\"@two.example.", [2]),
            ("to=\"a@b\"", [2]), ("to=a", []), ("domain=<one.example.>", [1]), ("domain=@one.example", [1]),
            ("from=mailer-daemon", []),
        ])
    func choosing(word: String, numbers: [Int]) throws {
        let selector = try #require(MessageSelector(word))
        #expect(selector.recipients(of: Self.envelope, Self.id) == numbers)
    }

    @Test(
        "an address literal is the address that it is",
        arguments: [
            ("z@[127.0.0.9]", "z@127.0.0.9", true), ("z@127.0.0.9", "Z@[127.0.0.9]", true),
            ("z@[127.0.0.9]", "@127.0.0.9", true), ("z@[127.0.0.9]", "z@[127.0.0.8]", false),
            ("z@[IPv6:2001:db8::1]", "z@[2001:DB8:0::1]", true),
            ("z@[IPv6:2001:db8::1]", "@2001:db8::1", true),
            ("z@[127.0.0.9]", "z", true), ("z@[127.0.0.9]", "z@[x]", false),
        ])
    func literals(stored: String, word: String, isMeant: Bool) throws {
        let envelope = Envelope(reversePath: Array(stored.utf8), recipients: [.init(Array(stored.utf8))])
        for key in ["from", "to"] {
            let selector = try #require(MessageSelector("\(key)=\(word)"))
            #expect(selector.recipients(of: envelope, Self.id).isEmpty == !isMeant)
        }
        if word.utf8.first == UInt8(ascii: "@") {
            let selector = try #require(MessageSelector("domain=\(word.dropFirst())"))
            #expect(selector.recipients(of: envelope, Self.id).isEmpty == !isMeant)
        }
    }

    @Test("the null reverse-path is chosen by an empty one, and by the name that the listing gives it")
    func nullSender() throws {
        let report = Envelope(reversePath: [], recipients: Self.envelope.recipients)
        for word in ["from=", "from=<>", "from=MAILER-DAEMON"] {
            #expect(try #require(MessageSelector(word)).recipients(of: report, Self.id) == [1, 2, 3])
        }
        #expect(try #require(MessageSelector("from=@example.org")).recipients(of: report, Self.id) == [])
    }

    @Test(
        "other words are none",
        arguments: [
            "", "ALL", "to=", "to=<>", "domain=", "domain=a@b", "bob@one.example", "from", "=",
            "0hofsbazmr01xi9h5ijcmdj", "0HOFSBAZMR01XI9H5IJCMDJF", "sender=x", "\u{212A}=x",
        ])
    func refused(word: String) { #expect(MessageSelector(word) == nil) }

    @Test("a route is read from the parameters of what the queue's owner injected, a domain from the address")
    func destinations() {
        let routed = Envelope.Recipient(
            Array("bob@One.example".utf8), parameters: Array("NOTIFY=NEVER X-ROUTE=[192.0.2.1]:25".utf8))
        #expect(routed.route(injectedBy: Identity.user) == Array("[192.0.2.1]:25".utf8))
        #expect(routed.route(injectedBy: Identity.user + 1) == nil)
        #expect(routed.withoutRoute.parameters == Array("NOTIFY=NEVER".utf8))
        #expect(routed.domain == Array("one.example".utf8))
        #expect(Self.envelope.recipients.allSatisfy { $0.route(injectedBy: Identity.user) == nil })
        #expect(Self.envelope.recipients[2].domain == nil)
    }
}
