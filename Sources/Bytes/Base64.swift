/// Base 64 as SASL and MIME use it: RFC 4648 §4.
package enum Base64 {
    package static func encode(_ bytes: some Collection<UInt8>) -> [UInt8] {
        var output: [UInt8] = []
        output.reserveCapacity((bytes.count + 2) / 3 * 4)
        var iterator = bytes.makeIterator()
        while let first = iterator.next() {
            let second = iterator.next()
            let third = second == nil ? nil : iterator.next()
            output.append(digit(first >> 2))
            output.append(digit((first & 3) << 4 | (second ?? 0) >> 4))
            output.append(second == nil ? .ascii("=") : digit((second! & 15) << 2 | (third ?? 0) >> 6))
            output.append(third == nil ? .ascii("=") : digit(third! & 63))
        }
        return output
    }

    /// The bytes that `text` stands for; nil unless it is canonical: whole groups, padded, no other
    /// byte, no bit set in what the padding drops.
    package static func decode(_ text: some Collection<UInt8>) -> [UInt8]? {
        guard text.count % 4 == 0 else { return nil }
        var output: [UInt8] = []
        output.reserveCapacity(text.count / 4 * 3)
        var group: UInt32 = 0
        var filled = 0
        var padding = 0
        for byte in text {
            if byte == .ascii("=") {
                padding += 1
                group <<= 6
            } else {
                guard padding == 0, let value = value(of: byte) else { return nil }
                group = group << 6 | UInt32(value)
            }
            filled += 1
            guard filled == 4 else { continue }
            guard padding <= 2, group & (padding == 2 ? 0xFFFF : padding == 1 ? 0xFF : 0) == 0 else {
                return nil
            }
            output.append(UInt8(group >> 16))
            if padding < 2 { output.append(UInt8(group >> 8 & 255)) }
            if padding < 1 { output.append(UInt8(group & 255)) }
            group = 0
            filled = 0
        }
        return output
    }

    /// The six bits that a letter of the alphabet stands for.
    package static func value(of byte: UInt8) -> UInt8? {
        switch byte {
        case 0x41...0x5A: byte - 0x41
        case 0x61...0x7A: byte - 0x61 + 26
        case 0x30...0x39: byte - 0x30 + 52
        case 0x2B: 62
        case 0x2F: 63
        default: nil
        }
    }

    /// The letter that stands for six bits.
    package static func digit(_ value: UInt8) -> UInt8 {
        switch value {
        case 0..<26: 0x41 + value
        case 26..<52: 0x61 + value - 26
        case 52..<62: 0x30 + value - 52
        case 62: 0x2B
        default: 0x2F
        }
    }
}
