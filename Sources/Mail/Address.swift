package import Bytes

/// A mailbox in an envelope: `Mailbox` of RFC 5321 §4.1.2.
package struct Address: Hashable, Sendable {
    /// As it was written, quotes included.
    package let localPart: [UInt8]
    /// A domain name or an address literal with its brackets; empty where a command line names a local user
    /// without one.
    package let domain: [UInt8]

    /// For parts known to be good; use `init(_:)` for what a stranger wrote.
    package init(localPart: [UInt8], domain: [UInt8]) {
        self.localPart = localPart
        self.domain = domain
    }

    /// Reads a whole mailbox; nil for anything else.
    package init?(_ text: some Collection<UInt8>) {
        var cursor = Cursor(Array(text))
        guard let address = try? cursor.mailbox(), cursor.isAtEnd else { return nil }
        self = address
    }

    package var text: [UInt8] { domain.isEmpty ? localPart : localPart + [.ascii("@")] + domain }

    package var isAddressLiteral: Bool { domain.first == .ascii("[") }

    /// The local part without the quoting that it does not need: `"a"@x` names the mailbox `a`
    /// (RFC 5321 §4.1.2: the quoted forms are equivalent).
    package var unquotedLocalPart: [UInt8] {
        guard localPart.first == .quote else { return localPart }
        var plain: [UInt8] = []
        var escaped = false
        for byte in localPart.dropFirst().dropLast() {
            if byte == .backslash, !escaped {
                escaped = true
            } else {
                plain.append(byte)
                escaped = false
            }
        }
        return plain
    }

    /// A path of the queue as SMTP wants it. Where dots stand as no Dot-string has them (RFC 5321 §4.1.2) the local part
    /// is quoted, which names the same mailbox and is refused by nobody.
    package static func sendable(_ path: [UInt8]) -> [UInt8] {
        guard let at = path.lastIndex(of: .ascii("@")) else { return path }
        let localPart = path[..<at]
        let atoms = localPart.split(separator: .dot, omittingEmptySubsequences: false)
        guard atoms.count > 1, atoms.contains(where: { $0.isEmpty }),
            localPart.allSatisfy({ $0.isAtext || $0 == .dot })
        else { return path }
        return [.quote] + localPart + [.quote] + path[at...]
    }
}

/// Longest parts of an address. RFC 5321 §4.5.3.1 asks for no limits where none are needed: a local part may be as
/// long as the path lets it (return paths of mailing lists and of forwarders are), and a path may be so long that
/// a command with it is still one that every server reads, 512 bytes with its CRLF (RFC 5321 §4.5.3.1.4).
package enum AddressLimit {
    package static let domain = 255
    package static let label = 63
    package static let path = 512 - 12
}

extension Cursor {
    /// RFC 5321 §4.1.2:
    ///
    ///     Reverse-path = Path / "<>"
    ///
    /// Nil stands for the null reverse-path. `isOurs`: as for `path`.
    package mutating func reversePath(isOurs: Bool = false) throws(SyntaxError) -> Address? {
        if skip("<>") { return nil }
        return try path(isOurs: isOurs)
    }

    /// RFC 5321 §4.1.2, the source route accepted and dropped (appendix C), and blanks inside of the brackets:
    ///
    ///     Path       = "<" [ A-d-l ":" ] Mailbox ">"
    ///     A-d-l      = At-domain *( "," At-domain )
    ///
    /// `isOurs`: a client of our own may leave out the brackets, and the domain of a name of this host.
    package mutating func path(isOurs: Bool = false) throws(SyntaxError) -> Address {
        if isOurs, peek != .ascii("<") { return try mailbox(isOurs: true) }
        try expect(.ascii("<"), "path")
        _ = take { $0 == .space }
        if peek == .ascii("@") {
            repeat {
                try expect(.ascii("@"), "source route")
                _ = try domain()
            } while skip(.ascii(","))
            try expect(.ascii(":"), "source route")
        }
        let address = try mailbox(isOurs: isOurs)
        _ = take { $0 == .space }
        try expect(.ascii(">"), "path")
        return address
    }

