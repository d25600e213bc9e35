import Bytes
import MailStore
import Unix

/// What keeps keywords under letters.
protocol KeywordKeeper {
    func keywordName(_ letter: UInt8) -> [UInt8]?
    func letters(of names: [[UInt8]]) throws(SystemError) -> [UInt8]
}

extension Folder: KeywordKeeper {}
extension NumberedMbox: KeywordKeeper {}

/// The names of flags, and their bits.
enum FlagNames {
    private static let system: [(StaticString, MessageFlags.System)] = [
        ("\\Answered", .answered), ("\\Flagged", .flagged), ("\\Deleted", .deleted), ("\\Seen", .seen),
        ("\\Draft", .draft),
    ]

    static func names(_ flags: MessageFlags, _ keeper: some KeywordKeeper) -> [[UInt8]] {
        system.filter { flags.system.contains($0.1) }.map { [UInt8]($0.0) }
            + flags.keywords.compactMap { keeper.keywordName($0) }
    }

    /// Keywords get their letters in the keeper.
    static func flags(_ names: [[UInt8]], _ keeper: some KeywordKeeper) throws(SystemError) -> MessageFlags {
        var bits: MessageFlags.System = []
        var keywords: [[UInt8]] = []
        for name in names {
            if let bit = system.first(where: { name.equalsFolded($0.0) })?.1 {
                bits.insert(bit)
            } else if name.first != .backslash {
                keywords.append(name)
            }
        }
        return MessageFlags(system: bits, keywords: try keeper.letters(of: keywords))
    }
}
