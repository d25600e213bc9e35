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
