import Bytes
import CSystem

/// What the host is called and when it was started.
package enum Host {
    /// The name to introduce ourselves with when the configuration gives none: the system's name if it has
    /// a dot, else the first name of /etc/mailname, else its full name from /etc/hosts, else the bare name.
    package static func name() -> String {
        let bare = bareName
        if bare.contains(".") { return bare }
        if let mailname = lines(of: "/etc/mailname").first?.first, mailname.contains(".") { return mailname }
        for line in lines(of: "/etc/hosts") where line.dropFirst().contains(bare) {
            if let full = line.dropFirst().first(where: { $0.contains(".") }) { return full }
        }
        return bare
    }

    /// What the system is called, with or without a domain, at the cost of one call.
    package static var bareName: String {
        var buffer = [UInt8](repeating: 0, count: 256)
        let failed =
            unsafe buffer.withUnsafeMutableBytes { unsafe gethostname($0.baseAddress!, 255) } != 0
        return failed ? "localhost" : String(decoding: buffer.prefix { $0 != 0 }, as: UTF8.self)
    }

    private static func lines(of path: String) -> [[String]] {
        guard let bytes = (try? Path.contents(path)) ?? nil else { return [] }
        return bytes.split(separator: .lf).map { line in
            line.prefix { $0 != .ascii("#") }.split { $0.isWhitespace }
                .map { String(decoding: $0, as: UTF8.self) }
        }.filter { !$0.isEmpty }
    }

    /// Names this start of the host, so that a file written before the last crash can be told; at most 36
    /// letters, digits and hyphens.
    package static func bootID() throws(SystemError) -> String {
        #if os(Linux)
            let path = "/proc/sys/kernel/random/boot_id"
            guard let text = try Path.contents(path) else { return "unknown" }
            return String(decoding: text.prefix { $0 != .lf }, as: UTF8.self)
        #else
            var time = timeval()
            var size = MemoryLayout<timeval>.size
            try SystemCall.perform("sysctl", "kern.boottime") {
                unsafe sysctlbyname("kern.boottime", &time, &size, nil, 0)
            }
            return "\(time.tv_sec)-\(time.tv_usec)"
        #endif
    }
}
