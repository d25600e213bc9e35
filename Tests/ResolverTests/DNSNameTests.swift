import Bytes
import Testing

@testable import Resolver

@Suite struct DNSNameTests {
    @Test(
        "A name is read in master-file form and written the same way",
        arguments: [
            ("example.org", "example.org"), ("example.org.", "example.org"), (".", "."),
            ("a\\.b.example", "a\\.b.example"), ("a\\032b", "a\\032b"), ("x\\255", "x\\255"),
            ("a b", "a\\032b"), ("a;b", "a\\;b"), ("a\\\\b", "a\\\\b"), ("a\\@b$", "a\\@b\\$"),
            ("a\u{1B}[2J\nb", "a\\027[2J\\010b"), ("é", "\\195\\169"), ("_x-1", "_x-1"),
        ])
    func forms(text: String, written: String) throws {
        #expect(try DNSName(text).description == written)
    }

    @Test(
        "What is no name is refused with the reason",
        arguments: [
            ("", DNSName.Illegal.unexpectedEnd), ("..", .emptyLabel), ("a..b", .emptyLabel),
            (".a", .emptyLabel), ("a\\", .unexpectedEnd), ("a\\1", .unexpectedEnd), ("a\\12x", .badEscape),
            ("a\\256", .badEscape), (String(repeating: "a", count: 64), .labelTooLong),
        ])
    func illegal(text: String, reason: DNSName.Illegal) {
        #expect(throws: reason) { try DNSName(text) }
    }

    @Test("Labels end at 63 bytes and names at 255, zero included")
    func limits() throws {
        let label = String(repeating: "a", count: 63)
        #expect(try DNSName(label).wire.count == 65)
        let long = [label, label, label].joined(separator: ".") + "."
        #expect(try DNSName(long + String(repeating: "b", count: 61)).wire.count == 255)
        #expect(throws: DNSName.Illegal.nameTooLong) {
            try DNSName(long + String(repeating: "b", count: 62))
        }
    }

    @Test("Names are equal without regard to ASCII case, and to nothing else")
    func equality() throws {
        #expect(try DNSName("Example.ORG") == DNSName("example.org."))
        #expect(try Set([DNSName("A.b"), DNSName("a.B")]).count == 1)
        #expect(try DNSName("\u{212A}") != DNSName("k"))
        #expect(try DNSName("a\\.b") != DNSName("a.b"))
    }

    @Test("A host name has letters, digits, inner hyphens and underscores only, and is no address (T73)")
    func hostNames() throws {
        #expect(try DNSName("mx-1.example_x.org").isHostName)
        for text in [".", "a\\.b", "a b", "é.example", "a\\000b", "-a.b", "a-.b", "-", "192.0.2.1", "1.2"] {
            #expect(try !DNSName(text).isHostName)
        }
    }

    @Test("Addresses have names in the reverse tree")
    func reverse() {
        #expect(DNSName(reverseOf: [192, 0, 2, 10]).description == "10.2.0.192.in-addr.arpa")
        let six = DNSName(reverseOf: [0x20, 1, 0x0D, 0xB8] + [UInt8](repeating: 0, count: 11) + [0xAF])
        #expect(
            six.description
                == "f.a.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa")
    }
}
