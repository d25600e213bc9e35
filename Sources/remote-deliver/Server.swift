import Resolver
import Unix

/// A server that is to be tried: a host of the road, at one of its addresses.
struct Server {
    let host: Route.Host
    let address: IPAddress
    let port: UInt16

    /// For people: `mx.example[192.0.2.1]`, or `[192.0.2.1]`.
    var name: String { isNameless ? host.name : "\(host.name)[\(address)]" }
    /// For the log: the same with the port.
    var relay: String { "\(name):\(port)" }
    /// The name to ask a TLS server for, and to find in its certificate.
    var tlsName: String { isNameless ? "\(address)" : host.name }

    /// Whether only an address is known: it stands in brackets where a name would.
    private var isNameless: Bool { host.name.first == "[" }

    /// All servers of a road, in order.
    static func all(of route: Route, port: UInt16) -> [Server] {
        route.hosts.flatMap { host in
            host.addresses.map { Server(host: host, address: $0, port: route.port ?? port) }
        }
    }
}

/// The times of one connection, in microseconds, for the log.
struct Stopwatch {
    private var mark = Deadline.monotonicMicroseconds()
    /// What the next message has waited for: the connection and its opening. Those behind it find it open.
    private(set) var connecting = 0

    mutating func connectionIsOpen() { connecting = lap() }
    mutating func messageIsDone() { connecting = 0 }

    /// The time since the last call, or since the beginning.
    mutating func lap() -> Int {
        let now = Deadline.monotonicMicroseconds()
        defer { mark = now }
        return Int(now - mark)
    }
}
