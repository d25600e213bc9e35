// Byte classes and ASCII case folding, inlinable: a generic that is not specialised costs a tool more at its start than
// everything else it does. Protocol words are folded here and nowhere else: Unicode folding
// turns U+212A into "k" and would let two different names meet.

extension UInt8 {
    @inlinable package static var nul: UInt8 { 0x00 }
    @inlinable package static var tab: UInt8 { 0x09 }
    @inlinable package static var lf: UInt8 { 0x0A }
    @inlinable package static var cr: UInt8 { 0x0D }
    @inlinable package static var space: UInt8 { 0x20 }
    @inlinable package static var quote: UInt8 { 0x22 }
    @inlinable package static var backslash: UInt8 { 0x5C }
    @inlinable package static var dot: UInt8 { 0x2E }
    @inlinable package static var del: UInt8 { 0x7F }

    /// The code of one ASCII character, for literals: `.ascii("<")`.
    @inlinable package static func ascii(_ scalar: Unicode.Scalar) -> UInt8 {
        UInt8(ascii: scalar)
    }

    @inlinable package var isDigit: Bool { self &- 0x30 < 10 }
    @inlinable package var isUpper: Bool { self &- 0x41 < 26 }
    @inlinable package var isLower: Bool { self &- 0x61 < 26 }
    @inlinable package var isAlpha: Bool { (self | 0x20) &- 0x61 < 26 }
    @inlinable package var isAlphanumeric: Bool { isDigit || isAlpha }
    /// SP or HTAB: WSP of RFC 5234 appendix B.1.
    @inlinable package var isWhitespace: Bool { self == .space || self == .tab }
    /// VCHAR of RFC 5234 appendix B.1.
    @inlinable package var isVisible: Bool { self &- 0x21 < 0x5E }
    /// VCHAR or SP.
    @inlinable package var isPrintable: Bool { self &- 0x20 < 0x5F }
    @inlinable package var isControl: Bool { self < 0x20 || self == .del }
    @inlinable package var isASCII: Bool { self < 0x80 }

    @inlinable package var lowercased: UInt8 { isUpper ? self | 0x20 : self }
    @inlinable package var uppercased: UInt8 { isLower ? self & 0xDF : self }

    /// The value of a hexadecimal digit of either case.
    @inlinable package var hexValue: UInt8? {
        if isDigit { return self &- 0x30 }
        let folded = self | 0x20
        return folded &- 0x61 < 6 ? folded &- 0x61 &+ 10 : nil
    }
}

extension Sequence where Element == UInt8 {
    /// Whether the bytes are `word`, letters compared without case. `word` is ASCII.
    @inlinable package func equalsFolded(_ word: StaticString) -> Bool {
        word.withUTF8Buffer { buffer in
            var index = 0
            for byte in self {
                guard index < buffer.count, unsafe byte.lowercased == buffer[index].lowercased else {
                    return false
                }
                index += 1
            }
            return index == buffer.count
        }
    }

    /// Whether both are the same bytes, ASCII letters compared without case.
    @inlinable package func equalsFolded(_ other: some Sequence<UInt8>) -> Bool {
        var theirs = other.makeIterator()
        for byte in self {
            guard let their = theirs.next(), byte.lowercased == their.lowercased else { return false }
        }
        return theirs.next() == nil
    }

    /// The bytes with A–Z turned into a–z.
    @inlinable package func folded() -> [UInt8] { map { $0.lowercased } }
}

extension Collection<UInt8> {
    @inlinable package func hasPrefixFolded(_ word: StaticString) -> Bool {
        prefix(word.utf8CodeUnitCount).equalsFolded(word)
    }

    /// The bytes as text for people: what is not printable ASCII becomes `\xNN`, at most `limit` bytes
    /// are shown. Everything a stranger sent passes through here before it reaches a log or a terminal.
    package func escaped(limit: Int = 512) -> String { Array(self).escaped(limit: limit) }
    package func escapedInAngles(limit: Int = 512) -> String { Array(self).escapedInAngles(limit: limit) }
}

