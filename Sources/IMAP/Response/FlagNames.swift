import Bytes
import Mail

/// Flags under the names of RFC 3501 §2.3.2, and what a client's names come to.
enum FlagNames {
    static let system: [(name: StaticString, flag: MessageFlags)] = [
        ("\\Answered", .answered), ("\\Flagged", .flagged), ("\\Deleted", .deleted), ("\\Seen", .seen),
        ("\\Draft", .draft),
    ]

    static func names(_ flags: MessageFlags, _ keywords: KeywordNames) -> [[UInt8]] {
        system.filter { flags.contains($0.flag) }.map { [UInt8]($0.name) } + shown(keywords.names(of: flags))
    }

    /// All that a message can have.
    static func all(_ keywords: KeywordNames) -> [[UInt8]] {
        system.map { [UInt8]($0.name) } + shown(keywords.all)
    }

    /// The flags that a client can see, and so take away.
    static func visible(_ keywords: KeywordNames) -> MessageFlags {
        keywords.all.filter(isKeyword).reduce(into: MessageFlags.system) {
            $0.formUnion(keywords.flags(named: $1))
        }
    }

    /// What two numbers stand for is one keyword.
    private static func shown(_ names: [[UInt8]]) -> [[UInt8]] {
        var shown: [[UInt8]] = []
        for name in names where isKeyword(name) && !shown.contains(where: { $0.equalsFolded(name) }) {
            shown.append(name)
        }
        return shown
    }

    /// `flag-keyword = atom`: what other programs, and strangers in the header of a message, wrote elsewise is not repeated, for a
    /// client would read something else.
    private static func isKeyword(_ name: [UInt8]) -> Bool {
        !name.isEmpty && name.allSatisfy { $0.isAtomCharacter }
    }

    /// The system flags among `names`, and the keywords. `\Recent`, and what else begins with a backslash, is nobody's to set.
    static func read(_ names: [[UInt8]]) -> (flags: MessageFlags, keywords: [[UInt8]]) {
        var flags: MessageFlags = []
        var keywords: [[UInt8]] = []
        for name in names {
            if let flag = system.first(where: { name.equalsFolded($0.name) })?.flag {
                flags.insert(flag)
            } else if name.first != .backslash {
                keywords.append(name)
            }
        }
        return (flags, keywords)
    }

    /// The flag that is asked for by name, any of these; none where no message can have it.
    static func flag(_ name: [UInt8], _ keywords: KeywordNames) -> MessageFlags {
        system.first { name.equalsFolded($0.name) }?.flag ?? keywords.flags(named: name)
    }
}
