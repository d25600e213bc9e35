import Bytes

/// What a stretch of a message consists of, found in one pass over pieces of any size.
struct TextTraits {
    private(set) var count = 0
    private(set) var longestLine = 0
    /// How many bytes quoted-printable writes as three (RFC 2045 §6.7).
    private(set) var escapes = 0
    private(set) var hasEightBits = false
    private var lineLength = 0
    private var utf8 = UTF8Check()

    /// Whether what is no ASCII is UTF-8.
    var isUTF8: Bool { utf8.isValid && utf8.isComplete }

    mutating func take(_ piece: ArraySlice<UInt8>) {
        count += piece.count
        for byte in piece {
            if byte == .lf {
                lineLength = 0
                continue
            }
            lineLength += 1
            longestLine = max(longestLine, lineLength)
            if !byte.isASCII { hasEightBits = true }
            if !byte.isPrintable && !byte.isWhitespace && byte != .cr || byte == .ascii("=") { escapes += 1 }
            utf8.take(byte)
        }
    }

    /// Both, one behind the other.
    mutating func add(_ other: TextTraits) {
        count += other.count
        longestLine = max(longestLine, other.longestLine)
        escapes += other.escapes
        hasEightBits = hasEightBits || other.hasEightBits
    }

    /// Whether base64 makes less of it than quoted-printable: 4 bytes of 3 against 3 of each escape.
    var isShorterInBase64: Bool { escapes > count / 6 }
}

/// Whether bytes are UTF-8 (RFC 3629 §4), as far as charsets are told apart by it.
struct UTF8Check {
    private(set) var isValid = true
    private var missing = 0

    var isComplete: Bool { missing == 0 }

    mutating func take(_ byte: UInt8) {
        if missing > 0 {
            if byte & 0xC0 == 0x80 { missing -= 1 } else { isValid = false }
            return
        }
        switch byte {
        case 0..<0x80: break
        case 0xC2..<0xE0: missing = 1
        case 0xE0..<0xF0: missing = 2
        case 0xF0..<0xF5: missing = 3
        default: isValid = false
        }
    }
}
