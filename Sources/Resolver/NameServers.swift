import Bytes
package import Unix

/// Whom to ask, as resolv.conf(5) names them.
package enum NameServers {
    package static let port: UInt16 = 53
    /// What resolv.conf(5) promises to look at.
    static let most = 3

    /// The servers of a resolv.conf; the local host if it names none, as libc has it.
    package static func parse(_ configuration: [UInt8], port: UInt16 = port) -> [SocketAddress] {
        var servers: [SocketAddress] = []
        for line in configuration.split(separator: .lf) where servers.count < most {
            let words = line.split { $0.isWhitespace }
            guard words.count >= 2, words[0].elementsEqual([UInt8]("nameserver")) else { continue }
            if let address = IPAddress(String(decoding: words[1], as: UTF8.self)) {
                servers.append(.ip(address, port: port))
            }
        }
        return servers.isEmpty ? [.ip(.v4([127, 0, 0, 1]), port: port)] : servers
    }

    /// The host's; where its resolv.conf is missing or cannot be read, the local host, as libc has it: the second is `told`.
    package static func ofHost(
        port: UInt16 = port, path: String = "/etc/resolv.conf", told: (SystemError) -> Void
    ) -> [SocketAddress] {
        do throws(SystemError) { return parse(try Path.contents(path, limit: 65536) ?? [], port: port) } catch
        {
            told(error)
            return parse([], port: port)
        }
    }
}
