import COpenSSL

/// SHA-256 and what is made of it, for SCRAM-SHA-256: results have 32 bytes.
package enum SHA256 {
    package static let length = 32

    package static func hash(_ bytes: [UInt8]) -> [UInt8] {
        var result = [UInt8](repeating: 0, count: length)
        let done = unsafe EVP_Digest(bytes, bytes.count, &result, nil, EVP_sha256(), nil)
        precondition(done == 1, "no SHA-256")
        return result
    }

    /// RFC 2104.
    package static func hmac(key: [UInt8], _ bytes: [UInt8]) -> [UInt8] {
        var result = [UInt8](repeating: 0, count: length)
        // OpenSSL takes no key for the one of the call before.
        let key = key.isEmpty ? [0] : key
        let done = unsafe HMAC(EVP_sha256(), key, CInt(key.count), bytes, bytes.count, &result, nil)
        precondition(unsafe done != nil, "no HMAC")
        return result
    }

    /// PBKDF2 (RFC 8018 §5.2) with HMAC-SHA-256.
    package static func derive(password: [UInt8], salt: [UInt8], iterations: Int) -> [UInt8] {
        var result = [UInt8](repeating: 0, count: length)
        let done = unsafe password.withUnsafeBytes { password in
            unsafe PKCS5_PBKDF2_HMAC(
                password.baseAddress?.assumingMemoryBound(to: CChar.self), CInt(password.count), salt,
                CInt(salt.count), CInt(iterations), EVP_sha256(), CInt(length), &result)
        }
        precondition(done == 1, "no PBKDF2")
        return result
    }
}
