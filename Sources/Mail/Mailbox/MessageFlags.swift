/// What readers have marked a message with: a bit for each capital letter that the name of a Maildir's file can have, those
/// that mean nothing to us among them, and one for each keyword of its mailbox. A reader's own `\Recent` is none of them.
package struct MessageFlags: OptionSet, Hashable, Sendable {
    package let rawValue: UInt64
    package init(rawValue: UInt64) { self.rawValue = rawValue }

    /// The system flags of RFC 3501 §2.3.2, at the letters of the Maildir specification.
    package static let draft = MessageFlags(capital: 0x44)
    package static let flagged = MessageFlags(capital: 0x46)
    package static let answered = MessageFlags(capital: 0x52)
    package static let seen = MessageFlags(capital: 0x53)
    package static let deleted = MessageFlags(capital: 0x54)
    package static let system: MessageFlags = [.draft, .flagged, .answered, .seen, .deleted]

    /// How many keywords a mailbox can have: small letters of a Maildir's names, and behind them digits.
    package static let mostKeywords = 36
    private static let firstKeyword = 26

    /// The bit of a capital letter.
    package init(capital letter: UInt8) { self.init(rawValue: 1 << Int(letter &- 0x41)) }

    /// The bit of the keyword with this number, which is below `mostKeywords`.
    package init(keyword number: Int) {
        self.init(rawValue: 1 << (Self.firstKeyword + number))
    }

    /// The numbers of its keywords, ascending.
    package var keywords: [Int] {
        var numbers: [Int] = []
        var bits = rawValue >> Self.firstKeyword
        while bits != 0 {
            numbers.append(bits.trailingZeroBitCount)
            bits &= bits - 1
        }
        return numbers
    }

    /// The bits of its capital letters.
    package var capitals: UInt64 { rawValue & (1 << Self.firstKeyword - 1) }
}

/// A difference: what a message has behind it depends on what it had. Whoever says it need not know, so nobody's flag is lost
/// because somebody looked earlier.
package struct FlagChange: Equatable, Sendable {
    package let adding: MessageFlags
    package let removing: MessageFlags

    package init(adding: MessageFlags = [], removing: MessageFlags = []) {
        self.adding = adding
        self.removing = removing
    }

    package func applied(to flags: MessageFlags) -> MessageFlags {
        flags.subtracting(removing).union(adding)
    }
}
