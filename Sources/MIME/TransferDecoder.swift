import Bytes

/// A transfer encoding (RFC 2045 §6) undone piece by piece.
package struct TransferDecoder {
    private enum Encoding { case identity, quotedPrintable, base64 }

    private let encoding: Encoding
    /// Base 64: bits that are no whole byte yet.
    private var bits: UInt32 = 0
    private var count: UInt32 = 0
    private var isPadded = false
    /// Quoted-printable: the beginning of a line.
    private var waiting: [UInt8] = []

    /// A line that is longer is cut somewhere.
    private static let longestLine = 1 << 20

    /// Unknown names are taken for identity.
    package init(encoding name: [UInt8]?) {
        encoding =
            switch name {
            case let name? where name.equalsFolded("base64"): .base64
            case let name? where name.equalsFolded("quoted-printable"): .quotedPrintable
            default: .identity
            }
    }

    package mutating func decode(_ piece: [UInt8], isLast: Bool) -> [UInt8] {
        switch encoding {
        case .identity: return piece
        case .base64: return base64(piece)
        case .quotedPrintable:
            waiting += piece
            let end = isLast || waiting.count > Self.longestLine ? waiting.count : lastLineEnd
            defer { waiting.removeFirst(end) }
            return TransferDecoding.quotedPrintable(Array(waiting[..<end]))
        }
    }

    private var lastLineEnd: Int { waiting.lastIndex(of: .lf).map { $0 + 1 } ?? 0 }

    private mutating func base64(_ piece: [UInt8]) -> [UInt8] {
        var output: [UInt8] = []
        output.reserveCapacity(piece.count / 4 * 3 + 3)
        for byte in piece where !isPadded {
            if byte == .ascii("=") {
                isPadded = true
                break
            }
            guard let value = Base64.value(of: byte) else { continue }
            bits = bits << 6 | UInt32(value)
            count += 6
            if count >= 8 {
                count -= 8
                output.append(UInt8(truncatingIfNeeded: bits >> count))
            }
        }
        return output
    }
}
