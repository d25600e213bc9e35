package import Program
package import Unix

/// Who is at the other end, and what that allows.
package struct Client {
    /// Nil for a program of this host, on a pipe or a Unix socket.
    package let address: IPAddress?
    /// One of our own, by `relay-networks`.
    package let mayRelay: Bool
    /// As the log calls it. Postfix has `unknown[192.0.2.1]`, names not being looked up, and a name for a program of this host.
    package let name: String

    package init(_ address: IPAddress?, of service: ServedProtocol, _ configuration: Configuration) {
        self.address = address
        mayRelay = address.map(configuration.relays(for:)) ?? true
        name =
            service.isLoggedAsPostfix
            ? address.map { "unknown[\($0)]" } ?? "localhost[127.0.0.1]" : address?.description ?? "local"
    }
}
