import Bytes
import CSystem

/// An IPv4 or IPv6 address, in network byte order.
package enum IPAddress: Hashable, CustomStringConvertible {
    /// 4 bytes.
    case v4([UInt8])
    /// 16 bytes.
    case v6([UInt8])

    package var bytes: [UInt8] {
        switch self {
        case .v4(let bytes), .v6(let bytes): bytes
        }
    }

    /// Reads dotted decimal or RFC 4291 §2.2 text; nil for anything else.
    package init?(_ text: String) {
        var four = in_addr()
        var six = in6_addr()
        if unsafe cs_parse_address(AF_INET, text, &four) == 1 {
            self = .v4(unsafe withUnsafeBytes(of: &four) { unsafe Array($0) })
        } else if unsafe cs_parse_address(AF_INET6, text, &six) == 1 {
            self = .v6(unsafe withUnsafeBytes(of: &six) { unsafe Array($0) })
        } else {
            return nil
        }
    }

    package var description: String {
        if case .v4(let bytes) = self {
            var text: [UInt8] = []
            for byte in bytes {
                if !text.isEmpty { text.append(.dot) }
                text.append(decimal: Int(byte))
            }
            return String(decoding: text, as: UTF8.self)
        }
        var text = [CChar](repeating: 0, count: 64)
        let written = unsafe cs_print_address(AF_INET6, bytes, &text, 64) == 0
        return written
            ? String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self) : "?"
    }

    /// `::ffff:192.0.2.1` as the IPv4 address that it stands for.
    package var unmapped: IPAddress {
        if case .v6(let bytes) = self,
            bytes.prefix(12).elementsEqual([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255])
        {
            return .v4(Array(bytes.suffix(4)))
        }
        return self
    }

    /// What one customer holds, and is counted by: an IPv4 address, or an IPv6 /64.
    package var customer: [UInt8] {
        switch unmapped {
        case .v4(let bytes): bytes
        case .v6(let bytes): Array(bytes.prefix(8))
        }
    }

    package var isLoopback: Bool {
        switch unmapped {
        case .v4(let bytes): bytes[0] == 127
        case .v6(let bytes): bytes.dropLast().allSatisfy { $0 == 0 } && bytes[15] == 1
        }
    }
}

/// A range of addresses: `192.0.2.0/24`, `2001:db8::/32`, or one address.
package struct Network: Equatable {
    package let address: IPAddress
    package let prefixLength: Int

    package init(_ address: IPAddress, prefixLength: Int) {
        self.address = address
        self.prefixLength = prefixLength
    }

    package init?(_ text: String) {
        let (host, length) = SocketAddress.parts(of: text, separator: .ascii("/"))
        guard let address = IPAddress(host) else { return nil }
        let full = address.bytes.count * 8
        self.address = address
        if let length {
            guard let length = Int(strictDecimal: length), length <= full else { return nil }
            prefixLength = length
        } else {
            prefixLength = full
        }
    }

    package func contains(_ other: IPAddress) -> Bool {
        let other = other.unmapped.bytes
        let own = address.bytes
        guard own.count == other.count else { return false }
        let (whole, bits) = prefixLength.quotientAndRemainder(dividingBy: 8)
        guard own.prefix(whole).elementsEqual(other.prefix(whole)) else { return false }
        return bits == 0 || (own[whole] ^ other[whole]) >> (8 - bits) == 0
    }
}