/// The lower-case hexadecimal digit of a value below 16.
package func hexDigit(_ value: UInt8) -> UInt8 {
    value < 10 ? 0x30 + value : 0x57 + value
}

extension Array where Element == UInt8 {
    /// The same as for any collection of bytes, which goes through here.
    package func escaped(limit: Int = 512) -> String { escaped(limit: limit) { $0.isPrintable } }

    /// The same for what stands between angle brackets in a line of the log: those are escaped, too, or a
    /// stranger could choose an address that readers of the log take for another, or for none.
    package func escapedInAngles(limit: Int = 512) -> String {
        escaped(limit: limit) { $0.isPrintable && $0 != .ascii("<") && $0 != .ascii(">") }
    }

    private func escaped(limit: Int, unless isPlain: (UInt8) -> Bool) -> String {
        var text: [UInt8] = []
        for byte in self[..<Swift.min(limit, count)] {
            if byte == .backslash {
                text += [.backslash, .backslash]
            } else if isPlain(byte) {
                text.append(byte)
            } else {
                text += [.backslash, .ascii("x"), hexDigit(byte >> 4), hexDigit(byte & 15)]
            }
        }
        if count > limit { text += [.dot, .dot, .dot] }
        return String(decoding: text, as: UTF8.self)
    }

    /// The UTF-8 of a text of ours.
    package init(_ text: StaticString) {
        self = text.withUTF8Buffer { unsafe Array($0) }
    }

    package static func += (bytes: inout [UInt8], text: StaticString) {
        text.withUTF8Buffer { unsafe bytes.append(contentsOf: $0) }
    }

    package static func += (bytes: inout [UInt8], text: String) {
        bytes.append(contentsOf: text.utf8)
    }
}

extension Collection<UInt8> {
    /// The bytes without leading and trailing SP and HTAB.
    @inlinable package func trimmed() -> SubSequence where Self: BidirectionalCollection {
        let start = firstIndex { !$0.isWhitespace } ?? endIndex
        var end = endIndex
        while end > start, self[index(before: end)].isWhitespace { end = index(before: end) }
        return self[start..<end]
    }
}

extension FixedWidthInteger {
    /// The value of 1*DIGIT, nil for anything else or what does not fit. (`Int("+5")` is 5, hence this.)
    @inlinable package init?(strictDecimal digits: some Collection<UInt8>) {
        guard !digits.isEmpty else { return nil }
        var value: Self = 0
        for byte in digits {
            guard byte.isDigit else { return nil }
            let (scaled, over) = value.multipliedReportingOverflow(by: 10)
            let (sum, carry) = scaled.addingReportingOverflow(Self(byte &- 0x30))
            if over || carry { return nil }
            value = sum
        }
        self = value
    }
}

extension Array where Element == UInt8 {
    /// Appends a number in decimal, with leading zeros up to `width` digits.
    package mutating func append(decimal value: Int, width: Int = 1) {
        if value < 0 { append(.ascii("-")) }
        append(decimal: UInt64(value.magnitude), width: width)
    }

    package mutating func append(decimal value: UInt64, width: Int = 1) {
        var digits = 1
        var rest = value / 10
        while rest != 0 {
            digits += 1
            rest /= 10
        }
        let start = count
        for _ in 0..<Swift.max(width, digits) { append(0x30) }
        rest = value
        var index = count
        while rest != 0, index > start {
            index -= 1
            self[index] = 0x30 + UInt8(truncatingIfNeeded: rest % 10)
            rest /= 10
        }
    }

    /// Any other integer of at most 64 bits. (A generic number is slow to start with; hence the others.)
    package mutating func append(decimal value: some BinaryInteger, width: Int = 1) {
        if value < 0 { append(.ascii("-")) }
        append(decimal: UInt64(value.magnitude), width: width)
    }
}
