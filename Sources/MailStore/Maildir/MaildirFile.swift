import Bytes
package import Mail
import Unix

/// One file of a Maildir, as its name tells: the only place where such names are read and made.
///
///     1700000001.M5P42Q1R9c.host,S=120,W=124:2,FS
///
/// In front of the first colon is the base, the same for the message's whole life, and what a UID list knows it by. Behind the
/// last `:2,` are its flags: capital letters are those of the Maildir specification, small ones keywords, and, where there are
/// more than letters, digits. Some programs put a second `:2,` behind the first.
package struct MaildirFile: Equatable, Sendable {
    package enum Half: String, Sendable { case new, cur }

    package let half: Half
    /// The whole file name. It need not be text.
    package let name: [UInt8]
    private let baseCount: Int
    package let flags: MessageFlags
    /// As the directory says; 0 where nobody looked. It stays whatever the file is called.
    let inode: UInt64

    package init(_ half: Half, _ name: [UInt8], inode: UInt64 = 0) {
        self.half = half
        self.name = name
        self.inode = inode
        baseCount = name.firstIndex(of: .ascii(":"), from: 0) ?? name.count
        flags = Self.info(name[baseCount...]).letters.reduce(into: MessageFlags()) { flags, letter in
            if let flag = Self.flag(letter) { flags.insert(flag) }
        }
    }

    /// The rest is told by the name, or found by it.
    package static func == (a: MaildirFile, b: MaildirFile) -> Bool { a.half == b.half && a.name == b.name }

    package var base: MaildirBase { MaildirBase(name[..<baseCount]) }

    /// What stands behind the last `:2,`: flags, and from the next comma on what some programs add, which is none of ours.
    private static func info(
        _ rest: ArraySlice<UInt8>
    ) -> (letters: ArraySlice<UInt8>, others: ArraySlice<UInt8>) {
        guard let colon = rest.lastIndex(of: .ascii(":")) else { return ([], []) }
        let info = rest[(colon + 1)...]
        guard info.count >= 2, info.starts(with: [.ascii("2"), .ascii(",")]) else { return ([], []) }
        let letters = info.dropFirst(2).prefix { $0 != .ascii(",") }
        return (letters, rest[letters.endIndex...])
    }

    private static func flag(_ letter: UInt8) -> MessageFlags? {
        if letter.isLower { return MessageFlags(keyword: Int(letter - 0x61)) }
        if letter.isDigit { return MessageFlags(keyword: 26 + Int(letter - 0x30)) }
        return letter.isAlpha ? MessageFlags(capital: letter) : nil
    }

    /// Flags as letters, in the order that the specification asks for.
    static func letters(_ flags: MessageFlags) -> [UInt8] {
        var letters: [UInt8] = []
        let keywords = flags.keywords
        for number in keywords where number >= 26 { letters.append(UInt8(0x30 + number - 26)) }
        var capitals = flags.capitals
        while capitals != 0 {
            letters.append(UInt8(0x41 + capitals.trailingZeroBitCount))
            capitals &= capitals - 1
        }
        for number in keywords where number < 26 { letters.append(UInt8(0x61 + number)) }
        return letters
    }

    private static let mark: [UInt8] = [.ascii(":"), .ascii("2"), .ascii(",")]

    /// The same message in `cur` with other flags. What is no flag behind the comma stays.
    package func with(_ flags: MessageFlags) -> MaildirFile {
        let (letters, others) = Self.info(name[baseCount...])
        let text = Array(
            name[..<baseCount] + Self.mark + Self.letters(flags) + letters.filter { !$0.isAlphanumeric }
                + others)
        return MaildirFile(.cur, text, inode: inode)
    }

    /// The same message, as it is marked, under another base.
    func renamed(_ base: [UInt8]) -> MaildirFile {
        MaildirFile(half, base + (half == .new ? [] : Self.mark + Self.letters(flags)), inode: inode)
    }

    /// A line of a UID list can hold it.
    var isListable: Bool {
        baseCount > 0 && (name.firstIndex(of: .lf, from: 0) ?? baseCount) >= baseCount
            && name[baseCount - 1] != .cr
    }

    // MARK: Sizes

    /// What the name says of the file's size in octets (`,S=`). Nor is believed what stands behind `,W=`, the size with CRLF:
    /// only the file knows.
    var storedSize: Int? { number(behind: ",S=") }

    private func number(behind key: StaticString) -> Int? {
        let key = Array(key)
        var rest = name[..<baseCount]
        while let comma = rest.firstIndex(of: .ascii(",")) {
            rest = rest[comma...]
            if rest.starts(with: key) {
                return Int(strictDecimal: rest.dropFirst(key.count).prefix { $0.isDigit })
            }
            rest = rest.dropFirst()
        }
        return nil
    }

    // MARK: Order

    /// Whether it was delivered earlier, as far as names tell: the order in which UIDs are given. Seconds come first, then
    /// microseconds (`M`), then the number of the delivery in its process (`Q`).
    static func arrivedEarlier(_ a: MaildirFile, _ b: MaildirFile) -> Bool {
        let (first, second) = (a.arrival, b.arrival)
        if first.seconds != second.seconds { return first.seconds < second.seconds }
        if first.microseconds != second.microseconds { return first.microseconds < second.microseconds }
        if first.delivery != second.delivery { return first.delivery < second.delivery }
        return a.name.lexicographicallyPrecedes(b.name)
    }

    /// Where what stands in front ends: behind a comma the name says something of the message.
    private var frontCount: Int { min(baseCount, name.firstIndex(of: .ascii(","), from: 0) ?? baseCount) }
    var front: ArraySlice<UInt8> { name[..<frontCount] }

    /// By what stands in front, as bytes, and then by the rest of the base.
    static func inOrder(_ files: [MaildirFile]) -> [MaildirFile] {
        files.indices.map { OrderKey(files[$0], at: $0) }
            .sorted { $0.comesFirst(before: $1, files) }.map { files[$0.place] }
    }

    /// A file's place, and the beginning of its name: most comparisons need no more, and sorting moves no names.
    private struct OrderKey {
        private let (first, second): (UInt64, UInt64)
        let place: Int

        init(_ file: MaildirFile, at place: Int) {
            self.place = place
            let end = file.frontCount
            (first, second) = (file.word(at: 0, before: end), file.word(at: 8, before: end))
        }

        func comesFirst(before other: OrderKey, _ files: [MaildirFile]) -> Bool {
            if first != other.first { return first < other.first }
            if second != other.second { return second < other.second }
            let (a, b) = (files[place], files[other.place])
            let (mine, theirs) = (a.frontCount, b.frontCount)
            if a.name.precedes(b.name, first: mine, theirs) { return true }
            if b.name.precedes(a.name, first: theirs, mine) { return false }
            return a.name.precedes(b.name, first: a.baseCount, b.baseCount)
        }
    }

    /// Eight bytes of the name as a number that compares as they do; zeros for those behind `end`.
    private func word(at offset: Int, before end: Int) -> UInt64 {
        if offset + 8 <= end { return name.word(at: offset).byteSwapped }
        var word: UInt64 = 0
        for place in offset..<offset + 8 { word = word << 8 | (place < end ? UInt64(name[place]) : 0) }
        return word
    }

    private var arrival: (seconds: Int64, microseconds: Int64, delivery: Int64) {
        let time = name[..<baseCount].prefix { $0.isDigit }
        guard let seconds = Int64(strictDecimal: time) else { return (0, 0, 0) }
        let unique = name[time.endIndex..<baseCount].dropFirst().prefix { $0 != .dot && $0 != .ascii(",") }
        return (seconds, Self.number(.ascii("M"), unique), Self.number(.ascii("Q"), unique))
    }

    private static func number(_ letter: UInt8, _ text: ArraySlice<UInt8>) -> Int64 {
        guard let place = text.firstIndex(of: letter) else { return 0 }
        let rest = text[(place + 1)...]
        // A number ends at the next capital letter; a queue's id behind a `Q` is none.
        return Int64(strictDecimal: rest.prefix { !$0.isAlpha || $0.isLower }) ?? 0
    }

    // MARK: New names

    /// `<seconds>.M<microseconds>P<process>Q<delivery>R<random>.<host>`: unique over all hosts that share the Maildir.
    static func uniqueBase(host: String, delivery: Int, random: inout Randomness) -> String {
        let now = Time.now()
        let chance = String(random.next(), radix: 16)
        return
            "\(now.seconds).M\(now.microseconds % 1_000_000)P\(Identity.process)Q\(delivery)R\(chance).\(host)"
    }
}

/// The unchanging part of a file's name.
package struct MaildirBase: Hashable, Sendable {
    package let bytes: ArraySlice<UInt8>

    package init(_ bytes: ArraySlice<UInt8>) { self.bytes = bytes }
    package init(_ bytes: [UInt8]) { self.bytes = bytes[...] }

    package static func == (a: MaildirBase, b: MaildirBase) -> Bool { a.bytes.elementsEqual(b.bytes) }

    /// FNV-1a.
    var fingerprint: UInt64 {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
        return hash
    }

    /// Names are told apart by one word.
    package func hash(into hasher: inout Hasher) { hasher.combine(fingerprint) }
}
