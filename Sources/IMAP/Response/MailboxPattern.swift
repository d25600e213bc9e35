import Bytes

/// LIST's patterns: `*` stands for anything, `%` for anything without a separator (RFC 3501 §6.3.8). INBOX is met in any
/// letters; what only begins like it is a name like others.
struct MailboxPattern {
    private enum Element: Equatable {
        case byte(UInt8)
        case anything
        case anythingInLevel
    }

    private let elements: [Element]
    private let separator: UInt8
    /// No shorter name fits.
    private let shortest: Int

    init(_ pattern: [UInt8], separator: UInt8) {
        // Wildcards side by side are one: they would cost time and mean nothing more.
        var elements: [Element] = []
        for byte in pattern {
            switch (byte, elements.last) {
            case (.ascii("*"), .anything), (.ascii("%"), .anything), (.ascii("%"), .anythingInLevel): break
            case (.ascii("*"), .anythingInLevel): elements[elements.count - 1] = .anything
            case (.ascii("*"), _): elements.append(.anything)
            case (.ascii("%"), _): elements.append(.anythingInLevel)
            default: elements.append(.byte(byte))
            }
        }
        self.elements = elements
        self.separator = separator
        shortest = elements.count { $0 != .anything && $0 != .anythingInLevel }
    }

    /// In time name × name, whatever the pattern (T36): the places reached in the pattern go through the name once.
    func matches(_ name: [UInt8]) -> Bool {
        guard shortest <= name.count else { return false }
        let ignoresCase = name.equalsFolded("INBOX")
        var reached = [Bool](repeating: false, count: elements.count + 1)
        reached[0] = true
        passWildcards(&reached)
        for byte in name {
            var next = [Bool](repeating: false, count: elements.count + 1)
            for (place, element) in elements.enumerated() where reached[place] {
                switch element {
                case .anything: next[place] = true
                case .anythingInLevel: if byte != separator { next[place] = true }
                case .byte(let wanted):
                    if wanted == byte || ignoresCase && wanted.lowercased == byte.lowercased {
                        next[place + 1] = true
                    }
                }
            }
            passWildcards(&next)
            reached = next
        }
        return reached[elements.count]
    }

    /// Wildcards may stand for nothing.
    private func passWildcards(_ reached: inout [Bool]) {
        for (place, element) in elements.enumerated() where reached[place] {
            if element == .anything || element == .anythingInLevel { reached[place + 1] = true }
        }
    }
}
