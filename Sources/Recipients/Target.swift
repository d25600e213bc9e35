import Jobs
package import Bytes
import Mail

/// Where an alias or a .forward sends mail: one item of its list.
package enum Target: Equatable {
    /// An address, with a domain or without.
    case address([UInt8])
    /// `\name`: the mailbox of that user, with no alias or .forward looked at again.
    case mailbox([UInt8])
    /// `|command`: for sh -c.
    case program([UInt8])
    /// `/path`: an mbox, or with a slash at the end a Maildir; `~/path` lies in the home.
    case file([UInt8])
    /// `:include:/path`: more targets, a list a line.
    case include([UInt8])

    /// Whether it is run, written or read, and not sent on to.
    package var isServedByRelais: Bool {
        switch self {
        case .program, .file, .include: true
        case .address, .mailbox: false
        }
    }

    /// As it would be written, for people.
    package var shown: String {
        switch self {
        case .address(let text): text.escaped()
        case .mailbox(let name): "\\\(name.escaped())"
        case .program(let text): "|\(text.escaped())"
        case .file(let path): path.escaped()
        case .include(let path): ":include:\(path.escaped())"
        }
    }

    /// Longest item, and most items of one list.
    package static let longest = 4096
    package static let most = Report.mostAddresses
}

/// The list on the right side of an alias, and on a line of a .forward:
///
///     list   = [item] *("," [item])
///     item   = quoted / "|" quoted / text without "," and quotes / address with quotes or comments in it
///     quoted = %x22 *(any / "\" any) %x22
extension Cursor {
    package mutating func targets() throws(SyntaxError) -> [Target] {
        var targets: [Target] = []
        while true {
            let start = offset
            let item = try targetText()
            if !item.isEmpty {
                guard item.count <= Target.longest, targets.count < Target.most else {
                    throw SyntaxError("target", at: start)
                }
                guard let target = Target(item) else { throw SyntaxError("target", at: start) }
                targets.append(target)
            }
            guard skip(.ascii(",")) else { break }
        }
        try expectEnd("target")
        return targets
    }

    /// Up to the next comma that is outside quotes and comments; comments are dropped.
    private mutating func targetText() throws(SyntaxError) -> ArraySlice<UInt8> {
        var text: [UInt8] = []
        var quoted = false
        var depth = 0
        while let byte = peek, quoted || depth > 0 || byte != .ascii(",") {
            _ = next()
            // What a shell reads, it quotes for itself: no comments in a command.
            let isCommand = text.first == .ascii("|")
            switch byte {
            case .backslash:
                if depth == 0 { text.append(byte) }
                // A backslash in front of a user's name quotes nothing.
                if quoted || depth > 0 {
                    guard let escaped = next() else { throw failure("quoted-pair") }
                    if depth == 0 { text.append(escaped) }
                }
                continue
            case .quote where depth == 0: quoted.toggle()
            case .ascii("(") where !quoted && !isCommand:
                depth += 1
                continue
            case .ascii(")") where depth > 0:
                depth -= 1
                continue
            default: break
            }
            if depth == 0 { text.append(byte) }
        }
        guard !quoted, depth == 0 else { throw failure("quoted-string") }
        return text.trimmed()
    }
}

extension Target {
    /// One item, as it stands between commas. No control byte gets into a target.
    init?(_ item: ArraySlice<UInt8>) {
        guard !item.contains(where: { $0.isControl && $0 != .tab }) else { return nil }
        let text: ArraySlice<UInt8>
        if let inner = Self.unquoted(item) {
            text = inner.trimmed()
        } else if item.first == .ascii("|"), let inner = Self.unquoted(item.dropFirst().trimmed()) {
            text = [.ascii("|")] + inner
        } else {
            text = item
        }
        switch text.first {
        case .ascii("|"):
            let command = text.dropFirst().trimmed()
            guard !command.isEmpty else { return nil }
            self = .program(Array(command))
        case .ascii("/"),
            .ascii("~") where text.dropFirst().first == .ascii("/"):
            self = .file(Array(text))
        case .ascii(":"):
            let path = text.dropFirst(9).trimmed()
            guard text.hasPrefixFolded(":include:"), path.first == .ascii("/") else { return nil }
            self = .include(Array(path))
        case .backslash:
            let name = text.dropFirst()
            guard !name.isEmpty, !name.contains(where: { $0.isWhitespace }) else { return nil }
            self = .mailbox(Array(name))
        default:
            // Quotes around all of an address are the list's: `"user@domain"` is no local part.
            let isQuoted = text != item && text.contains(.ascii("@"))
            let address = isQuoted ? Self.address(in: text) : Self.address(in: item) ?? Self.address(in: text)
            guard let address else { return nil }
            self = .address(address)
        }
    }

    /// What one pair of quotes around the whole text holds; nil if there is none.
    private static func unquoted(_ text: ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
        guard text.count >= 2, text.first == .quote else { return nil }
        var inner: [UInt8] = []
        var rest = Cursor(text.dropFirst())
        while let byte = rest.next() {
            if byte == .quote { return rest.isAtEnd ? inner[...] : nil }
            if byte == .backslash, let escaped = rest.next() {
                inner.append(escaped)
            } else {
                inner.append(byte)
            }
        }
        return nil
    }

    /// `local@domain`, `local`, or the same in angle brackets behind a name; a dot behind the domain goes.
    private static func address(in text: ArraySlice<UInt8>) -> [UInt8]? {
        var address = text
        if text.last == .ascii(">"), let open = text.lastIndex(of: .ascii("<")) {
            address = text[text.index(after: open)...].dropLast()
        }
        let at = address.lastIndex(of: .ascii("@"))
        if at != nil, address.last == .dot { address = address.dropLast() }
        guard isLocalPart(address[..<(at ?? address.endIndex)]) else { return nil }
        if let at, !isDomain(address[(at + 1)...]) { return nil }
        // No command could hold a longer one. Who sends what is not ASCII sends UTF-8 (RFC 6531 §3.3).
        guard address.count + 2 <= AddressLimit.path,
            String(validating: address, as: UTF8.self) != nil
        else { return nil }
        return Array(address)
    }

    /// Dots may stand anywhere, and what is not ASCII; all else only in quotes.
    private static func isLocalPart(_ text: ArraySlice<UInt8>) -> Bool {
        // An address that begins with a hyphen would be an option to somebody (T74).
        guard let first = text.first, first != .ascii("-") else { return false }
        guard first == .quote else { return text.allSatisfy { $0.isAtext || $0 == .dot || !$0.isASCII } }
        var rest = Cursor(text.dropFirst())
        while let byte = rest.next() {
            // The queue keeps an address on a line without control bytes: no tab in quotes.
            if byte.isControl { return false }
            if byte == .quote { return rest.isAtEnd && text.count > 2 }
            if byte == .backslash { _ = rest.next() }
        }
        return false
    }

    private static func isDomain(_ text: ArraySlice<UInt8>) -> Bool {
        if text.first == .ascii("[") { return text.last == .ascii("]") && text.allSatisfy { $0.isVisible } }
        return text.split(separator: .dot, omittingEmptySubsequences: false).allSatisfy { label in
            !label.isEmpty
                && label.allSatisfy {
                    $0.isAlphanumeric || $0 == .ascii("-") || $0 == .ascii("_") || !$0.isASCII
                }
        }
    }
}
