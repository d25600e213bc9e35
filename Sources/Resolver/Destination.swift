import Bytes
package import Unix

/// Where mail is to go, as a person, a route table or the domain of an address says it.
package enum Destination: Hashable {
    /// A domain, whose mail exchangers are to be found.
    case domain(DNSName)
    /// An address literal (RFC 5321 §4.1.3): this address and no other.
    case literal(IPAddress)
    /// One host, without asking for mail exchangers: a smarthost, a neighbour.
    case host(DNSName, port: UInt16?)
    case address(IPAddress, port: UInt16?)

    /// The domain of a mail address: `example.org`, `[192.0.2.1]` or `[IPv6:2001:db8::1]`.
    package init?(mailDomain text: String) {
        guard text.first == "[" else {
            guard let name = try? DNSName(text), name.isHostName else { return nil }
            self = .domain(name)
            return
        }
        guard let address = Self.literal(text) else { return nil }
        self = .literal(address)
    }

    /// What a command line or a route table may say besides: `host:port`, `[host]`, `[host]:port`,
    /// `[192.0.2.1]:port`, `[2001:db8::1]:port`. Brackets and ports mean the host itself.
    package init?(route text: String) {
        guard text.contains(where: { $0 == ":" || $0 == "[" }) else {
            self.init(mailDomain: text)
            return
        }
        var host = text[...]
        var port: UInt16?
        if text.last != "]", let colon = text.lastIndex(of: ":") {
            let digits = Array(text[text.index(after: colon)...].utf8)
            guard let number = UInt16(strictDecimal: digits), number > 0 else { return nil }
            port = number
            host = text[..<colon]
        }
        if let address = Self.literal(String(host)) {
            self = .address(address, port: port)
            return
        }
        if host.first == "[" {
            guard host.last == "]" else { return nil }
            host = host.dropFirst().dropLast()
        }
        if let address = IPAddress(String(host)) {
            // An IPv6 address with a port needs its brackets: nobody can tell where it ends.
            guard case .v4 = address else { return nil }
            self = .address(address, port: port)
        } else if let name = try? DNSName(String(host)), name.isHostName {
            self = .host(name, port: port)
        } else {
            return nil
        }
    }

    /// address-literal without the general one, and `[2001:db8::1]` as people write it.
    private static func literal(_ text: String) -> IPAddress? {
        guard text.first == "[", text.last == "]" else { return nil }
        let inside = text.dropFirst().dropLast()
        if Array(inside.utf8).hasPrefixFolded("IPv6:") {
            guard let address = IPAddress(String(inside.dropFirst(5))), case .v6 = address else { return nil }
            return address
        }
        return IPAddress(String(inside))
    }
}
