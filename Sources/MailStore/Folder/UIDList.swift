import Bytes

/// `dovecot-uidlist`: which UID belongs to which file, so that a host can go to Dovecot and back.
///
///     3 V1275660208 N25022 G3085f01b7f11094c501100008c4a11c1
///     25006 :1276528487.M364837P9451.kurkku,S=1355,W=1394:2,
///
/// A header of the version, the UIDVALIDITY, the next UID and other words; then a line a message: UID, words, colon,
/// the file's name, of which the part before its first colon counts. Version 1, which is Courier's as well, has
/// `1 1275660208 25022` and `25006 name`.
///
/// A line that is none costs its message the UID, and no other.
package struct UIDList: Equatable {
    package typealias Entry = (uid: UInt32, words: ArraySlice<UInt8>, base: MaildirBase)

    package var validity: UInt32
    package var next: UInt32
    /// From here on no session has claimed the messages as recent (our own word, `R`): those that APPEND and COPY brought.
    var recentFrom: UInt32?
    /// Words of the header that are not ours, kept as they are.
    var otherWords: [[UInt8]] = []
    /// In the order of their UIDs.
    package private(set) var entries: [Entry] = []
    /// Read without a fault, in the version that we write.
    private(set) var isSound = true
    private(set) var faults = Faults()

    /// What was wrong in the file, for who asks: numbers of lines, and how many have a UID that an earlier one has.
    struct Faults: Equatable {
        var isOld = false
        var badLines: [Int] = []
        var unordered: [Int] = []
        var repeated = 0
    }

    init(validity: UInt32) {
        self.validity = validity
        next = 1
    }

    var isFull: Bool { next == UInt32.max }

    /// A number that leaves none to give is not believed: mail that came later could not be listed.
    static let mostBelieved: UInt32 = 1 << 31

    mutating func append(_ base: MaildirBase) {
        entries.append((next, [], base))
        next += 1
    }

    /// Keeps only the messages for which `isThere` says so; of two lines for one the later, as Dovecot does: the earlier one's
    /// message was expunged, and came back.
    package mutating func keep(where isThere: (MaildirBase) -> Bool) {
        var seen: Set<MaildirBase> = []
        let kept = entries.reversed().filter { isThere($0.base) && seen.insert($0.base).inserted }
        entries = kept.reversed()
    }

    /// A message has another base now.
    mutating func rename(_ base: MaildirBase, to newBase: MaildirBase) {
        for index in entries.indices where entries[index].base == base { entries[index].base = newBase }
    }

    /// Reads a file; nil when its first line is damaged, and then the folder gets a new UIDVALIDITY. Lines may end in CRLF, as
    /// they do for Dovecot.
    package init?(_ bytes: [UInt8]) {
        guard let end = bytes.firstIndex(of: .lf), let header = Self.header(Self.withoutCR(bytes[..<end]))
        else { return nil }
        (validity, next, recentFrom, otherWords) = (
            header.validity, header.next, header.recentFrom, header.otherWords
        )
        isSound = header.isCurrent
        faults.isOld = !header.isCurrent
        var last: UInt32 = 0
        var ascends = true
        for (number, line) in zip(
            2..., bytes[(end + 1)...].split(separator: .lf, omittingEmptySubsequences: false))
        {
            let line = Self.withoutCR(line)
            if line.isEmpty { continue }
            guard let entry = header.isCurrent ? Self.entry(line) : Self.oldEntry(line), entry.uid > 0,
                entry.uid < Self.mostBelieved
            else {
                isSound = false
                faults.badLines.append(number)
                continue
            }
            if entry.uid <= last { ascends = false }
            if entry.uid < last { faults.unordered.append(number) }
            last = max(last, entry.uid)
            entries.append(entry)
        }
        if !ascends { putInOrder() }
        // Dovecot appends lines without touching the header: what they say counts.
        next = max(next, last + 1)
    }

    private static func withoutCR(_ line: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        line.last == .cr ? line.dropLast() : line
    }

    /// Of two lines with one UID the first has it.
    private mutating func putInOrder() {
        isSound = false
        var seen: Set<UInt32> = []
        let count = entries.count
        entries = entries.filter { seen.insert($0.uid).inserted }.sorted { $0.uid < $1.uid }
        faults.repeated = count - entries.count
    }

    private struct Header {
        var validity: UInt32 = 0
        var next: UInt32 = 0
        var recentFrom: UInt32?
        var otherWords: [[UInt8]] = []
        var isCurrent = true
    }

    private static func header(_ line: ArraySlice<UInt8>) -> Header? {
        let words = line.split(separator: .space)
        var header = Header()
        if words.first?.elementsEqual([.ascii("1")]) == true, words.count >= 3 {
            header.isCurrent = false
            header.validity = UInt32(strictDecimal: words[1]) ?? 0
            header.next = UInt32(strictDecimal: words[2]) ?? 0
        } else if words.first?.elementsEqual([.ascii("3")]) == true {
            for word in words.dropFirst() {
                switch word.first {
                case .ascii("V"): header.validity = UInt32(strictDecimal: word.dropFirst()) ?? 0
                case .ascii("N"): header.next = UInt32(strictDecimal: word.dropFirst()) ?? 0
                case .ascii("R"): header.recentFrom = UInt32(strictDecimal: word.dropFirst())
                default: header.otherWords.append(Array(word))
                }
            }
        }
        return header.validity > 0 && (1...mostBelieved).contains(header.next) ? header : nil
    }

    private static func entry(_ line: ArraySlice<UInt8>) -> Entry? {
        guard let space = line.firstIndex(of: .space), let uid = UInt32(strictDecimal: line[..<space]),
            let colon = colonOfName(line[space...])
        else { return nil }
        return named(uid, line[(space + 1)..<colon].trimmed(), line[(colon + 1)...])
    }

    /// The first one that begins a word.
    private static func colonOfName(_ rest: ArraySlice<UInt8>) -> Int? {
        rest.indices.dropFirst().first { rest[$0] == .ascii(":") && rest[$0 - 1] == .space }
    }

    private static func oldEntry(_ line: ArraySlice<UInt8>) -> Entry? {
        guard let space = line.firstIndex(of: .space), let uid = UInt32(strictDecimal: line[..<space]) else {
            return nil
        }
        return named(uid, [], line[(space + 1)...])
    }

    private static func named(_ uid: UInt32, _ words: ArraySlice<UInt8>, _ name: ArraySlice<UInt8>) -> Entry?
    {
        let base = name.prefix { $0 != .ascii(":") }
        return base.isEmpty ? nil : (uid, words, MaildirBase(base))
    }

    package var encoded: [UInt8] {
        var text: [UInt8] = []
        text.reserveCapacity(64 + entries.count * 64)
        text += "3 V\(validity) N\(next)"
        if let recentFrom { text += " R\(recentFrom)" }
        for word in otherWords {
            text.append(.space)
            text += word
        }
        text.append(.lf)
        for entry in entries { Self.append(entry, to: &text) }
        return text
    }

    /// The lines of the messages that have this UID or a later one.
    func lines(from uid: UInt32) -> [UInt8] {
        var text: [UInt8] = []
        for entry in entries where entry.uid >= uid { Self.append(entry, to: &text) }
        return text
    }

    private static func append(_ entry: Entry, to text: inout [UInt8]) {
        text.append(decimal: entry.uid)
        text.append(.space)
        if !entry.words.isEmpty {
            text += entry.words
            text.append(.space)
        }
        text.append(.ascii(":"))
        text += entry.base.bytes
        text.append(.lf)
    }

    package static func == (a: UIDList, b: UIDList) -> Bool { a.encoded == b.encoded }
}
