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

    static let longestPassword = 512

    /// What a wrong name is checked against, so that it costs about what a wrong password does.
    static let decoy = Array("$6$relaisrelais$".utf8)

    private static func matchesCrypt(_ password: [UInt8], _ stored: [UInt8]) -> Bool {
        // `*`, `!` and the empty field of passwd(5) are accounts without a password.
        guard stored.count >= 13, stored.allSatisfy(\.isVisible), stored.first != .ascii("!"),
            stored.first != .ascii("*")
        else { return false }
        let word = String(decoding: stored, as: UTF8.self)
        let result: [UInt8]? = unsafe (password + [.nul]).withUnsafeBytes { bytes in
            let pointer = unsafe bytes.assumingMemoryBound(to: CChar.self).baseAddress
            guard let pointer = unsafe pointer, let hash = unsafe crypt(pointer, word) else { return nil }
            return unsafe Array(String(cString: hash).utf8)
        }
        return result.map { equal($0, stored) } ?? false
    }

    /// In a time that does not depend on where they differ.
    private static func equal(_ a: [UInt8], _ b: [UInt8]) -> Bool {
        guard a.count == b.count, !a.isEmpty else { return false }
        return zip(a, b).reduce(0) { $0 | ($1.0 ^ $1.1) } == 0
    }
}
