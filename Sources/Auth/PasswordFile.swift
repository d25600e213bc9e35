import Bytes
import Unix

/// A file with a line an account, its name and what its password became in front: shadow(5), Dovecot's passwd-file.
struct PasswordFile {
    private let lines: [ArraySlice<UInt8>]

    init(_ path: String) throws(SystemError) {
        guard let bytes = try Path.contents(path) else { throw SystemError("open", .noEntry, path) }
        lines = bytes.split(separator: .lf)
    }

    /// The fields of the line that begins with `name:`.
    func fields(of name: [UInt8]) -> [ArraySlice<UInt8>]? {
        let start = name + [.ascii(":")]
        return lines.first { $0.starts(with: start) }.map(fields)
    }

    private func fields(_ line: ArraySlice<UInt8>) -> [ArraySlice<UInt8>] {
        line.split(separator: .ascii(":"), omittingEmptySubsequences: false)
    }

    /// Checks the password of a name that has no hash of its own against somebody's, for the time that it takes:
    /// always the same one's for a name, so that names that do not exist are mixed as the others are where some
    /// hashes take longer.
    func pretendToCheck(_ password: [UInt8], of name: [UInt8]) {
        for decoy in decoys(for: name) where PasswordHash.check(password, against: decoy) != .unusable {
            return
        }
        _ = PasswordHash.check(password, against: PasswordHash.decoy)
    }

    func decoys(for name: [UInt8]) -> some Sequence<[UInt8]> {
        let start = lines.isEmpty ? 0 : Int(name.checksum % UInt64(lines.count))
        return (lines[start...] + lines[..<start]).lazy.map { fields($0) }
            .filter { $0.count >= 2 && PasswordHash.isUsable($0[1]) }.map { Array($0[1]) }
    }
}

extension [UInt8] {
    /// FNV-1a, 64 bits: places in tables.
    var checksum: UInt64 { reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 } }
}
