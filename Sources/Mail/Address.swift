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
}

/// Longest parts of an address: RFC 5321 §4.5.3.1.
package enum AddressLimit {
    package static let localPart = 64
    package static let domain = 255
    package static let label = 63
    package static let path = 256
}

extension Cursor {
    /// RFC 5321 §4.1.2:
    ///
    ///     Reverse-path = Path / "<>"
    ///
    /// Nil stands for the null reverse-path.
    package mutating func reversePath() throws(SyntaxError) -> Address? {
        if skip("<>") { return nil }
        return try path()
    }

    /// RFC 5321 §4.1.2, the source route accepted and dropped (appendix C):
    ///
    ///     Path       = "<" [ A-d-l ":" ] Mailbox ">"
    ///     A-d-l      = At-domain *( "," At-domain )
    package mutating func path() throws(SyntaxError) -> Address {
        let start = offset
        try expect(.ascii("<"), "path")
        if peek == .ascii("@") {
            repeat {
                try expect(.ascii("@"), "source route")
                _ = try domain()
            } while skip(.ascii(","))
            try expect(.ascii(":"), "source route")
        }
        let address = try mailbox()
        try expect(.ascii(">"), "path")
        guard address.text.count + 2 <= AddressLimit.path else { throw SyntaxError("path", at: start) }
        return address
    }

    /// RFC 5321 §4.1.1.3: as a path, or `<Postmaster>` without a domain, in any case of letters.
    package mutating func forwardPath() throws(SyntaxError) -> Address {
        if skip("<postmaster>") { return Address(localPart: Array("postmaster"), domain: []) }
        return try path()
    }

    /// RFC 5321 §4.1.2:
    ///
    ///     Mailbox = Local-part "@" ( Domain / address-literal )
    package mutating func mailbox() throws(SyntaxError) -> Address {
        let local = try localPart()
        try expect(.ascii("@"), "mailbox")
        let domain = peek == .ascii("[") ? try addressLiteral() : try domain()
        return Address(localPart: Array(local), domain: Array(domain))
    }

    /// RFC 5321 §4.1.2:
    ///
    ///     Local-part    = Dot-string / Quoted-string
    ///     Dot-string    = Atom *("." Atom)
    ///     Quoted-string = DQUOTE *QcontentSMTP DQUOTE
    package mutating func localPart() throws(SyntaxError) -> ArraySlice<UInt8> {
        let start = position
        if skip(.quote) {
            while let byte = next(), byte != .quote {
                if byte == .backslash {
                    guard let quoted = next(), quoted.isPrintable else { throw failure("quoted-pair") }
                } else if !byte.isPrintable {
                    throw failure("quoted-string")
                }
            }
            guard unit[position - 1] == .quote, position - start > 2 else { throw failure("quoted-string") }
        } else {
            repeat {
                guard !take(while: { $0.isAtext }).isEmpty else { throw failure("local-part") }
            } while skip(.dot)
        }
        guard position - start <= AddressLimit.localPart else { throw failure("local-part") }
        return unit[start..<position]
    }

    /// RFC 5321 §4.1.2, and the lengths of RFC 1035 §2.3.4; an underscore is let through, because mail to
    /// such hosts exists:
    ///
    ///     Domain     = sub-domain *("." sub-domain)
    ///     sub-domain = Let-dig [Ldh-str]
    package mutating func domain() throws(SyntaxError) -> ArraySlice<UInt8> {
        let start = position
        repeat {
            let label = take { $0.isAlphanumeric || $0 == .ascii("-") || $0 == .ascii("_") }
            guard let first = label.first, let last = label.last, label.count <= AddressLimit.label,
                first != .ascii("-"), last != .ascii("-")
            else { throw failure("domain") }
        } while skip(.dot)
        guard position - start <= AddressLimit.domain else { throw failure("domain") }
        return unit[start..<position]
    }

    /// RFC 5321 §4.1.3: `[` IPv4 dotted decimal, or `IPv6:` and the address, `]`. What is inside is read by
    /// whoever connects; here it only has to be of the right bytes.
    package mutating func addressLiteral() throws(SyntaxError) -> ArraySlice<UInt8> {
        let start = position
        try expect(.ascii("["), "address-literal")
        let inside =
            skip("IPv6:")
            ? take { $0.hexValue != nil || $0 == .ascii(":") || $0 == .dot }
            : take { $0.isDigit || $0 == .dot }
        guard (3...45).contains(inside.count) else { throw failure("address-literal") }
        try expect(.ascii("]"), "address-literal")
        return unit[start..<position]
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
