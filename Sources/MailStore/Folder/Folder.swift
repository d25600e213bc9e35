import Bytes
package import Unix

/// A Maildir as an ordered list of messages with UIDs: what IMAP calls a mailbox. The list changes only in
/// `refresh` and in this session's own operations, so that a session can tell its client what it must.
package final class Folder {
    package struct Message: Equatable {
        package let uid: UInt32
        package fileprivate(set) var entry: MaildirEntry
        package fileprivate(set) var flags: MessageFlags
        /// Came since somebody looked last, and this session is the first to see it.
        package fileprivate(set) var isRecent: Bool
    }

    /// What another session, or a delivery, did.
    package struct Changes: Equatable {
        /// Indices in the list before the change, highest first.
        package var expunged: [Int] = []
        /// Indices in the list after the expunges.
        package var flagsChanged: [Int] = []
        package var appended = 0
        package var isEmpty: Bool { expunged.isEmpty && flagsChanged.isEmpty && appended == 0 }
    }

    package let path: String
    package private(set) var messages: [Message] = []
    package private(set) var uidValidity: UInt32 = 0
    package private(set) var uidNext: UInt32 = 1
    private let maildir: Maildir
    private let directory: Directory
    private var keywords = KeywordList()
    private var lastChange: (new: Time, cur: Time)?
    private let isReadOnly: Bool

    /// Opens the Maildir at `path`, which ends in a slash. Read-only: nothing moves from `new` to `cur`.
    package init(_ path: String, readOnly: Bool = false) throws(SystemError) {
        self.path = path
        isReadOnly = readOnly
        maildir = try Maildir(path)
        directory = try Directory(path)
        _ = try refresh(force: true)
    }

    package func keywordName(_ letter: UInt8) -> [UInt8]? { keywords.names[letter] }
    package var keywordNames: [[UInt8]] { keywords.names.sorted { $0.key < $1.key }.map { $0.value } }

    // MARK: Seeing what changed

    /// Looks at the files, if their directories changed, and gives UIDs to the new ones.
    package func refresh(force: Bool = false) throws(SystemError) -> Changes {
        let before = try maildir.changeTimes()
        // A directory changed within the clock's grain may change again without showing it.
        let isSettled = Time.now() - max(before.new, before.cur) > .seconds(2)
        if !force, let lastChange, lastChange == before { return Changes() }
        lastChange = isSettled ? before : nil
        var found: [[UInt8]: MaildirEntry] = [:]
        for entry in try maildir.entries() { found[entry.base] = entry }
        let recent = try claimNew(&found)
        let list = try updateList(&found)
        if let bytes = try read("dovecot-keywords") { keywords = KeywordList(bytes) }
        return merge(list, found, recent)
    }

    /// Moves what is in `new` to `cur`: whoever moves a file is the one to whom it is recent (RFC 3501 §2.3.2).
    private func claimNew(_ found: inout [[UInt8]: MaildirEntry]) throws(SystemError) -> Set<[UInt8]> {
        var recent: Set<[UInt8]> = []
        for (base, entry) in found where entry.half == .new {
            guard !isReadOnly else {
                recent.insert(base)
                continue
            }
            found[base] = try maildir.setFlags(entry.flags, of: entry)
            if found[base] != nil { recent.insert(base) }
        }
        return recent
    }

    /// The UID list with the files that are there, on disk when that changed it.
    ///
    /// Nobody's UID is dropped on the word of a scan made before the lock, when another session may have listed a
    /// message that came later, nor of a single scan: readdir can miss a file that is being renamed.
    private func updateList(_ found: inout [[UInt8]: MaildirEntry]) throws(SystemError) -> UIDList {
        let known = try readList()
        if let known, known.entries.count == found.count, known.entries.allSatisfy({ found[$0.base] != nil })
        {
            return known
        }
        let lock = try ListLock(in: directory)
        defer { lock.release(in: directory) }
        var list = try readList() ?? newList()
        if list.entries.contains(where: { found[$0.base] == nil }) {
            for entry in try maildir.entries() { found[entry.base] = entry }
        }
        list.keep(Set(found.keys))
        let listed = Set(list.entries.map { $0.base })
        let fresh = found.values.filter { !listed.contains($0.base) }.sorted(by: Self.arrivedEarlier)
        for entry in fresh {
            guard list.next < UInt32.max else { break }
            _ = list.append(base: entry.base)
        }
        try directory.replaceDurably("dovecot-uidlist", with: list.encoded)
        return list
    }

    /// A list in place of none or a damaged one (T46), with a UIDVALIDITY above the one that this session knows.
    private func newList() -> UIDList {
        UIDList(validity: max(UInt32(clamping: Time.now().seconds), uidValidity &+ 1))
    }

    /// By delivery time, then by name: the order in which UIDs are given.
    private static func arrivedEarlier(_ a: MaildirEntry, _ b: MaildirEntry) -> Bool {
        let times = (a.deliverySeconds ?? 0, b.deliverySeconds ?? 0)
        return times.0 != times.1 ? times.0 < times.1 : a.base.lexicographicallyPrecedes(b.base)
    }

    private func merge(
        _ list: UIDList, _ found: [[UInt8]: MaildirEntry], _ recent: Set<[UInt8]>
    ) -> Changes {
        var changes = Changes()
        if list.validity != uidValidity, uidValidity != 0 {
            // The list was lost and made anew: to this session everything is gone, and everything is new.
            changes.expunged = Array(messages.indices.reversed())
            messages.removeAll()
        }
        uidValidity = list.validity
        uidNext = list.next
        var kept: [Message] = []
        for (index, message) in messages.enumerated() {
            guard let entry = found[message.entry.base] else {
                changes.expunged.insert(index, at: 0)
                continue
            }
            var message = message
            message.entry = entry
            let flags = MessageFlags(letters: entry.flags)
            if flags != message.flags {
                message.flags = flags
                changes.flagsChanged.append(kept.count)
            }
            kept.append(message)
        }
        let last = kept.last?.uid ?? 0
        for (uid, _, base) in list.entries where uid > last {
            guard let entry = found[base] else { continue }
            kept.append(
                Message(
                    uid: uid, entry: entry, flags: MessageFlags(letters: entry.flags),
                    isRecent: recent.contains(base)))
            changes.appended += 1
        }
        messages = kept
        return changes
    }

    private func readList() throws(SystemError) -> UIDList? {
        try read("dovecot-uidlist").flatMap { UIDList($0) }
    }

    private func read(_ name: String) throws(SystemError) -> [UInt8]? {
        guard let file = try directory.openIfPresent(name, .read) else { return nil }
        return try file.readAll(limit: 1 << 28)
    }

    // MARK: Changing

    /// The letters of keywords, new ones included; those for which there is no letter left are dropped.
    package func letters(of names: [[UInt8]]) throws(SystemError) -> [UInt8] {
        let known = keywords
        var letters = names.compactMap { known.letter(of: $0) }
        guard letters.count < names.count else { return letters }
        let lock = try ListLock(in: directory)
        defer { lock.release(in: directory) }
        if let bytes = try read("dovecot-keywords") { keywords = KeywordList(bytes) }
        letters = names.compactMap { keywords.add($0) }
        try directory.replaceDurably("dovecot-keywords", with: keywords.encoded)
        return letters
    }

    /// Gives a message other flags. False when it is gone; the next `refresh` says so.
    package func setFlags(_ flags: MessageFlags, at index: Int) throws(SystemError) -> Bool {
        if messages[index].flags == flags { return true }
        guard let entry = try change(messages[index].entry, to: flags.letters) else { return false }
        messages[index].entry = entry
        messages[index].flags = flags
        return true
    }

    private func change(_ entry: MaildirEntry, to letters: [UInt8]) throws(SystemError) -> MaildirEntry? {
        if let changed = try maildir.setFlags(letters, of: entry) { return changed }
        // Somebody renamed it: find it by what does not change.
        guard let now = try current(entry) else { return nil }
        return try maildir.setFlags(letters, of: now)
    }

    private func current(_ entry: MaildirEntry) throws(SystemError) -> MaildirEntry? {
        try maildir.entries().first { $0.base == entry.base }
    }

    /// Removes messages from the disk, durably, and from the list. What fails half-way the next `refresh` tells of.
    package func expunge(_ indices: [Int]) throws(SystemError) {
        for index in indices {
            let entry = messages[index].entry
            if try !maildir.remove(entry), let now = try current(entry) { _ = try maildir.remove(now) }
        }
        try synchronize()
        for index in indices.sorted(by: >) { messages.remove(at: index) }
    }

    /// Makes flags durable: once a command, not once a message.
    package func synchronize() throws(SystemError) { try maildir.synchronize() }

    /// Opens a message for reading; nil when it is gone.
    package func open(at index: Int) throws(SystemError) -> Descriptor? {
        let entry = messages[index].entry
        if let file = try maildir.open(entry) { return file }
        guard let now = try current(entry) else { return nil }
        messages[index].entry = now
        return try maildir.open(now)
    }

    /// When a message came: its file's modification time, which APPEND sets.
    package func internalDate(at index: Int) throws(SystemError) -> Time {
        guard let file = try open(at: index) else { return Time(seconds: 0) }
        return try file.status().modified
    }
}

/// `dovecot-uidlist.lock`: the lock that Dovecot takes before it writes the list.
struct ListLock {
    private static let name = "dovecot-uidlist.lock"
    /// Dovecot overrides it after two minutes, too.
    private static let stale = Duration.seconds(120)

    init(in directory: borrowing Directory) throws(SystemError) {
        let deadline = Deadline.after(.seconds(130))
        while true {
            do throws(SystemError) {
                let file = try directory.open(Self.name, .createNew(mode: 0o600))
                try file.write(Array("\(Identity.process)\n".utf8))
                return
            } catch {
                guard error.code == .exists, !deadline.hasPassed else { throw error }
            }
            if let old = try directory.status(of: Self.name), Time.now() - old.modified > Self.stale {
                _ = try directory.removeIfPresent(Self.name)
                continue
            }
            pause(.milliseconds(20))
        }
    }

    func release(in directory: borrowing Directory) { _ = try? directory.removeIfPresent(Self.name) }
}
