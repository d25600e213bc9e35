import Bytes

/// The addresses of a header field: `address-list` of RFC 5322 §3.4 with the obsolete forms of §4.4, read with
/// good will: what cannot be understood is passed over, the rest is kept.
package struct AddressList: Equatable {
    package enum Entry: Equatable {
        case mailbox(Mailbox)
        /// The beginning of a group, by its display name.
        case groupStart([UInt8])
        case groupEnd
    }

    package struct Mailbox: Equatable {
        /// Unquoted, comments and folds taken out; may hold encoded words. Empty if there is none.
        package var displayName: [UInt8]
        /// An obsolete source route, `@a,@b`; empty if there is none.
        package var route: [UInt8]
        /// Unquoted.
        package var localPart: [UInt8]
        /// Empty where the author left it out.
        package var domain: [UInt8]

        package init(displayName: [UInt8] = [], route: [UInt8] = [], localPart: [UInt8], domain: [UInt8]) {
            self.displayName = displayName
            self.route = route
            self.localPart = localPart
            self.domain = domain
        }

        /// As an address of an envelope: the local part quoted again where it must be.
        package var address: Address {
            let atoms = localPart.split(separator: .dot, omittingEmptySubsequences: false)
            if atoms.allSatisfy({ !$0.isEmpty && $0.allSatisfy({ $0.isAtext }) }) {
                return Address(localPart: localPart, domain: domain)
            }
            var quoted: [UInt8] = [.quote]
            for byte in localPart {
                if byte == .quote || byte == .backslash { quoted.append(.backslash) }
                quoted.append(byte)
            }
            return Address(localPart: quoted + [.quote], domain: domain)
        }
    }

    package private(set) var entries: [Entry] = []
    /// Where in the value a domain is missing: behind the local part of each mailbox that has none, in order.
    package private(set) var bareEnds: [Int] = []
    /// Which mailboxes, counted from 0, took some good will: words run together, something missing, something
    /// behind them that is no comma. Good enough to show, not to send to.
    package private(set) var guesses: Set<Int> = []

    /// Most entries that are kept (T38).
    package static let mostEntries = 20_000

    package var mailboxes: [Mailbox] {
        entries.compactMap { if case .mailbox(let mailbox) = $0 { mailbox } else { nil } }
    }

    /// The mailboxes that stand there as the grammar has it.
    package var exactMailboxes: [Mailbox] {
        mailboxes.enumerated().filter { !guesses.contains($0.offset) }.map { $0.element }
    }

    /// Reads the value of a From, To, Cc … field.
    package init(_ value: some Collection<UInt8>) {
        var reader = AddressReader(Array(value))
        while entries.count < Self.mostEntries, let entry = reader.next() { entries.append(entry) }
        bareEnds = reader.bareEnds
        guesses = reader.guesses
    }
}

/// Goes through an address list once; every step consumes at least a byte.
private struct AddressReader {
    private var cursor: Cursor
    private var isInGroup = false
    private(set) var bareEnds: [Int] = []
    private(set) var guesses: Set<Int> = []
    private var mailboxCount = 0
    /// Whether a comma, or whatever else separates entries, stands in front of the next one.
    private var isSeparated = true

    init(_ value: [UInt8]) { cursor = Cursor(value) }

    mutating func next() -> AddressList.Entry? {
        while true {
            cursor.skipCFWS()
            guard let byte = cursor.peek else {
                defer { isInGroup = false }
                return isInGroup ? .groupEnd : nil
            }
            if byte == .ascii(",") {
                _ = cursor.next()
                isSeparated = true
            } else if byte == .ascii(";") {
                _ = cursor.next()
                isSeparated = true
                if isInGroup {
                    isInGroup = false
                    return .groupEnd
                }
            } else {
                isGuess = !isSeparated
                isSeparated = false
                if let entry = entry() {
                    note(entry)
                    return entry
                }
            }
        }
    }

    private var isGuess = false

    private mutating func note(_ entry: AddressList.Entry) {
        guard case .mailbox(let mailbox) = entry else {
            isSeparated = true
            return
        }
        cursor.skipCFWS()
        let end = cursor.peek
        let isEnded = end == nil || end == .ascii(",") || end == .ascii(";")
        if isGuess || !isEnded || mailbox.localPart.isEmpty { guesses.insert(mailboxCount) }
        mailboxCount += 1
    }

