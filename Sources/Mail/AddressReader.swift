import Bytes

/// Goes through an address list once, piece by piece: what stands up to the next `,` `;` `<` or `:` that is
/// outside of quotes, comments, brackets and encoded words. Every step consumes at least a byte.
struct AddressReader {
    private var cursor: Cursor
    private var isInGroup = false
    /// Whether a comma, or whatever else separates entries, stands in front of the next one.
    private var isSeparated = true
    private var mailboxCount = 0
    /// What a piece held, the first one last.
    private var waiting: [AddressList.Entry] = []
    /// Up to where it is known that no bracket closes.
    private var openUpTo = 0

    private(set) var bareEnds: [Int] = []
    private(set) var guesses: Set<Int> = []
    private(set) var unclear: [Range<Int>] = []

    init(_ value: [UInt8]) { cursor = Cursor(value) }

    private var end: Int { cursor.unit.endIndex }

    /// Nobody asks for the rest.
    mutating func giveUp() { unclear.append(cursor.position..<end) }

    mutating func next() -> AddressList.Entry? {
        while waiting.isEmpty {
            let start = cursor.position
            let (stop, isWhole) = pieceEnd(from: start)
            // A comment or quoted string without its end may hold anybody.
            if !isWhole { unclear.append(start..<stop) }
            cursor.skipCFWS()
            let isEmpty = cursor.position >= stop
            switch stop < end ? cursor.unit[stop] : .ascii(",") {
            case .ascii("<"): angleAddress(behind: start..<stop, isNamed: !isEmpty)
            case .ascii(":"):
                let name = text(start..<stop)
                if hasAt(start..<stop) { unclear.append(start..<stop) }
                cursor.seek(to: stop + 1)
                // RFC 5322 has no groups in groups: a colon in a name is one more byte of it.
                guard !isInGroup else { break }
                isInGroup = true
                isSeparated = true
                return .groupStart(name)
            default:
                if !isEmpty { bareAddresses(start..<stop, isWhole: isWhole) }
                cursor.seek(to: stop)
                let isGroupEnd = isInGroup && (stop == end || cursor.peek == .ascii(";"))
                if isGroupEnd {
                    isInGroup = false
                    waiting.insert(.groupEnd, at: 0)
                }
                isSeparated = true
                if cursor.next() == nil, waiting.isEmpty { return nil }
            }
        }
        return waiting.popLast()
    }

    // MARK: - Pieces

    /// Where the piece that begins at `start` ends, and whether all quotes and comments in it do.
    private mutating func pieceEnd(from start: Int) -> (stop: Int, isWhole: Bool) {
        var look = Cursor(cursor.unit)
        look.seek(to: start)
        var isWordStart = true
        while let byte = look.peek {
            switch byte {
            case .ascii(","), .ascii(";"), .ascii("<"), .ascii(":"): return (look.position, true)
            case .quote:
                guard look.skipQuotedString() else { return (end, false) }
            case .ascii("("):
                guard look.skipComment() else { return (end, false) }
            case .ascii("["): skipBrackets(&look)
            case .ascii("=") where isWordStart && look.skipEncodedWord(): break
            default: _ = look.next()
            }
            isWordStart = byte.isWhitespace || byte == .cr || byte == .lf
        }
        return (end, true)
    }

    /// `[…]`, as in a domain literal or the name of a list; a bracket that does not close is a byte like others.
    private mutating func skipBrackets(_ look: inout Cursor) {
        let start = look.position
        _ = look.next()
        guard start >= openUpTo else { return }
        let behind = look.position
        _ = look.take { !"]<>\"".utf8.contains($0) }
        if look.skip(.ascii("]")) { return }
        openUpTo = look.position
        look.seek(to: behind)
    }

    /// Notes what a piece held, in order.
    private mutating func add(_ mailboxes: [AddressList.Mailbox], areGuesses: Bool) {
        if areGuesses { guesses.formUnion(mailboxCount..<mailboxCount + mailboxes.count) }
        mailboxCount += mailboxes.count
        waiting = mailboxes.reversed().map { .mailbox($0) }
    }

    // MARK: - Addresses

