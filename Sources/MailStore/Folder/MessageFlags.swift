import Bytes

/// What a reader has marked a message with: the system flags of RFC 3501 §2.3.2, and keywords by letter.
package struct MessageFlags: Equatable, Sendable {
    package struct System: OptionSet, Sendable {
        package let rawValue: UInt8
        package init(rawValue: UInt8) { self.rawValue = rawValue }

        package static let seen = System(rawValue: 1)
        package static let answered = System(rawValue: 2)
        package static let flagged = System(rawValue: 4)
        package static let deleted = System(rawValue: 8)
        package static let draft = System(rawValue: 16)

        /// With the letters of the Maildir specification.
        static let letters: [(UInt8, System)] = [
            (.ascii("D"), .draft), (.ascii("F"), .flagged), (.ascii("R"), .answered), (.ascii("S"), .seen),
            (.ascii("T"), .deleted),
        ]
    }

    package var system: System
    /// Small letters; `dovecot-keywords` has their names.
    package var keywords: [UInt8]
    /// Letters that we do not know: they stay.
    private var others: [UInt8]

    package init(system: System = [], keywords: [UInt8] = []) {
        self.system = system
        self.keywords = keywords.sorted()
        others = []
    }

    init(letters: [UInt8]) {
        system = []
        keywords = letters.filter { $0.isLower }.sorted()
        others = []
        for letter in letters where !letter.isLower {
            if let flag = System.letters.first(where: { $0.0 == letter })?.1 {
                system.insert(flag)
            } else {
                others.append(letter)
            }
        }
    }

    /// As they stand in a file's name.
    package var letters: [UInt8] {
        (System.letters.filter { system.contains($0.1) }.map { $0.0 } + others).sorted() + keywords.sorted()
    }
}
