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
            ("from=ann", []), ("to=bob@ONE.example", [1]), ("to=@two.example", [2]),
            ("to=\"a@b\"@two.example", [2]), ("to=@b", []), ("to=root", [3]), ("domain=two.EXAMPLE", [2]),
            ("domain=example", []), ("domain=root", []),
        ])
    func choosing(word: String, numbers: [Int]) throws {
        let selector = try #require(MessageSelector(word))
        #expect(selector.recipients(of: Self.envelope, Self.id) == numbers)
    }

    @Test("the null reverse-path is chosen by an empty one, and by nothing else")
    func nullSender() throws {
        let report = Envelope(reversePath: [], recipients: Self.envelope.recipients)
        for word in ["from=", "from=<>"] {
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
