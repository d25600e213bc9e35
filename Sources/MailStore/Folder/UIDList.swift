import Bytes

/// `dovecot-uidlist`, version 3: which UID belongs to which file, so that a host can go to Dovecot and back.
///
///     3 V1275660208 N25022 G3085f01b7f11094c501100008c4a11c1
///     25006 :1276528487.M364837P9451.kurkku,S=1355,W=1394:2,
///
/// A header of the version, the UIDVALIDITY, the next UID and other words; then a line a message: UID, words, colon,
/// the file's name, of which the part before `:2,` counts.
struct UIDList: Equatable {
    var validity: UInt32
    var next: UInt32
    /// Words of the header that are not ours, kept as they are.
    var otherWords: [[UInt8]] = []
    /// In the order of their UIDs.
    private(set) var entries: [(uid: UInt32, words: [UInt8], base: [UInt8])] = []

    init(validity: UInt32) {
        self.validity = validity
        next = 1
    }

    mutating func append(base: [UInt8]) -> UInt32 {
        entries.append((next, [], base))
        defer { next += 1 }
        return next
    }

    /// Keeps only the messages whose base is in `bases`.
    mutating func keep(_ bases: Set<[UInt8]>) {
        entries.removeAll { !bases.contains($0.base) }
    }

    /// Reads a file; nil when it is damaged, and then the folder gets a new UIDVALIDITY.
    init?(_ bytes: [UInt8]) {
        guard let end = bytes.firstIndex(of: .lf) else { return nil }
        let words = bytes[..<end].split(separator: .space)
        guard words.first?.elementsEqual([.ascii("3")]) == true else { return nil }
        var validity: UInt32?
        var next: UInt32?
        for word in words.dropFirst() {
            switch word.first {
            case .ascii("V"): validity = UInt32(strictDecimal: word.dropFirst())
            case .ascii("N"): next = UInt32(strictDecimal: word.dropFirst())
            default: otherWords.append(Array(word))
            }
        }
        guard let validity, let next, validity > 0, next > 0 else { return nil }
        self.validity = validity
        self.next = next
        var last: UInt32 = 0
        for line in bytes[(end + 1)...].split(separator: .lf) {
            guard let entry = Self.entry(line), entry.uid > last, entry.uid < UInt32.max else { return nil }
            last = entry.uid
            entries.append(entry)
        }
        // Dovecot appends lines without touching the header: what they say counts.
        self.next = max(next, last + 1)
    }

    private static func entry(_ line: ArraySlice<UInt8>) -> (uid: UInt32, words: [UInt8], base: [UInt8])? {
        guard let space = line.firstIndex(of: .space), let uid = UInt32(strictDecimal: line[..<space]),
            let colon = line[space...].firstIndex(of: .ascii(":"))
        else { return nil }
        let name = line[(colon + 1)...]
        let base = name[..<(name.firstIndex(of: .ascii(":")) ?? name.endIndex)]
        return base.isEmpty ? nil : (uid, Array(line[(space + 1)..<colon].trimmed()), Array(base))
    }

    var encoded: [UInt8] {
        var text: [UInt8] = []
        text += "3 V\(validity) N\(next)"
        for word in otherWords {
            text.append(.space)
            text += word
        }
        text.append(.lf)
        for entry in entries {
            text.append(decimal: entry.uid)
            text.append(.space)
            if !entry.words.isEmpty {
                text += entry.words
                text.append(.space)
            }
            text.append(.ascii(":"))
            text += entry.base
            text.append(.lf)
        }
        return text
    }

    static func == (a: UIDList, b: UIDList) -> Bool { a.encoded == b.encoded }
}
