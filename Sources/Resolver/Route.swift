package import Unix

/// The road to a destination (RFC 5321 §5.1): which hosts may be tried, at which addresses, in which order.
/// A pure function over answers: the same answers and the same random numbers give the same road.
package struct Route: Equatable {
    package let hosts: [Host]
    /// Where the destination names a port.
    package let port: UInt16?

    package init(hosts: [Host], port: UInt16? = nil) {
        self.hosts = hosts
        self.port = port
    }

    /// A host that takes the mail: an exchanger, or the domain itself.
    package struct Host: Equatable {
        /// Its name, or its address in brackets.
        package let name: String
        /// nil where no MX record said so.
        package let preference: UInt16?
        /// In the order in which they are to be tried.
        package let addresses: [IPAddress]

        package init(name: String, preference: UInt16? = nil, addresses: [IPAddress]) {
            self.name = name
            self.preference = preference
            self.addresses = addresses
        }
    }

    /// Most exchangers that are looked at; those of a worse preference are left out (T70).
    static let mostExchangers = 16
    /// Most addresses of one host.
    static let mostAddresses = 8
}

/// Why there is no road.
package enum NoRoute: Error, Equatable, CustomStringConvertible {
    /// The domain does not exist.
    case noSuchDomain(DNSName)
    /// Null MX: the domain takes no mail (RFC 7505).
    case acceptsNoMail(DNSName)
    /// Neither exchanger nor address.
    case nobodyThere(DNSName)
    /// The best that is left is this host (RFC 5321 §5.1: mail would go round).
    case leadsBack(DNSName)
    /// Nothing but addresses where no mail host of somebody else can be (T71).
    case unusableAddress(String)
    /// Not known now.
    case unknown(DNSName, LookupFailure)

    package var isTemporary: Bool {
        if case .unknown = self { true } else { false }
    }

    /// The enhanced status code (RFC 3463, RFC 7505 §5).
    package var enhancedStatus: (UInt8, UInt16, UInt16) {
        switch self {
        case .noSuchDomain: (5, 1, 2)
        case .acceptsNoMail: (5, 1, 10)
        case .nobodyThere, .unusableAddress: (5, 4, 4)
        case .leadsBack: (5, 4, 6)
        case .unknown: (4, 4, 3)
        }
    }

    package var description: String {
        switch self {
        case .noSuchDomain(let name): "Domain \(name) does not exist"
        case .acceptsNoMail(let name): "Domain \(name) does not accept mail (null MX)"
        case .nobodyThere(let name): "Domain \(name) has neither mail exchanger nor address"
        case .leadsBack(let name): "Mail for \(name) would come back to this host"
        case .unusableAddress(let name): "Mail for \(name) leads to an address that is not allowed"
        case .unknown(let name, let failure): "Looking up \(name) failed: \(failure)"
        }
    }
}

/// What this host knows of itself and of the roads that are open to it.
package struct Surroundings {
    /// Names under which this host is a mail exchanger.
    package var ownNames: Set<DNSName>
    package var ownAddresses: Set<IPAddress>
    /// Networks that may be delivered to although an address in them is our own or on no real network.
    package var permitted: [Network]
    package var usesIPv4: Bool
    package var usesIPv6: Bool

    package init(
        ownNames: Set<DNSName> = [], ownAddresses: Set<IPAddress> = [], permitted: [Network] = [],
        usesIPv4: Bool = true, usesIPv6: Bool = true
    ) {
        self.ownNames = ownNames
        self.ownAddresses = ownAddresses
        self.permitted = permitted
        self.usesIPv4 = usesIPv4
        self.usesIPv6 = usesIPv6
    }

    /// What holds for this host under `names`, its interfaces asked for their addresses.
    package static func ofHost(
        names: [String], permitted: [Network], usesIPv4: Bool, usesIPv6: Bool
    ) -> Surroundings {
        Surroundings(
            ownNames: Set(names.compactMap { try? DNSName($0) }),
            ownAddresses: Unix.Host.addresses(), permitted: permitted, usesIPv4: usesIPv4, usesIPv6: usesIPv6)
    }

    enum Standing { case usable, ourselves, refused }

    func standing(of address: IPAddress) -> Standing {
        if permitted.contains(where: { $0.contains(address) }) { return .usable }
        let address = address.unmapped
        if address.isLoopback || ownAddresses.contains(address) { return .ourselves }
        return Self.nobody.contains { $0.contains(address) } ? .refused : .usable
    }

    /// Addresses at which there can be no mail host: this network, link-local, multicast, reserved
    /// (RFC 6890 §2.2, RFC 4291 §2.4).
    private static let nobody = [
        "0.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3", "::/128", "fe80::/10", "ff00::/8",
    ].compactMap { Network($0) }
}
