import Bytes
import Mail
package import Unix

/// Which domains are this host's.
extension Configuration {
    /// Whether mail for `domain` is delivered on this host: compared without case and without the dot that may end
    /// a complete name. An address of this host in brackets is as good as its name (RFC 1123 §5.2.17).
    package func isLocal(domain: ArraySlice<UInt8>) -> Bool {
        Self.holds(domain, localDomains) || Self.holds(domain, virtualDomains)
            || IPAddress(literal: domain).map(isOwn) == true
    }
    package func isLocal(domain: [UInt8]) -> Bool { isLocal(domain: domain[...]) }

    /// Whether only those have mail there whom the users file names with it. What is in local-domains as well is not.
    package func isVirtual(domain: ArraySlice<UInt8>) -> Bool {
        Self.holds(domain, virtualDomains) && !Self.holds(domain, localDomains)
    }
    package func isVirtual(domain: [UInt8]) -> Bool { isVirtual(domain: domain[...]) }

    /// Whether the same local part means the same user there as at the other local domains. It is not read from the users file
    /// who is: queue-runner, which has to tell, may not read it.
    package func sharesUsers(domain: ArraySlice<UInt8>) -> Bool {
        usersFile.isEmpty && !isVirtual(domain: domain)
    }

    private static func holds(_ domain: ArraySlice<UInt8>, _ list: [String]) -> Bool {
        guard !list.isEmpty else { return false }
        let name = domain.withoutFinalDot
        return list.contains { name.equalsFolded($0.utf8) }
    }

    /// One of the interfaces' addresses, or any that never leaves this host, unless the operator has other hosts there.
    private func isOwn(_ address: IPAddress) -> Bool {
        let address = address.unmapped
        if address.isLoopback, !permittedNetworks.contains(where: { $0.contains(address) }) { return true }
        return Host.addresses().contains(address)
    }

    /// A domain that is surely ours: the host's name, where that is local.
    package var ownDomain: String {
        let name = Array(hostname.utf8)
        return isLocal(domain: name) && !isVirtual(domain: name) ? hostname : localDomains.first ?? hostname
    }
}

extension IPAddress {
    /// An address literal as mail has it, brackets included (RFC 5321 §4.1.3); nil for a domain name.
    package init?(literal: ArraySlice<UInt8>) {
        guard literal.first == .ascii("[") else { return nil }
        var cursor = Cursor(literal)
        guard let bytes = try? cursor.literalAddress(), cursor.isAtEnd else { return nil }
        self = bytes.count == 4 ? .v4(bytes) : .v6(bytes)
    }
}

extension ArraySlice<UInt8> {
    fileprivate var withoutFinalDot: ArraySlice<UInt8> { last == .dot ? dropLast() : self }
}
