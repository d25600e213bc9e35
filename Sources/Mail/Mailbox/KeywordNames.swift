import Bytes

/// The names of a mailbox's keywords, each under a number that it keeps.
package struct KeywordNames: Equatable, Sendable {
    /// By number; nil where none has it.
    package private(set) var names: [[UInt8]?] = []

    package init() {}

    package subscript(_ number: Int) -> [UInt8]? { names.indices.contains(number) ? names[number] : nil }

    /// Without regard to case, as RFC 3501 §9 has flags.
    package func number(of name: [UInt8]) -> Int? {
        names.firstIndex { $0.map { $0.equalsFolded(name) } ?? false }
    }

    /// All that have a name, in the order of their numbers.
    package var all: [[UInt8]] { names.compactMap { $0 } }

    /// The flags of these names; nil when one has no number.
    package func flags(of names: [[UInt8]]) -> MessageFlags? {
        var flags: MessageFlags = []
        for name in names {
            guard let number = number(of: name) else { return nil }
            flags.insert(MessageFlags(keyword: number))
        }
        return flags
    }

    /// The flags of all numbers that have this name: a file of keywords can say it twice.
    package func flags(named name: [UInt8]) -> MessageFlags {
        names.indices.reduce(into: MessageFlags()) { flags, number in
            if let other = names[number], other.equalsFolded(name) {
                flags.insert(MessageFlags(keyword: number))
            }
        }
    }

    package var isFull: Bool { all.count >= MessageFlags.mostKeywords }

    /// The names of the keywords among `flags`; those without a name are nobody's to see.
    package func names(of flags: MessageFlags) -> [[UInt8]] { flags.keywords.compactMap { self[$0] } }

    /// Gives a name the number that a file says it has.
    package mutating func set(_ name: [UInt8], _ number: Int) {
        while names.count <= number { names.append(nil) }
        names[number] = name
    }

    /// The number of a keyword, given now if it had none: one that no name has, and no message (`taken`), for what a message
    /// is marked with must not come to mean something else. Nil when there is none left.
    package mutating func add(_ name: [UInt8], taken: MessageFlags) -> Int? {
        if let number = number(of: name) { return number }
        let free = (0..<MessageFlags.mostKeywords).first {
            self[$0] == nil && !taken.contains(MessageFlags(keyword: $0))
        }
        guard let free else { return nil }
        set(name, free)
        return free
    }
}
