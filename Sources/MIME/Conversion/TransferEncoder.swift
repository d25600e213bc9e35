import Bytes

/// Writes what comes in pieces in a transfer encoding of RFC 2045 §6: lines of 76 at most, ended by LF. The text's own
/// line ends are LF or CRLF, and stand for CRLF.
struct TransferEncoder {
    enum Form: Equatable {
        case quotedPrintable, base64
        /// What is in that encoding already, but in lines that are too long or with bytes that do not belong there.
        case quotedPrintableAgain, base64Again
    }

    private let form: Form
    private var column = 0
    /// What cannot be written before the next byte is known: CR, and in quoted-printable a blank.
    private var pending: [UInt8] = []
    /// Base64: bytes of a group that has begun.
    private var bits: UInt32 = 0
    private var bitCount = 0
    /// Of a `=XX` that is there already, how much is to come in one piece.
    private var escapeRest = 0

    private static let width = 76

    init(_ form: Form) { self.form = form }

    mutating func take(_ piece: ArraySlice<UInt8>, into output: inout [UInt8]) {
        switch form {
        case .quotedPrintable: for byte in piece { quote(byte, &output) }
        case .base64: for byte in piece { group(byte, &output) }
        case .quotedPrintableAgain: for byte in piece { requote(byte, &output) }
        case .base64Again:
            // RFC 2045 §6.8: what is no character of base64 is ignored.
            for byte in piece where Base64.value(of: byte) != nil || byte == .ascii("=") {
                digit(byte, &output)
            }
        }
    }

    /// The end of the part: a line end that follows is not its.
    mutating func finish(into output: inout [UInt8]) {
        switch form {
        case .quotedPrintable: flushPending(&output, isAtLineEnd: true)
        case .base64:
            flushCR(&output)
            endGroup(&output)
        case .quotedPrintableAgain, .base64Again: break
        }
    }

    // MARK: - Quoted-printable (RFC 2045 §6.7)

    private mutating func quote(_ byte: UInt8, _ output: inout [UInt8]) {
        if byte == .lf {
            if pending.last == .cr { pending.removeLast() }
            flushPending(&output, isAtLineEnd: true)
            output.append(.lf)
            column = 0
            return
        }
        // A CR may belong to a line end: a blank in front of it waits with it.
        if byte == .cr, pending.last != .cr { return pending.append(byte) }
        flushPending(&output, isAtLineEnd: false)
        if byte.isWhitespace || byte == .cr {
            pending.append(byte)
        } else {
            write(byte, escaped: !byte.isVisible || byte == .ascii("="), &output)
        }
    }

    /// Blanks at the end of a line are written as escapes, and a CR by itself always is.
    private mutating func flushPending(_ output: inout [UInt8], isAtLineEnd: Bool) {
        for (index, byte) in pending.enumerated() {
            let isLast = index == pending.count - 1
            write(byte, escaped: byte == .cr || (isAtLineEnd && isLast), &output)
        }
        pending.removeAll(keepingCapacity: true)
    }

    private mutating func write(_ byte: UInt8, escaped: Bool, _ output: inout [UInt8]) {
        breakLine(before: escaped ? 3 : 1, &output)
        if escaped {
            output += [.ascii("="), hexDigit(byte >> 4).uppercased, hexDigit(byte & 15).uppercased]
            column += 3
        } else {
            output.append(byte)
            column += 1
        }
    }

    /// A soft line break, where `count` more bytes and its own `=` would be too many.
    private mutating func breakLine(before count: Int, _ output: inout [UInt8]) {
        guard column + count > Self.width - 1 else { return }
        output += [.ascii("="), .lf]
        column = 0
    }

    private mutating func requote(_ byte: UInt8, _ output: inout [UInt8]) {
        if byte == .lf {
            output.append(.lf)
            column = 0
            escapeRest = 0
            return
        }
        if byte == .cr {
            output.append(byte)
            return
        }
        if escapeRest > 0, byte.hexValue != nil {
            escapeRest -= 1
            output.append(byte)
            column += 1
        } else if byte == .ascii("=") {
            breakLine(before: 3, &output)
            output.append(byte)
            column += 1
            escapeRest = 2
        } else {
            escapeRest = 0
            write(byte, escaped: !byte.isASCII, &output)
        }
    }

    // MARK: - Base64 (RFC 2045 §6.8)

    private mutating func group(_ byte: UInt8, _ output: inout [UInt8]) {
        if byte == .lf {
            pending.removeAll(keepingCapacity: true)
            add(.cr, &output)
            add(.lf, &output)
            return
        }
        flushCR(&output)
        if byte == .cr { pending.append(byte) } else { add(byte, &output) }
    }

    private mutating func flushCR(_ output: inout [UInt8]) {
        guard !pending.isEmpty else { return }
        pending.removeAll(keepingCapacity: true)
        add(.cr, &output)
    }

    private mutating func add(_ byte: UInt8, _ output: inout [UInt8]) {
        bits = bits << 8 | UInt32(byte)
        bitCount += 8
        if bitCount == 24 { endGroup(&output) }
    }

    private mutating func endGroup(_ output: inout [UInt8]) {
        guard bitCount > 0 else { return }
        let padded = bits << UInt32(24 - bitCount)
        for index in 0..<4 {
            let isPadding = index * 6 >= bitCount
            let value = UInt8(truncatingIfNeeded: padded >> UInt32(18 - 6 * index)) & 63
            digit(isPadding ? .ascii("=") : Base64.digit(value), &output)
        }
        bits = 0
        bitCount = 0
    }

    private mutating func digit(_ byte: UInt8, _ output: inout [UInt8]) {
        if column == Self.width {
            output.append(.lf)
            column = 0
        }
        output.append(byte)
        column += 1
    }
}
