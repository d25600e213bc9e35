import Bytes
package import Unix

/// The UIDVALIDITY and the next UID of each mbox, for when the mbox cannot say them itself: it is empty, or a program that
/// knows nothing of UIDs has removed the message that said them.
///
/// One file, a line a mailbox: `validity next name`. It is replaced as a whole, under a lock of its own.
package struct UIDTable {
    package struct Entry: Equatable {
        var validity: UInt32
        var next: UInt32
    }

    private let directory: String
    private static let file = ".relais-uids"

    package init(in directory: String) { self.directory = directory }

    /// What is said of `name`, now and by all that `change` makes of it; a mailbox that it says nothing of gets a
    /// UIDVALIDITY that none has had.
    func entry(of name: [UInt8], changing change: (inout Entry, _ isNew: Bool) -> Void) throws(SystemError)
        -> Entry
    {
        try update { entries in
            var entry = entries[name] ?? Entry(validity: Self.unused(entries), next: 1)
            change(&entry, entries[name] == nil)
            entries[name] = entry
            return entry
        }
    }

    private static func unused(_ entries: [[UInt8]: Entry]) -> UInt32 {
        max(UInt32(clamping: Time.now().seconds), (entries.values.map { $0.validity }.max() ?? 0) &+ 1)
    }

    /// Mailboxes have other names now.
    package func rename(_ newName: ([UInt8]) -> [UInt8]?) throws(SystemError) {
        try update { entries in
            for (name, entry) in entries {
                guard let other = newName(name) else { continue }
                entries[name] = nil
                entries[other] = entry
            }
        }
    }

    private func update<Result>(_ body: (inout [[UInt8]: Entry]) -> Result) throws(SystemError) -> Result {
        let lock = try Path.openForLocking("\(directory)\(Self.file).lock")
        try lock.lock()
        let root = try Directory(directory)
        let old = try Self.read(root)
        var entries = old
        let result = body(&entries)
        if entries != old { try Self.write(entries, root) }
        return result
    }

    private static func read(_ root: borrowing Directory) throws(SystemError) -> [[UInt8]: Entry] {
        guard let bytes = try root.openIfPresent(file, .read)?.readAll(limit: 1 << 24) else { return [:] }
        var entries: [[UInt8]: Entry] = [:]
        for line in bytes.split(separator: .lf) {
            let words = line.split(separator: .space, maxSplits: 2)
            guard words.count == 3, let validity = UInt32(strictDecimal: words[0]), validity > 0,
                let next = UInt32(strictDecimal: words[1]), next > 0
            else { continue }
            entries[Array(words[2])] = Entry(validity: validity, next: next)
        }
        return entries
    }

    private static func write(_ entries: [[UInt8]: Entry], _ root: borrowing Directory) throws(SystemError) {
        var text: [UInt8] = []
        for (name, entry) in entries.sorted(by: { $0.key.lexicographicallyPrecedes($1.key) }) {
            text += "\(entry.validity) \(entry.next) "
            text += name + [.lf]
        }
        try root.replaceDurably(file, with: text)
    }
}