    /// Pieces without angle brackets: an address or a local name, or several complete addresses.
    private mutating func bareAddresses(_ piece: Range<Int>, isWhole: Bool) {
        var found: [AddressList.Mailbox] = []
        var ends: [Int] = []
        var isClear = isWhole
        var guess: AddressList.Mailbox?
        repeat {
            let before = cursor.position
            let words = cursor.words()
            let domain = cursor.skip(.ascii("@")) ? cursor.mailDomain() : nil
            var mailbox = Self.mailbox(words.compact, domain, isQuoted: words.isQuoted)
            let hasAt = domain != nil || !mailbox.domain.isEmpty
            if hasAt {
                // A comment behind a bare address names its owner: RFC 5322 §3.4, last paragraph.
                mailbox.displayName = cursor.trailingComment()
                if mailbox.domain.isEmpty { isClear = false }
            } else {
                // A name alone is one of this host; among others it may be anything.
                let isAlone = found.isEmpty && isSeparated
                if !isAlone || words.compact.starts(with: [.ascii("="), .ascii("?")]) { isClear = false }
                ends.append(words.end)
            }
            if !words.isLocalPart || words.compact.isEmpty { isClear = false }
            if guess == nil, !words.compact.isEmpty || hasAt { guess = mailbox }
            found.append(mailbox)
            cursor.skipCFWS()
            if cursor.position == before { break }
            // What else there is must be complete, too.
            if !hasAt { break }
        } while cursor.position < piece.upperBound
        if isClear, cursor.position >= piece.upperBound {
            add(found, areGuesses: false)
            bareEnds += ends
        } else {
            if isWhole { unclear.append(piece) }
            if let guess { add([guess], areGuesses: true) }
        }
    }

    /// `[route ":"] local-part ["@" domain] ">"` behind an opening bracket, and the name in front of it.
    private mutating func angleAddress(behind name: Range<Int>, isNamed: Bool) {
        cursor.seek(to: name.upperBound + 1)
        cursor.skipCFWS()
        var route: [UInt8] = []
        if cursor.peek == .ascii("@") {
            route = Array(cursor.take { $0 != .ascii(":") && $0 != .ascii(">") })
            _ = cursor.skip(.ascii(":"))
        }
        let words = cursor.words()
        let local = words.compact
        let hasDomain = cursor.skip(.ascii("@"))
        let domain = hasDomain ? cursor.mailDomain() : []
        var mailbox = Self.mailbox(local, hasDomain ? domain : nil, isQuoted: words.isQuoted)
        cursor.skipCFWS()
        let junk = cursor.take { $0 != .ascii(">") && $0 != .ascii(",") && $0 != .ascii(";") }
        let isClosed = cursor.skip(.ascii(">"))
        isSeparated = false
        let isNobody = local.isEmpty && domain.isEmpty && !words.isQuoted
        var isClear = junk.isEmpty && words.isLocalPart && hasDomain != domain.isEmpty
        isClear = isClear && (isNobody ? !isNamed && !hasDomain && route.isEmpty : !local.isEmpty)
        if !isClosed {
            // Perhaps a comment or a quoted string has swallowed what was to end it.
            let text = cursor.unit[name.upperBound..<cursor.position]
            if text.contains(where: { $0 == .quote || $0 == .ascii("(") }) { isClear = false }
        }
        if !isClear { unclear.append(name.lowerBound..<cursor.position) }
        guard !isNobody else { return }
        if isClear, isClosed, mailbox.domain.isEmpty { bareEnds.append(words.end) }
        (mailbox.displayName, mailbox.route) = (text(name), route)
        add([mailbox], areGuesses: !isClear)
    }

    /// `domain`: nil where there is no `@` outside of quotes. An address that was quoted whole is that address: no
    /// name of this host has an `@` in it.
    private static func mailbox(_ local: [UInt8], _ domain: [UInt8]?, isQuoted: Bool) -> AddressList.Mailbox {
        guard domain == nil, isQuoted, let whole = Address(local) else {
            return AddressList.Mailbox(localPart: local, domain: domain ?? [], isQuoted: isQuoted)
        }
        return AddressList.Mailbox(
            localPart: whole.unquotedLocalPart, domain: whole.domain,
            isQuoted: whole.localPart.first == .quote)
    }

    // MARK: - Names

    /// A piece as a name: without its quotes and comments, one space where there was any white space.
    private func text(_ piece: Range<Int>) -> [UInt8] {
        var look = Cursor(cursor.unit[piece])
        var text: [UInt8] = []
        while !look.isAtEnd {
            let before = look.position
            look.skipCFWS()
            if look.position > before, !text.isEmpty, !look.isAtEnd { text.append(.space) }
            guard let byte = look.peek else { break }
            if byte == .quote { text += look.quotedString() } else { text.append(look.next() ?? byte) }
        }
        return text
    }

