import Bytes
package import Unix

/// Who logged in from where in the last days: they are let through to their password where an address has so many
/// guesses under way that others must wait. A table of fixed size, an entry 16 bytes: who and where as a hash, and when.
/// It is a hint: what cannot be read is not there, what cannot be written is lost, and two that fall on one place
/// take turns.
package struct KnownLogins {
    private let path: String

    static let places = 4096
    static let lifetime: Int64 = 14 * 86400

    package init(_ path: String) { self.path = path }

    package func contains(_ user: [UInt8], from address: IPAddress, at now: Time = .now()) -> Bool {
        guard let file = try? Path.openForReading(path), let since = time(of: Key(user, address), in: file)
        else { return false }
        return (0...Self.lifetime).contains(now.seconds - since)
    }

    package func remember(_ user: [UInt8], from address: IPAddress, at now: Time = .now()) {
        let key = Key(user, address)
        guard let file = try? Path.openForLocking(path) else { return }
        // Once a day is enough.
        if let since = time(of: key, in: file), (0...86400).contains(now.seconds - since) { return }
        try? file.write(key.bytes + Self.bytes(UInt64(bitPattern: now.seconds)), at: key.offset)
    }

    private struct Key {
        let bytes: [UInt8]
        let offset: Int

        init(_ user: [UInt8], _ address: IPAddress) {
            let hash = (address.customer + [.nul] + user).checksum
            bytes = KnownLogins.bytes(hash)
            offset = Int(hash % UInt64(KnownLogins.places)) * 16
        }
    }

    private func time(of key: Key, in file: borrowing Descriptor) -> Int64? {
        guard let entry = try? file.read(upTo: 16, at: key.offset), entry.count == 16,
            entry.prefix(8).elementsEqual(key.bytes)
        else { return nil }
        return Int64(bitPattern: entry.suffix(8).reduce(0) { $0 << 8 | UInt64($1) })
    }

    private static func bytes(_ number: UInt64) -> [UInt8] {
        (0..<8).map { UInt8(truncatingIfNeeded: number >> (56 - 8 * UInt64($0))) }
    }
}