/// One end of a connection.
package enum SocketAddress: Equatable, CustomStringConvertible {
    case ip(IPAddress, port: UInt16)
    /// A Unix socket, a pipe, a terminal: somebody on this host.
    case local

    package var description: String {
        switch self {
        case .ip(.v4(let bytes), let port): "\(IPAddress.v4(bytes)):\(port)"
        case .ip(let address, let port): "[\(address)]:\(port)"
        case .local: "local"
        }
    }

    /// `192.0.2.1`, `2001:db8::1`, or with a port behind `#`, as name servers are written: `192.0.2.1#5353`.
    package init?(server text: String, standardPort: UInt16) {
        let (host, digits) = Self.parts(of: text, separator: .ascii("#"))
        guard let address = IPAddress(host) else { return nil }
        var port = standardPort
        if let digits {
            guard let number = UInt16(strictDecimal: digits), number > 0 else { return nil }
            port = number
        }
        self = .ip(address, port: port)
    }

    /// What stands before and behind the first separator; by bytes, as every tool does this at its start.
    fileprivate static func parts(of text: String, separator: UInt8) -> (
        host: String, rest: ArraySlice<UInt8>?
    ) {
        let bytes = Array(text.utf8)
        guard let place = bytes.firstIndex(of: separator) else { return (text, nil) }
        return (String(decoding: bytes[..<place], as: UTF8.self), bytes[(place + 1)...])
    }

    package var ip: IPAddress? {
        if case .ip(let address, _) = self { return address.unmapped }
        return nil
    }

    /// Who is at the other end of `raw`. Nil when the connection is lost already: a stranger who hung up
    /// must not pass for somebody on this host.
    package static func peer(of raw: CInt) -> SocketAddress? {
        if let address = unsafe read({ unsafe getpeername(raw, $0, $1) }) { return address }
        return Errno.current == .notSocket ? .local : nil
    }
    /// Our own end of `raw`.
    package static func own(of raw: CInt) -> SocketAddress {
        unsafe read { unsafe getsockname(raw, $0, $1) } ?? .local
    }

    private static func read(
        _ call: (UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<socklen_t>) -> CInt
    ) -> SocketAddress? {
        var storage = sockaddr_storage()
        var size = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let failed =
            unsafe withUnsafeMutablePointer(to: &storage) { pointer in
                unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe call($0, &size) }
            } != 0
        return failed ? nil : SocketAddress(storage)
    }

    private init(_ storage: sockaddr_storage) {
        self = unsafe withUnsafeBytes(of: storage) { raw -> SocketAddress in
            switch CInt(storage.ss_family) {
            case AF_INET:
                let found = unsafe raw.loadUnaligned(as: sockaddr_in.self)
                return .ip(
                    .v4(unsafe withUnsafeBytes(of: found.sin_addr) { unsafe Array($0) }),
                    port: UInt16(bigEndian: found.sin_port))
            case AF_INET6:
                let found = unsafe raw.loadUnaligned(as: sockaddr_in6.self)
                return .ip(
                    .v6(unsafe withUnsafeBytes(of: found.sin6_addr) { unsafe Array($0) }),
                    port: UInt16(bigEndian: found.sin6_port))
            default: return .local
            }
        }
    }

    /// Calls `body` with the address in the kernel's form; -1 for `.local`.
    func withKernelForm(_ body: (UnsafePointer<sockaddr>, socklen_t) -> CInt) -> CInt {
        guard case .ip(let address, let port) = self else { return -1 }
        switch address {
        case .v4(let bytes):
            var form = sockaddr_in()
            form.sin_family = sa_family_t(AF_INET)
            form.sin_port = port.bigEndian
            unsafe withUnsafeMutableBytes(of: &form.sin_addr) { unsafe $0.copyBytes(from: bytes) }
            return unsafe withUnsafePointer(to: &form) { pointer in
                unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    unsafe body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
                }
            }
        case .v6(let bytes):
            var form = sockaddr_in6()
            form.sin6_family = sa_family_t(AF_INET6)
            form.sin6_port = port.bigEndian
            unsafe withUnsafeMutableBytes(of: &form.sin6_addr) { unsafe $0.copyBytes(from: bytes) }
            return unsafe withUnsafePointer(to: &form) { pointer in
                unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    unsafe body($0, socklen_t(MemoryLayout<sockaddr_in6>.size))
                }
            }
        }
    }
}
