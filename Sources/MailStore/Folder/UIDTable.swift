import Bytes
package import Unix

/// The UIDVALIDITYs of a store, so that none is given twice, whatever is removed, made and renamed: a clock's second is not
/// enough. Of an mbox it keeps the next UID as well, for when the mbox cannot say it itself: it is empty, or a program that
/// knows nothing of UIDs has removed the message that said it.
///
/// One file, a line a mailbox: `validity next name`; of one that is gone, `next` is 0. It is replaced as a whole, under a lock
/// of its own. Where it cannot be written, for want of room or of rights, this process remembers what it would say.
package struct UIDTable {
    package struct Entry: Equatable {
        var validity: UInt32
        var next: UInt32

        var isGone: Bool { next == 0 }
    }

    private final class Memory {
        var entries: [[UInt8]: Entry] = [:]
    }

    private let directory: String
    private let unwritten = Memory()
    static let file = ".relais-uids"

    package init(in directory: String) { self.directory = directory }

    /// Where it is told what becomes of the mbox of this name.
    func journal(of name: [UInt8]) -> MboxJournal {
        MboxJournal(in: directory, isInbox: FolderTree.isInbox(name))
    }

    /// What the file says of `name`, if anything.
    func known(_ name: [UInt8]) throws(SystemError) -> Entry? {
        guard let entry = try written()[name], !entry.isGone else { return nil }
        return entry
    }

    /// What is said of `name`, now and by all that `change` makes of it; a mailbox that it says nothing of gets a
    /// UIDVALIDITY that none has had.
    func entry(of name: [UInt8], changing change: (inout Entry, _ isNew: Bool) -> Void) throws(SystemError)
        -> Entry
    {
        try update { entries in
            let known = entries[name].flatMap { $0.isGone ? nil : $0 }
            var entry = known ?? Entry(validity: Self.unused(entries), next: 1)
            change(&entry, known == nil)
            entries[name] = entry
            return entry
        }
    }

    /// A UIDVALIDITY for a mailbox that has none, or has it no longer: larger than `least`, and than any that the store has had.
    func newValidity(of name: [UInt8], above least: UInt32) throws(SystemError) -> UInt32 {
        try update { entries in
            let validity = max(Self.unused(entries), least &+ 1)
            entries[name] = Entry(validity: validity, next: 1)
            return validity
        }
    }

    /// A mailbox is going away under this name: whoever gets the name later has another UIDVALIDITY.
    package func retire(_ name: [UInt8], validity: UInt32? = nil) throws(SystemError) {
        try update { entries in
            let validity = max(validity ?? 0, entries[name]?.validity ?? 0)
            if validity > 0 { entries[name] = Entry(validity: validity, next: 0) }
        }
    }

    /// Whether a mailbox that has gone had this name and a UIDVALIDITY that is not smaller.
    package func hasHad(_ name: [UInt8], notBelow validity: UInt32) throws(SystemError) -> Bool {
        try update { entries in entries[name].map { $0.isGone && $0.validity >= validity } ?? false }
    }

    private static func unused(_ entries: [[UInt8]: Entry]) -> UInt32 {
        max(UInt32(clamping: Time.now().seconds), (entries.values.map { $0.validity }.max() ?? 0) &+ 1)
    }

    /// Mailboxes have other names now.
    package func rename(_ newName: ([UInt8]) -> [UInt8]?) throws(SystemError) {
        try update { entries in
            for (name, entry) in entries {
                guard !entry.isGone, let other = newName(name) else { continue }
                var entry = entry
                entries[name]?.next = 0
                // Not again the one, or an earlier one, than who had the name had.
                if let last = entries[other], last.validity >= entry.validity {
                    entry.validity = Self.unused(entries)
                }
                entries[other] = entry
            }
        }
    }

    private func update<Result>(_ body: (inout [[UInt8]: Entry]) -> Result) throws(SystemError) -> Result {
        let lock = try openLock()
        let old = try read()
        var entries = old
        let result = body(&entries)
        if entries != old || !unwritten.entries.isEmpty {
            do throws(SystemError) {
                if lock == nil { throw SystemError("open", .accessDenied, directory) }
                try Self.write(entries, Directory(directory))
                unwritten.entries = [:]
            } catch {
                guard Self.isExcused(error) else { throw error }
                unwritten.entries = entries
            }
        }
        _ = consume lock
        return result
    }

    private func openLock() throws(SystemError) -> Descriptor? {
        do throws(SystemError) {
            let lock = try Path.openForLocking("\(directory)\(Self.file).lock")
            try lock.lock()
            return lock
        } catch {
            guard Self.isExcused(error) else { throw error }
            return nil
        }
    }

    /// A store whose directory is missing, or a file, has INBOX alone.
    private static func isExcused(_ error: SystemError) -> Bool {
        error.isForWantOfRoom || error.isForWantOfRights || error.code == .noEntry
            || error.code == .notDirectory
    }

    private func read() throws(SystemError) -> [[UInt8]: Entry] {
        var entries = try written()
        for (name, own) in unwritten.entries {
            // Whoever could write it since knew more.
            if let now = entries[name], !own.isGone, (now.validity, now.next) >= (own.validity, own.next) {
                continue
            }
            entries[name] = own
        }
        return entries
    }

    private func written() throws(SystemError) -> [[UInt8]: Entry] {
        var entries: [[UInt8]: Entry] = [:]
        guard let bytes = try Path.contents(directory + Self.file) else { return [:] }
        for line in bytes.split(separator: .lf) {
            if let (name, entry) = Self.entry(line) { entries[Array(name)] = entry }
        }
        return entries
    }

    private static func entry(_ line: ArraySlice<UInt8>) -> (name: ArraySlice<UInt8>, entry: Entry)? {
        let words = line.split(separator: .space, maxSplits: 2)
        guard words.count == 3, let validity = UInt32(strictDecimal: words[0]), validity > 0,
            let next = UInt32(strictDecimal: words[1]), next <= UIDList.mostBelieved
        else { return nil }
        return (words[2], Entry(validity: validity, next: next))
    }

    // MARK: For who looks what is wrong

    var path: String { directory + Self.file }

    /// The numbers of the lines that are none.
    func badLines() throws(SystemError) -> [Int] {
        var bad: [Int] = []
        let lines = (try Path.contents(path) ?? []).split(separator: .lf, omittingEmptySubsequences: false)
        for (number, line) in zip(1..., lines) where !line.isEmpty && Self.entry(line) == nil {
            bad.append(number)
        }
        return bad
    }

    /// Leaves the bad lines out.
    func rewrite() throws(SystemError) {
        if try badLines().isEmpty { return }
        let lock = try openLock()
        if lock == nil { throw SystemError("open", .accessDenied, directory) }
        try Self.write(try read(), Directory(directory))
        _ = consume lock
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