    /// RFC 5321 §4.1.1.3: as a path, or `<Postmaster>` without a domain, in any case of letters.
    package mutating func forwardPath(isOurs: Bool = false) throws(SyntaxError) -> Address {
        if skip("<postmaster>") { return Address(localPart: Array("postmaster"), domain: []) }
        return try path(isOurs: isOurs)
    }

    /// RFC 5321 §4.1.2:
    ///
    ///     Mailbox = Local-part "@" ( Domain / address-literal )
    package mutating func mailbox(isOurs: Bool = false) throws(SyntaxError) -> Address {
        let start = offset
        let local = try localPart()
        var domain: ArraySlice<UInt8> = []
        if !isOurs || peek == .ascii("@") {
            try expect(.ascii("@"), "mailbox")
            domain = peek == .ascii("[") ? try addressLiteral() : try self.domain()
        }
        let address = Address(localPart: Array(local), domain: Array(domain))
        guard address.text.count + 2 <= AddressLimit.path else { throw SyntaxError("path", at: start) }
        return address
    }

    /// RFC 5321 §4.1.2, but dots may stand anywhere in a Dot-string: people are called `a..b` and `a.`, and no
    /// dot changes whom an address means.
    ///
    ///     Local-part    = Dot-string / Quoted-string
    ///     Dot-string    = Atom *("." Atom)
    ///     Quoted-string = DQUOTE *QcontentSMTP DQUOTE
    package mutating func localPart() throws(SyntaxError) -> ArraySlice<UInt8> {
        let start = position
        guard skip(.quote) else {
            let dotString = take { $0.isAtext || $0 == .dot }
            guard !dotString.isEmpty else { throw failure("local-part") }
            return dotString
        }
        while let byte = next(), byte != .quote {
            if byte == .backslash {
                guard let quoted = next(), quoted.isPrintable else { throw failure("quoted-pair") }
            } else if !byte.isPrintable {
                throw failure("quoted-string")
            }
        }
        guard unit[position - 1] == .quote, position - start > 2 else { throw failure("quoted-string") }
        return unit[start..<position]
    }

    /// RFC 5321 §4.1.2, and the lengths of RFC 1035 §2.3.4; an underscore is let through, and a hyphen at the end of
    /// a label, because mail of such hosts exists; what begins with one would be an option to somebody (T74). A dot behind it (the name is complete) is read, and no part of it.
    ///
    ///     Domain     = sub-domain *("." sub-domain)
    ///     sub-domain = Let-dig [Ldh-str]
    package mutating func domain() throws(SyntaxError) -> ArraySlice<UInt8> {
        func isOfLabel(_ byte: UInt8) -> Bool {
            byte.isAlphanumeric || byte == .ascii("-") || byte == .ascii("_")
        }
        let start = position
        var end = start
        repeat {
            let label = take(while: isOfLabel)
            guard !label.isEmpty, label.count <= AddressLimit.label else { throw failure("domain") }
            end = position
        } while skip(.dot) && peek.map(isOfLabel) == true
        guard end - start <= AddressLimit.domain, peek != .dot, unit[start] != .ascii("-") else {
            throw failure("domain")
        }
        return unit[start..<end]
    }
}

extension UInt8 {
    /// RFC 5322 §3.2.3.
    package var isAtext: Bool {
        if isAlphanumeric { return true }
        switch self {
        case .ascii("!"), .ascii("#"), .ascii("$"), .ascii("%"), .ascii("&"), .ascii("'"), .ascii("*"),
            .ascii("+"), .ascii("-"), .ascii("/"), .ascii("="), .ascii("?"), .ascii("^"), .ascii("_"),
            .ascii("`"), .ascii("{"), .ascii("|"), .ascii("}"), .ascii("~"):
            return true
        default: return false
        }
    }
}

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
