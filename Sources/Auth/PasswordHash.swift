import Bytes
import CCrypt

/// Passwords as passwd files keep them.
enum PasswordHash {
    enum Verdict { case right, wrong, unusable }

    /// Whether `password` is the one that `stored` was made from. What no password matches is unusable: an empty
    /// field, `*` and `!`, a scheme that is not known here.
    static func check(_ password: [UInt8], against stored: [UInt8]) -> Verdict {
        // crypt(3) takes C strings: a NUL would cut the password (T18, T32).
        guard !password.contains(.nul), password.count <= longestPassword else { return .wrong }
        guard let (scheme, rest) = parts(stored) else { return .unusable }
        if scheme == .plain { return equal(password, rest) ? .right : .wrong }
        guard let hash = crypt(password, String(decoding: rest, as: UTF8.self)), hash.first != .ascii("*")
        else { return .unusable }
        return equal(hash, rest) ? .right : .wrong
    }

    /// Whether some password could match, as far as the form says.
    static func isUsable(_ stored: some Collection<UInt8>) -> Bool { parts(Array(stored)) != nil }

    private enum Scheme { case plain, crypt }

    private static func parts(_ stored: [UInt8]) -> (Scheme, [UInt8])? {
        guard stored.first == .ascii("{"), let close = stored.firstIndex(of: .ascii("}")) else {
            return isHash(stored) ? (.crypt, stored) : nil
        }
        let scheme = stored[1..<close]
        let rest = Array(stored[(close + 1)...])
        if scheme.equalsFolded("PLAIN") || scheme.equalsFolded("CLEARTEXT") {
            return rest.isEmpty ? nil : (.plain, rest)
        }
        let isCrypt = ["CRYPT", "SHA512-CRYPT", "SHA256-CRYPT", "BLF-CRYPT", "MD5-CRYPT"].contains {
            scheme.equalsFolded($0.utf8)
        }
        return isCrypt && isHash(rest) ? (.crypt, rest) : nil
    }

    private static func isHash(_ stored: [UInt8]) -> Bool {
        stored.count >= 13 && stored[0] != .ascii("!") && stored[0] != .ascii("*")
            && stored.allSatisfy { $0.isVisible }
    }

    static let longestPassword = 512

    /// What a wrong name is checked against where nobody has a hash.
    static let decoy = Array("$6$relaisrelais$".utf8)

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
