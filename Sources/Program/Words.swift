package import Unix

// How times and sizes are written for people.

extension Duration {
    /// The two largest units: `3d 4h`, `5m 10s`, `0s`.
    package var inWords: String {
        let seconds = max(0, components.seconds)
        let parts = [
            (seconds / 86400, "d"), (seconds / 3600 % 24, "h"), (seconds / 60 % 60, "m"), (seconds % 60, "s"),
        ]
        guard let first = parts.firstIndex(where: { $0.0 > 0 }) else { return "0s" }
        return parts[first...].prefix(2).filter { $0.0 > 0 }.map { "\($0.0)\($0.1)" }.joined(separator: " ")
    }
}

extension Time {
    /// `Tue Nov 24 02:10:11`, in the host's time zone.
    package var inWords: String { LocalTime(self).listStamp }

    /// `Tue Nov 24 02:10:11, in 5m 10s`, or `…, 5m 10s ago`.
    package func inWords(at now: Time) -> String {
        self > now ? "\(inWords), in \((self - now).inWords)" : "\(inWords), \((now - self).inWords) ago"
    }
}

/// `512 bytes`, `17.5 KiB`, `3.0 MiB`.
package func sizeInWords(_ bytes: Int) -> String {
    let units = ["bytes", "KiB", "MiB", "GiB", "TiB"]
    var unit = 0
    var tenths = bytes.multipliedReportingOverflow(by: 10).partialValue
    while tenths >= 10240, unit < units.count - 1 {
        tenths /= 1024
        unit += 1
    }
    return unit == 0 ? "\(bytes) bytes" : "\(tenths / 10).\(tenths % 10) \(units[unit])"
}