    private func hasAt(_ piece: Range<Int>) -> Bool {
        var look = Cursor(cursor.unit[piece])
        while let byte = look.peek {
            if byte == .ascii("@") { return true }
            switch byte {
            case .quote: _ = look.skipQuotedString()
            case .ascii("("): _ = look.skipComment()
            default: _ = look.next()
            }
        }
        return false
    }
}

extension Cursor {
    /// Words up to a special, as a local part: nothing between them. `end` is behind the last; they are a local
    /// part if dots join them all and every quote closes.
    fileprivate mutating func words() -> (compact: [UInt8], end: Int, isLocalPart: Bool, isQuoted: Bool) {
        var compact: [UInt8] = []
        var end = position
        var isLocalPart = true
        var isQuoted = false
        // Whether a dot, or nothing at all, stands in front of the next word.
        var isJoined = true
        while true {
            skipCFWS()
            let start = position
            if peek == .quote {
                isQuoted = true
                compact += quotedString()
                if !isJoined || position - start < 2 || unit[position - 1] != .quote { isLocalPart = false }
                isJoined = false
            } else {
                let word = take { $0.isAtext || $0 == .dot || !$0.isASCII }
                if word.isEmpty { return (compact, end, isLocalPart, isQuoted) }
                compact += word
                if !isJoined, word.first != .dot { isLocalPart = false }
                isJoined = word.last == .dot
            }
            end = position
        }
    }

    fileprivate mutating func quotedString() -> [UInt8] {
        _ = next()
        var text: [UInt8] = []
        while let byte = next(), byte != .quote {
            if byte == .backslash {
                if let quoted = next(), quoted != .cr, quoted != .lf { text.append(quoted) }
            } else if byte != .cr, byte != .lf {
                text.append(byte)
            }
        }
        return text
    }

    /// Without the dot that a name of the DNS may have at its end.
    fileprivate mutating func mailDomain() -> [UInt8] {
        var domain: [UInt8] = []
        while true {
            skipCFWS()
            if peek == .ascii("[") {
                domain += take { $0 != .ascii("]") && !$0.isControl }
                if skip(.ascii("]")) { domain.append(.ascii("]")) }
                return domain
            }
            domain += take { $0.isAtext || !$0.isASCII }
            let before = position
            skipCFWS()
            guard skip(.dot) else {
                seek(to: before)
                break
            }
            domain.append(.dot)
        }
        if domain.count > 1, domain.last == .dot, domain[domain.count - 2] != .dot { domain.removeLast() }
        return domain
    }

    /// The text of a comment that follows at once, without its parentheses.
    fileprivate mutating func trailingComment() -> [UInt8] {
        _ = take(while: { $0.isWhitespace })
        guard peek == .ascii("(") else { return [] }
        let start = position
        skipCFWS()
        var inside = Array(unit[start..<position].trimmed().dropFirst())
        if inside.last == .ascii(")") { inside.removeLast() }
        return inside
    }

    /// False if it has no end; then it goes to the end of all.
    fileprivate mutating func skipQuotedString() -> Bool {
        _ = next()
        while let byte = next() {
            if byte == .quote { return true }
            if byte == .backslash { _ = next() }
        }
        return false
    }

    /// The same for a comment.
    fileprivate mutating func skipComment() -> Bool {
        var depth = 0
        while let byte = next() {
            switch byte {
            case .backslash: _ = next()
            case .ascii("("): depth += 1
            case .ascii(")"):
                depth -= 1
                if depth == 0 { return true }
            default: break
            }
        }
        return false
    }

    /// RFC 2047 §2, with the commas and colons that some writers leave in it; reads nothing if there is none.
    ///
    ///     encoded-word = "=?" charset "?" encoding "?" encoded-text "?="
    fileprivate mutating func skipEncodedWord() -> Bool {
        let start = position
        func isText(_ byte: UInt8) -> Bool { byte.isVisible && byte != .ascii("?") && byte != .quote }
        if skip("=?"), !take(while: isText).isEmpty, skip("?"), skip("q") || skip("b"), skip("?") {
            _ = take(while: isText)
            if skip("?=") { return true }
        }
        seek(to: start)
        return false
    }
}
