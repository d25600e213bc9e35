import Bytes

/// The words of RFC 3501 §9. A command comes with its literals inside: `{n}` CRLF and n bytes.
extension Cursor {
    mutating func space() throws(SyntaxError) { try expect(.space, "SP") }

    /// `atom = 1*ATOM-CHAR`
    mutating func atom() throws(SyntaxError) -> ArraySlice<UInt8> {
        let atom = take(while: { $0.isAtomCharacter })
        guard !atom.isEmpty else { throw failure("atom") }
        return atom
    }

    /// `astring = 1*ASTRING-CHAR / string`
    mutating func astring() throws(SyntaxError) -> [UInt8] {
        if peek == .quote || peek == .ascii("{") { return try string() }
        let atom = take { $0.isAtomCharacter || $0 == .ascii("]") }
        guard !atom.isEmpty else { throw failure("astring") }
        return Array(atom)
    }

    /// `string = quoted / literal`
    mutating func string() throws(SyntaxError) -> [UInt8] { peek == .quote ? try quoted() : try literal() }

    private mutating func quoted() throws(SyntaxError) -> [UInt8] {
        try expect(.quote, "quoted")
        var text: [UInt8] = []
        while let byte = next() {
            if byte == .quote { return text }
            if byte == .backslash {
                // Only the two may be quoted: anything else hides what was meant.
                guard let quoted = next(), quoted == .quote || quoted == .backslash else {
                    throw failure("quoted")
                }
                text.append(quoted)
            } else {
                guard byte != .cr, byte != .lf, byte != .nul else { throw failure("quoted") }
                text.append(byte)
            }
        }
        throw failure("quoted")
    }

    /// `literal = "{" number ["+"] "}" CRLF *CHAR8` (RFC 7888); the reader has seen to it that the bytes are there.
    mutating func literal() throws(SyntaxError) -> [UInt8] {
        try expect(.ascii("{"), "literal")
        let size = Int(try decimal(upTo: UInt64(Int32.max), "literal"))
        _ = skip(.ascii("+"))
        try expect("}\r\n", "literal")
        guard let bytes = take(size), !bytes.contains(.nul) else { throw failure("literal") }
        return Array(bytes)
    }

    /// `nstring = string / nil`, for ID.
    mutating func nstring() throws(SyntaxError) -> [UInt8]? {
        if skip("NIL") { return nil }
        return try string()
    }

    /// `mailbox = "INBOX" / astring`; INBOX in any case of letters is one name.
    mutating func mailbox() throws(SyntaxError) -> [UInt8] {
        let name = try astring()
        return name.equalsFolded("INBOX") ? [UInt8]("INBOX") : name
    }

    /// `list-mailbox = 1*list-char / string`
    mutating func listMailbox() throws(SyntaxError) -> [UInt8] {
        if peek == .quote || peek == .ascii("{") { return try string() }
        let name = take { $0.isAtomCharacter || $0 == .ascii("%") || $0 == .ascii("*") || $0 == .ascii("]") }
        guard !name.isEmpty else { throw failure("list-mailbox") }
        return Array(name)
    }

    /// `flag-list = "(" [flag *(SP flag)] ")"`
    mutating func flagList() throws(SyntaxError) -> [[UInt8]] {
        try expect(.ascii("("), "flag-list")
        var flags: [[UInt8]] = []
        while !skip(.ascii(")")) {
            if !flags.isEmpty { try space() }
            flags.append(try flag())
            guard flags.count <= 100 else { throw failure("flag-list") }
        }
        return flags
    }

    /// `flag = "\" atom / atom`
    mutating func flag() throws(SyntaxError) -> [UInt8] {
        skip(.backslash) ? [.backslash] + (try atom()) : Array(try atom())
    }

    /// `number`, 32 bits.
    mutating func number() throws(SyntaxError) -> UInt32 {
        UInt32(try decimal(upTo: UInt64(UInt32.max), "number"))
    }

    /// `date = date-text / DQUOTE date-text DQUOTE`: the day, counted from 1970.
    mutating func date() throws(SyntaxError) -> Int64 {
        let isQuoted = skip(.quote)
        let day = Int(try decimal(upTo: 31, "date"))
        let (month, year) = try monthAndYear()
        if isQuoted { try expect(.quote, "date") }
        guard day >= 1 else { throw failure("date") }
        return IMAPDate.days(year: year, month: month, day: day)
    }

    private mutating func monthAndYear() throws(SyntaxError) -> (month: Int, year: Int) {
        try expect(.ascii("-"), "date")
        guard let name = take(3), let month = IMAPDate.month(name) else { throw failure("date-month") }
        try expect(.ascii("-"), "date")
        guard let digits = take(4), let year = Int(strictDecimal: digits) else { throw failure("date-year") }
        return (month, year)
    }

    /// `date-time = DQUOTE date-day-fixed "-" date-month "-" date-year SP time SP zone DQUOTE`: seconds since 1970.
    mutating func dateTime() throws(SyntaxError) -> Int64 {
        try expect(.quote, "date-time")
        _ = skip(.space)
        let day = Int(try decimal(upTo: 31, "date-time"))
        let (month, year) = try monthAndYear()
        try space()
        let hour = Int64(try decimal(upTo: 23, "time"))
        try expect(.ascii(":"), "time")
        let minute = Int64(try decimal(upTo: 59, "time"))
        try expect(.ascii(":"), "time")
        let second = Int64(try decimal(upTo: 60, "time"))
        try space()
        let isWest = peek == .ascii("-")
        guard skip(.ascii("+")) || skip(.ascii("-")), let zone = take(4),
            let offset = Int64(strictDecimal: zone), day >= 1
        else {
            throw failure("zone")
        }
        try expect(.quote, "date-time")
        let local =
            IMAPDate.days(year: year, month: month, day: day) * 86400 + hour * 3600 + minute * 60 + second
        let shift = (offset / 100 * 60 + offset % 100) * 60
        return isWest ? local + shift : local - shift
    }
}

extension UInt8 {
    /// ATOM-CHAR of RFC 3501 §9: any CHAR but `(`, `)`, `{`, SP, CTL, `%`, `*`, `"`, `\`, `]`.
    var isAtomCharacter: Bool {
        guard isVisible else { return false }
        switch self {
        case .ascii("("), .ascii(")"), .ascii("{"), .ascii("%"), .ascii("*"), .quote, .backslash, .ascii("]"):
            return false
        default: return true
        }
    }
}