    /// A mailbox, or the beginning of a group; nil for a piece that is neither.
    private mutating func entry() -> AddressList.Entry? {
        let start = cursor.position
        let words = phrase()
        switch cursor.peek {
        case .ascii("<"):
            return angleAddress(displayName: words.text)
        case .ascii(":") where !isInGroup:
            _ = cursor.next()
            isInGroup = true
            return .groupStart(words.text)
        case .ascii("@"):
            _ = cursor.next()
            // A comment behind a bare address names its owner: RFC 5322 §3.4, last paragraph.
            let domain = domain()
            if !words.isLocalPart || domain.isEmpty { isGuess = true }
            return .mailbox(.init(displayName: trailingComment(), localPart: words.compact, domain: domain))
        default:
            if cursor.position == start { _ = cursor.next() }
            guard !words.compact.isEmpty else { return nil }
            bareEnds.append(words.end)
            if !words.isLocalPart { isGuess = true }
            return .mailbox(.init(localPart: words.compact, domain: []))
        }
    }

    /// `[route ":"] local-part ["@" domain] ">"` behind an opening bracket.
    private mutating func angleAddress(displayName: [UInt8]) -> AddressList.Entry? {
        _ = cursor.next()
        cursor.skipCFWS()
        var route: [UInt8] = []
        if cursor.peek == .ascii("@") {
            route = Array(cursor.take { $0 != .ascii(":") && $0 != .ascii(">") })
            _ = cursor.skip(.ascii(":"))
        }
        let words = phrase()
        let local = words.compact
        let hasDomain = cursor.skip(.ascii("@"))
        let domain = hasDomain ? domain() : []
        if !hasDomain, !local.isEmpty { bareEnds.append(words.end) }
        cursor.skipCFWS()
        let junk = cursor.take { $0 != .ascii(">") && $0 != .ascii(",") && $0 != .ascii(";") }
        let isClosed = cursor.skip(.ascii(">"))
        if !words.isLocalPart || !junk.isEmpty || !isClosed || hasDomain == domain.isEmpty { isGuess = true }
        guard !local.isEmpty || !domain.isEmpty else { return nil }
        return .mailbox(.init(displayName: displayName, route: route, localPart: local, domain: domain))
    }

    /// Words up to a special: as a display name (one space between) and as a local part (nothing between).
    /// `end` is behind the last of them; they are a local part if dots join them all.
    private mutating func phrase() -> (text: [UInt8], compact: [UInt8], end: Int, isLocalPart: Bool) {
        var text: [UInt8] = []
        var compact: [UInt8] = []
        var end = cursor.position
        var isLocalPart = true
        while true {
            let before = cursor.position
            cursor.skipCFWS()
            let hadSpace = cursor.position > before
            let word: [UInt8]
            if cursor.peek == .quote {
                word = quotedString()
            } else {
                word = Array(cursor.take { $0.isAtext || $0 == .dot || !$0.isASCII })
                if word.isEmpty { return (text, compact, end, isLocalPart) }
            }
            if !compact.isEmpty, compact.last != .dot, word.first != .dot { isLocalPart = false }
            end = cursor.position
            if hadSpace, !text.isEmpty { text.append(.space) }
            text += word
            compact += word
        }
    }

    private mutating func quotedString() -> [UInt8] {
        _ = cursor.next()
        var text: [UInt8] = []
        while let byte = cursor.next(), byte != .quote {
            if byte == .backslash {
                if let quoted = cursor.next(), quoted != .cr, quoted != .lf { text.append(quoted) }
            } else if byte != .cr, byte != .lf {
                text.append(byte)
            }
        }
        return text
    }

    private mutating func domain() -> [UInt8] {
        var domain: [UInt8] = []
        while true {
            cursor.skipCFWS()
            if cursor.peek == .ascii("[") {
                domain += cursor.take { $0 != .ascii("]") && !$0.isControl }
                if cursor.skip(.ascii("]")) { domain.append(.ascii("]")) }
                return domain
            }
            let label = cursor.take { $0.isAtext || !$0.isASCII }
            domain += label
            let position = cursor.position
            cursor.skipCFWS()
            guard cursor.skip(.dot) else {
                cursor.seek(to: position)
                return domain
            }
            domain.append(.dot)
        }
    }

    /// The text of a comment that follows at once, without its parentheses.
    private mutating func trailingComment() -> [UInt8] {
        _ = cursor.take(while: { $0.isWhitespace })
        guard cursor.peek == .ascii("(") else { return [] }
        let start = cursor.position
        cursor.skipCFWS()
        var inside = Array(cursor.unit[start..<cursor.position].trimmed().dropFirst())
        if inside.last == .ascii(")") { inside.removeLast() }
        return inside
    }
}
