import Program
import Testing
import Unix

/// Which domains are this host's: RFC 1123 §5.2.17 for the addresses.
@Suite struct DomainTests {
    private static func configuration(_ lines: String) throws -> Configuration {
        try Configuration.parse(Array(("hostname = mx.a.example\n" + lines).utf8), file: "test")
    }

    @Test(
        "a domain is local by its name, without case and without the dot behind it",
        arguments: [
            ("a.example", true), ("A.Example.", true), ("b.example", true), ("b.example.", true),
            ("mx.a.example", false), ("xa.example", false), ("a.example..", false), ("", false), (".", false),
        ])
    func names(domain: String, isLocal: Bool) throws {
        let configuration = try Self.configuration("local-domains = a.example b.example.\n")
        #expect(configuration.isLocal(domain: Array(domain.utf8)) == isLocal)
    }

    @Test(
        "an address of ours in brackets is local, somebody else's is not",
        arguments: [
            ("[127.0.0.1]", true), ("[127.9.9.9]", true), ("[IPv6:::1]", true),
            ("[ipv6:0:0:0:0:0:0:0:1]", true),
            ("[IPv6:::ffff:127.0.0.1]", true), ("[192.0.2.1]", false), ("[IPv6:2001:db8::1]", false),
            ("[0.0.0.0]", false), ("127.0.0.1", false), ("[127.0.0.1", false), ("[127.1]", false),
            ("[::1]", false), ("[127.0.0.1].", false),
        ])
    func literals(domain: String, isLocal: Bool) throws {
        let configuration = try Self.configuration("local-domains = a.example\n")
        #expect(configuration.isLocal(domain: Array(domain.utf8)) == isLocal)
    }

    @Test("where other hosts are on loopback, only the interfaces' own addresses are ours")
    func permitted() throws {
        let configuration = try Self.configuration("permitted-networks = 127.0.0.0/8\nlocal-domains = a\n")
        #expect(configuration.isLocal(domain: Array("[127.0.0.1]".utf8)))
        #expect(!configuration.isLocal(domain: Array("[127.0.0.9]".utf8)))
        for address in Host.addresses() {
            let text = "\(address)"
            let literal = text.contains(":") ? "[IPv6:\(text)]" : "[\(text)]"
            #expect(configuration.isLocal(domain: Array(literal.utf8)), "\(literal)")
        }
    }

    @Test("names of this host are completed by a domain that is ours")
    func own() throws {
        #expect(
            try Self.configuration("local-domains = a.example mx.a.example\n").ownDomain == "mx.a.example")
        #expect(try Self.configuration("local-domains = a.example b.example\n").ownDomain == "a.example")
    }

    @Test("mail for virtual domains is delivered here; what is a local domain as well is no virtual one")
    func virtual() throws {
        let lines = "local-domains = a.example\nvirtual-domains = v.example. a.example\n"
        let configuration = try Self.configuration(lines)
        for domain in ["v.example", "V.Example."] {
            #expect(configuration.isLocal(domain: Array(domain.utf8)))
            #expect(configuration.isVirtual(domain: Array(domain.utf8)))
            #expect(!configuration.sharesUsers(domain: Array(domain.utf8)[...]))
        }
        for domain in ["a.example", "xv.example", ""] {
            #expect(!configuration.isVirtual(domain: Array(domain.utf8)))
        }
        #expect(configuration.sharesUsers(domain: Array("a.example".utf8)[...]))
        let withUsers = try Self.configuration(lines + "users-file = /u\n")
        #expect(!withUsers.sharesUsers(domain: Array("a.example".utf8)[...]))
        #expect(
            try Self.configuration("local-domains = a\nvirtual-domains = mx.a.example\n").ownDomain == "a")
    }
}
