import Bytes
import CCrypt

/// Passwords as passwd files keep them.
enum PasswordHash {
    /// Whether `password` is the one that `stored` was made from. What cannot be understood matches nothing.
    static func matches(_ password: [UInt8], _ stored: [UInt8]) -> Bool {
        // crypt(3) takes C strings: a NUL would cut the password (T18, T32).
        guard !password.contains(.nul), password.count <= longestPassword else { return false }
        guard stored.first == .ascii("{"), let close = stored.firstIndex(of: .ascii("}")) else {
            return matchesCrypt(password, stored)
        }
        let scheme = stored[1..<close]
        let rest = Array(stored[(close + 1)...])
        if scheme.equalsFolded("PLAIN") || scheme.equalsFolded("CLEARTEXT") { return equal(password, rest) }
        let isCrypt = ["CRYPT", "SHA512-CRYPT", "SHA256-CRYPT", "BLF-CRYPT", "MD5-CRYPT"].contains {
            scheme.equalsFolded($0.utf8)
        }
        return isCrypt && matchesCrypt(password, rest)
    }

    /// Whether some password could match: an empty field, `*` and `!` are accounts without one.
    static func isUsable(_ stored: [UInt8]) -> Bool {
        guard let first = stored.first else { return false }
        return first != .ascii("!") && first != .ascii("*")
    }

    static let longestPassword = 512

    /// What a wrong name is checked against, so that it costs about what a wrong password does.
    static let decoy = Array("$6$relaisrelais$".utf8)

    private static func matchesCrypt(_ password: [UInt8], _ stored: [UInt8]) -> Bool {
        guard stored.count >= 13, isUsable(stored), stored.allSatisfy({ $0.isVisible }) else { return false }
        return crypt(password, String(decoding: stored, as: UTF8.self)).map { equal($0, stored) } ?? false
    }

    /// crypt(3): the hash of a password without NUL under a setting, which may be a whole hash.
    static func crypt(_ password: [UInt8], _ setting: String) -> [UInt8]? {
        unsafe (password + [.nul]).withUnsafeBytes { bytes in
            let pointer = unsafe bytes.assumingMemoryBound(to: CChar.self).baseAddress
            guard let pointer = unsafe pointer, let hash = unsafe CCrypt.crypt(pointer, setting) else {
                return nil
            }
            return unsafe Array(String(cString: hash).utf8)
        }
    }

    /// In a time that does not depend on where they differ.
    private static func equal(_ a: [UInt8], _ b: [UInt8]) -> Bool {
        guard a.count == b.count, !a.isEmpty else { return false }
        return zip(a, b).reduce(0) { $0 | ($1.0 ^ $1.1) } == 0
    }
}
