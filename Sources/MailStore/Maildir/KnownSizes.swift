import Bytes
import Unix

/// How large the messages of a Maildir are in octets with CRLF line ends, as we measured them: in a file beside them
/// (`relais-sizes`), so that a session need not look at each.
///
/// Nothing depends on that file: what is missing or damaged in it is measured again. What it says of a file is believed for a
/// day, while the file has the same base and the same inode in its directory: one that was put in another's place is measured.
/// Where somebody writes into a message in place, which nobody should, it is wrong until that message is opened and turns out
/// to have another size, or to be younger; and for no more than the day. What is sent of a message is what is in its file.
///
/// The file is a record of 32 bytes a message, in the order of their keys, behind one that says what it is. Who writes it last
/// is right.
final class KnownSizes {
    private struct Entry {
        /// Of the base.
        let key: UInt64
        let inode: UInt64
        /// Of the file.
        let stored: Int
        let lines: UInt32
        /// When the file was looked at, in seconds since 1970.
        let checked: UInt32

        var wire: Int { stored + Int(lines) }

        /// As far as can be seen: a file whose time is yet to come has been given it.
        func isOf(_ status: FileStatus, now: UInt32) -> Bool {
            let modified = status.modified.seconds
            return status.size == stored && (modified <= Int64(checked) || modified > Int64(now))
        }
    }

    private let maildir: Maildir
    private var kept: Records?
    private var measured: [UInt64: Entry] = [:]
    /// What the file says of these is wrong.
    private var wrong: Set<UInt64> = []
    private let now: UInt32

    static let file = "relais-sizes"
    /// So much is measured again and again rather than written down.
    static let fewMeasured = 50
    private static let day: UInt32 = 86_400

    init(_ maildir: Maildir, at time: Time = .now()) {
        self.maildir = maildir
        now = UInt32(clamping: time.seconds)
    }

    /// Nil when the file is gone under this name.
    func size(of file: MaildirFile) throws(SystemError) -> Int? {
        let key = Self.key(file)
        let entry = entry(key, file)
        if let entry, entry.checked <= now, now - entry.checked < Self.day { return entry.wire }
        guard let status = try maildir.status(file), status.kind == .regular else { return nil }
        let size: Int
        if let entry, entry.isOf(status, now: now) {
            size = entry.wire
        } else {
            guard let opened = try maildir.open(file) else { return nil }
            size = try WireLines.size(of: opened)
        }
        guard let lines = UInt32(exactly: size - status.size) else { return size }
        measured[key] = Entry(
            key: key, inode: file.inode, stored: status.size, lines: lines, checked: now)
        return size
    }

    /// A message is being read: if its file is not what was measured, it is measured again when next asked for; whether it was.
    func isRight(for file: MaildirFile, _ status: FileStatus) -> Bool {
        // Nobody was told a size.
        guard kept != nil else { return true }
        let key = Self.key(file)
        guard let entry = entry(key, file), !entry.isOf(status, now: now) else { return true }
        measured[key] = nil
        if kept?[key] != nil { wrong.insert(key) }
        return false
    }

    private func entry(_ key: UInt64, _ file: MaildirFile) -> Entry? {
        if let entry = measured[key], entry.inode == file.inode { return entry }
        if kept == nil { kept = read() }
        guard let entry = kept?[key], entry.inode == file.inode, !wrong.contains(key) else { return nil }
        return entry
    }

    private static func key(_ file: MaildirFile) -> UInt64 { file.base.fingerprint }

    // MARK: The file

    /// Keeps what is known of `files`, if that is worth it. What fails costs the next session time.
    func keep(_ files: some Sequence<MaildirFile>) {
        guard measured.count >= Self.fewMeasured || !wrong.isEmpty else { return }
        var entries: [Entry] = []
        for file in files { if let entry = entry(Self.key(file), file) { entries.append(entry) } }
        entries.sort { $0.key < $1.key }
        try? maildir.replace(Self.file, with: Records.encoded(entries))
        (measured, wrong, kept) = ([:], [], nil)
    }

    private func read() -> Records {
        guard let bytes = try? maildir.contents(Self.file) else { return Records() }
        return Records(bytes) ?? Records()
    }

    /// Looked up where they stand.
    private struct Records {
        private let bytes: [UInt8]
        private let count: Int

        private static let mark: UInt64 = 0x3153_455A_4953_5352
        private static let largest: UInt64 = 1 << 48
        private static let size = 32

        init() { (bytes, count) = ([], 0) }

        /// Nil where it is damaged. The first record: a mark, and the CRC-32C of the others.
        init?(_ bytes: [UInt8]) {
            guard bytes.count >= Self.size, bytes.count.isMultiple(of: Self.size) else { return nil }
            self.bytes = bytes
            count = bytes.count / Self.size - 1
            guard word(0, 0) == Self.mark, word(0, 1) == Self.checksum(bytes.dropFirst(Self.size)) else {
                return nil
            }
        }

        private static func checksum(_ bytes: ArraySlice<UInt8>) -> UInt64 {
            var sum = CRC32C()
            sum.update(bytes)
            return UInt64(sum.value)
        }

        private func word(_ record: Int, _ number: Int) -> UInt64 {
            bytes.word(at: record * Self.size + number * 8)
        }

        subscript(key: UInt64) -> Entry? {
            var (low, high) = (1, count + 1)
            while low < high {
                let middle = (low + high) / 2
                if word(middle, 0) < key { low = middle + 1 } else { high = middle }
            }
            guard low <= count, word(low, 0) == key, word(low, 2) < Self.largest else { return nil }
            let last = word(low, 3)
            return Entry(
                key: key, inode: word(low, 1), stored: Int(word(low, 2)),
                lines: UInt32(truncatingIfNeeded: last), checked: UInt32(truncatingIfNeeded: last >> 32))
        }

        static func encoded(_ entries: [Entry]) -> [UInt8] {
            var records: [UInt8] = []
            records.reserveCapacity(entries.count * size)
            for entry in entries {
                records.append(word: entry.key)
                records.append(word: entry.inode)
                records.append(word: UInt64(entry.stored))
                records.append(word: UInt64(entry.checked) << 32 | UInt64(entry.lines))
            }
            var head: [UInt8] = []
            for word in [mark, checksum(records[...]), 0, 0] { head.append(word: word) }
            return head + records
        }
    }
}
