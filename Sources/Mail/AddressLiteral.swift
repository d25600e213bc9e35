package import Bytes

/// An address literal, `[192.0.2.1]` or `[IPv6:2001:db8::1]`: RFC 5321 §4.1.3. Read here and nowhere else, so that
/// what one part of relais takes for an address is one for the others.
extension Cursor {
    /// The literal as it stands, brackets included. A general one (`[tag:…]`) is none: there are no tags.
    package mutating func addressLiteral() throws(SyntaxError) -> ArraySlice<UInt8> {
        let start = position
        _ = try literalAddress()
        return unit[start..<position]
    }

    /// The 4 or 16 bytes of the address:
    ///
    ///     address-literal = "[" ( IPv4-address-literal / IPv6-address-literal ) "]"
    package mutating func literalAddress() throws(SyntaxError) -> [UInt8] {
        try expect(.ascii("["), "address-literal")
        let bytes = skip("IPv6:") ? try ipv6Address() : try ipv4Address()
        try expect(.ascii("]"), "address-literal")
        return bytes
    }

    /// A zero in front of other digits is refused: some programs would read it as octal.
    ///
    ///     IPv4-address-literal = Snum 3("." Snum)
    ///     Snum                 = 1*3DIGIT            ; 0 to 255
    private mutating func ipv4Address() throws(SyntaxError) -> [UInt8] {
        var bytes: [UInt8] = []
        repeat {
            let digits = take { $0.isDigit }
            guard let value = UInt8(strictDecimal: digits), digits.count == 1 || digits.first != .ascii("0")
            else { throw failure("Snum") }
            bytes.append(value)
        } while bytes.count < 4 && skip(.dot)
        guard bytes.count == 4 else { throw failure("IPv4-address-literal") }
        return bytes
    }

    ///     IPv6-addr   = IPv6-full / IPv6-comp / IPv6v4-full / IPv6v4-comp
    ///     IPv6-full   = IPv6-hex 7(":" IPv6-hex)
    ///     IPv6-comp   = [IPv6-hex *5(":" IPv6-hex)] "::" [IPv6-hex *5(":" IPv6-hex)]
    ///
    /// and the same with an IPv4 address in the place of the last two groups; `::` stands for two groups at least.
    private mutating func ipv6Address() throws(SyntaxError) -> [UInt8] {
        var front: [UInt8] = []
        var back: [UInt8]?
        if skip("::") { back = [] }
        while front.count + (back?.count ?? 0) < 16, peek?.hexValue != nil {
            let start = position
            let digits = take { $0.hexValue != nil }
            let group: [UInt8]
            if peek == .dot {
                seek(to: start)
                group = try ipv4Address()
            } else {
                guard digits.count <= 4 else { throw failure("IPv6-hex") }
                let value = digits.reduce(UInt16(0)) { $0 << 4 | UInt16($1.hexValue ?? 0) }
                group = [UInt8(value >> 8), UInt8(value & 255)]
            }
            if back == nil { front += group } else { back? += group }
            if group.count == 4 { break }
            if back == nil, skip("::") {
                back = []
            } else if peek == .ascii(":"), peek(ahead: 1)?.hexValue != nil {
                _ = next()
            } else {
                break
            }
        }
        let missing = 16 - front.count - (back?.count ?? 0)
        guard back == nil ? missing == 0 : missing >= 4 else { throw failure("IPv6-addr") }
        return front + [UInt8](repeating: 0, count: missing) + (back ?? [])
    }
}
