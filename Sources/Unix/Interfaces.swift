import CSystem

extension Host {
    /// The addresses of this host's interfaces. Empty when the kernel does not tell.
    package static func addresses() -> Set<IPAddress> {
        var first: UnsafeMutablePointer<ifaddrs>?
        guard unsafe getifaddrs(&first) == 0 else { return [] }
        defer { unsafe freeifaddrs(first) }
        var found: Set<IPAddress> = []
        var next = unsafe first
        while let interface = unsafe next {
            if let address = unsafe interface.pointee.ifa_addr.flatMap({ unsafe IPAddress(kernelForm: $0) }) {
                found.insert(address)
            }
            unsafe next = interface.pointee.ifa_next
        }
        return found
    }
}

extension IPAddress {
    /// nil for an address of another family.
    fileprivate init?(kernelForm address: UnsafePointer<sockaddr>) {
        switch CInt(unsafe address.pointee.sa_family) {
        case AF_INET:
            let form = unsafe UnsafeRawPointer(address).loadUnaligned(as: sockaddr_in.self)
            self = .v4(unsafe withUnsafeBytes(of: form.sin_addr) { unsafe Array($0) })
        case AF_INET6:
            let form = unsafe UnsafeRawPointer(address).loadUnaligned(as: sockaddr_in6.self)
            self = .v6(unsafe withUnsafeBytes(of: form.sin6_addr) { unsafe Array($0) })
        default: return nil
        }
    }
}
