import Bytes
import CIconv

/// Charsets that MIME does not know by itself, by the system's iconv.
enum Charset {
    /// UTF-8; nil for a charset that the system does not know either.
    static func decode(_ bytes: [UInt8], _ charset: [UInt8]) -> [UInt8]? {
        // The name becomes part of a file's name inside of iconv: only what names of charsets are made of.
        guard (1...40).contains(charset.count),
            charset.allSatisfy({
                $0.isAlphanumeric || $0 == .ascii("-") || $0 == .ascii("_") || $0 == .dot || $0 == .ascii(":")
            })
        else { return nil }
        let name = String(decoding: charset, as: UTF8.self)
        let capacity = bytes.count * 4 + 16
        var known = true
        let output = unsafe [UInt8](unsafeUninitializedCapacity: capacity) { room, count in
            let written = unsafe bytes.withUnsafeBytes { input in
                unsafe cs_convert_to_utf8(
                    name, input.bindMemory(to: CChar.self).baseAddress, input.count,
                    UnsafeMutableRawPointer(room.baseAddress!).assumingMemoryBound(to: CChar.self), capacity)
            }
            known = written >= 0
            count = max(0, written)
        }
        return known ? output : nil
    }
}
