import Bytes
import Mail
import Unix

/// A host that is to take our mail for others: `smtps://mail.example.net`. What stands behind the scheme and the login is what
/// every route is: `example.net`, whose mail exchangers take it; or one host without asking for exchangers, with a port or in
/// brackets, `mail.example.net:587`, `[192.0.2.1]`.
package struct RelayHost: Equatable, Sendable {
    package enum Scheme: String, Sendable {
        /// STARTTLS where it is wanted (RFC 3207).
        case smtp
        /// TLS from the first byte (RFC 8314 §3.3).
        case smtps
    }

    package let scheme: Scheme
    /// Which of several logins at this host; nil: the first that the passwords file has.
    package let login: [UInt8]?
    /// In lower case.
    package let route: String
    /// The same without brackets and port.
    package let host: [UInt8]
    package let port: UInt16?
    /// All of it, as a destination of its own for the queue-runner: what has one name shares sessions, and fails together.
    package let name: [UInt8]

    /// RFC 8314 §7.3.
    package static let submissionsPort: UInt16 = 465

    private static let separator = [UInt8]("://")

    /// `[scheme://][login@]route`; without a scheme it is smtp.
    package init?(_ text: String) {
        let bytes = Array(text.utf8)
        var rest = bytes[...]
        if let colon = Self.scheme(of: bytes) {
            let word = String(decoding: bytes[..<colon], as: UTF8.self)
            guard let scheme = Scheme(rawValue: word) else { return nil }
            self.scheme = scheme
            rest = bytes[(colon + Self.separator.count)...]
        } else {
            scheme = .smtp
        }
        if let at = rest.lastIndex(of: .ascii("@")) {
            let login = Array(rest[..<at])
            guard !login.isEmpty, login.allSatisfy({ !$0.isControl && !$0.isWhitespace }) else { return nil }
            self.login = login
            rest = rest[(at + 1)...]
        } else {
            login = nil
        }
        guard let (host, port) = Self.hostAndPort(rest) else { return nil }
        self.host = host.folded()
        self.port = port
        route = String(decoding: rest.folded(), as: UTF8.self)
        let user = login.map { $0 + [.ascii("@")] } ?? []
        name = Array(scheme.rawValue.utf8) + Self.separator + user + rest.folded()
        guard Self.isShort(name) else { return nil }
    }

    /// Where the colon behind a scheme is.
    private static func scheme(of text: [UInt8]) -> Int? {
        guard let colon = text.firstIndex(of: .ascii(":")), text[colon...].starts(with: separator) else {
            return nil
        }
        return colon
    }

    /// Whether the name of a destination, or what a person writes, is one with its scheme: no mail domain is.
    package static func hasScheme(_ text: [UInt8]) -> Bool { scheme(of: text) != nil }

    /// The name of a file is made of it, in which most characters are three (queue(5)).
    private static func isShort(_ name: [UInt8]) -> Bool {
        name.reduce(0) {
            $0 + ($1.isLower || $1.isDigit || $1 == .dot || $1 == .ascii("-") ? 1 : 3)
        } <= 255
    }

    /// Whether it is this host that was named, and not a domain whose exchangers the domain name system would name: a
    /// password is for no other.
    package var isHostItself: Bool {
        scheme == .smtps || port != nil || route.utf8.first == .ascii("[")
            || IPAddress(String(decoding: host, as: UTF8.self)) != nil
    }

    /// A route as far as it can be told without a resolver: a name or an address literal, perhaps a port.
    package static func isRoute(_ text: [UInt8]) -> Bool { hostAndPort(text[...]) != nil }

    private static func hostAndPort(_ text: ArraySlice<UInt8>) -> (host: [UInt8], port: UInt16?)? {
        guard text.count <= 255 else { return nil }
        var host = text
        var port: UInt16?
        if text.last != .ascii("]"), let colon = text.lastIndex(of: .ascii(":")) {
            guard let number = UInt16(strictDecimal: text[(colon + 1)...]), number > 0 else { return nil }
            port = number
            host = text[..<colon]
        }
        if host.first == .ascii("["), host.last == .ascii("]") {
            host = host.dropFirst().dropLast()
            if host.contains(.ascii(":")) || host.allSatisfy({ $0.isDigit || $0 == .dot }) {
                let address = host.hasPrefixFolded("IPv6:") ? host.dropFirst(5) : host
                guard IPAddress(String(decoding: address, as: UTF8.self)) != nil else { return nil }
                return (Array(address), port)
            }
        }
        return Address([UInt8]("x@") + host) != nil ? (Array(host), port) : nil
    }
}
