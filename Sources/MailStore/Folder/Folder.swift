import Bytes
package import Mail
package import Unix

/// A Maildir whose messages have UIDs: what IMAP calls a mailbox. Three things are kept apart: the files as the last look found
/// them, the UIDs on disk, which all sessions share, and the list as this session's client knows it, which changes only in
/// `refresh` and in this session's own operations. What is changed is changed in the files of now, whatever was read before.
package final class Folder {
    package struct NumberedFile {
        package let uid: UInt32
        package internal(set) var file: MaildirFile
    }

    package let path: String
    package internal(set) var list = MessageList()
    package private(set) var uidValidity: UInt32 = 0
    package private(set) var uidNext: UInt32 = 1
    package internal(set) var keywords = KeywordNames()
    let maildir: Maildir
    let directory: OpenDirectory
    /// In the order of their UIDs, as of the last look.
    var files: [NumberedFile] = []
    /// The UIDs that this session was the first to see, and has not listed yet.
    private var recent: Set<UInt32> = []
    private let table: UIDTable
    private let name: [UInt8]
    private let isReadOnly: Bool
    private var seen: Seen?
    /// UIDs for this session alone, where they cannot be written.
    private var alone: UIDList?
    package var keepsUIDs: Bool { alone == nil }
    /// Messages are there for whose UIDs there was no room.
    private var awaitsRoom = false
    /// Another session wrote other numbers.
    private var isRenumbered = false
    /// Whether flags and messages can be changed.
    package let isWritable: Bool
    /// The list may differ from `files`.
    var needsMerge = true
    /// What this session has moved out of `new`, and nobody has numbered yet.
    private var claimed: Set<MaildirBase> = []
    /// This session has the list's lock.
    private var isLocked = false
    let sizes: KnownSizes

    /// The directories' times at the last look. Within `grain` of a change another may leave no trace.
    private struct Seen {
        var times: Maildir.ChangeTimes
        var isSettled: Bool

        static let grain = Duration.seconds(2)

        init(_ times: Maildir.ChangeTimes) {
            self.times = times
            isSettled = Time.now() - times.last > Self.grain
        }
    }

    /// Opens the Maildir at `path`, which ends in a slash, of a mailbox with this name in the store whose UIDVALIDITYs `table`
    /// has. Read-only: nothing moves from `new` to `cur`.
    package init(
        _ path: String, named name: [UInt8] = [UInt8]("INBOX"), _ table: UIDTable? = nil,
        readOnly: Bool = false
    ) throws(SystemError) {
        self.path = path
        self.name = name
        self.table = table ?? UIDTable(in: path)
        maildir = try Maildir(path)
        sizes = KnownSizes(maildir)
        isWritable = Path.isWritable("\(path)cur")
        isReadOnly = readOnly || !isWritable
        directory = OpenDirectory(try Directory(path))
        _ = try refresh(.now)
    }

    deinit { if !isReadOnly { sizes.keep(files.lazy.map { $0.file }) } }

    // MARK: Seeing what changed

    package enum Look {
        /// Where something may have changed, even what leaves no trace yet.
        case now
        /// Where the directories say so: between commands, of which there can be thousands a second.
        case ifChanged
    }

    /// Looks at the files, gives UIDs to the new ones, and brings the list up to date: it says what that changed. Messages that
    /// are gone stay in it unless their client may hear of them (`expunges`). ENOENT when the folder was removed.
    package func refresh(_ look: Look, expunges: Bool = true) throws(SystemError) -> MessageList.Changes {
        let times = try maildir.changeTimes()
        var isDue = seen.map { $0.times != times } ?? true
        if let seen, !isDue, !seen.isSettled {
            isDue = look == .now || Time.now() - times.last > Seen.grain
        }
        if isDue || awaitsRoom && look == .now {
            seen = nil
            try self.look()
            seen = Seen(times)
        }
        return needsMerge ? merge(expunges: expunges) : MessageList.Changes()
    }

    private func merge(expunges: Bool) -> MessageList.Changes {
        var changes = MessageList.Changes()
        if isRenumbered {
            // The numbers were lost and made anew: to this session everything is gone, and everything is new.
            guard expunges else { return changes }
            changes.expunged = list.removeAll()
            isRenumbered = false
        }
        let now = files.lazy.map { [recent] in
            ListedMessage(uid: $0.uid, flags: $0.file.flags, isRecent: recent.contains($0.uid))
        }
        list.merge(now, expunges: expunges, into: &changes)
        recent = []
        needsMerge = list.count != files.count
        return changes
    }

    private func look() throws(SystemError) {
        var scan = try MaildirScan(maildir)
        let numbers = try number(&scan)
        try readKeywords()
        if numbers.validity != uidValidity, uidValidity != 0 { isRenumbered = true }
        needsMerge = true
        uidValidity = numbers.validity
        uidNext = numbers.next
        if isReadOnly, let first = numbers.recentFrom {
            // To who only looks they are as recent, and stay so.
            for entry in numbers.entries where entry.uid >= first { recent.insert(entry.uid) }
        }
        files.removeAll(keepingCapacity: true)
        files.reserveCapacity(numbers.entries.count)
        for (uid, _, base) in numbers.entries {
            guard let file = scan[base] else { continue }
            files.append(NumberedFile(uid: uid, file: file))
            if isReadOnly ? file.half == .new : !claimed.isEmpty && claimed.remove(base) != nil {
                recent.insert(uid)
            }
        }
    }

    /// Moves what is in `new` to `cur`: whoever moves a file is the one to whom it is recent (RFC 3501 §2.3.2). Under the list's
    /// lock, or the list's word that it is recent could go to another session.
    private func claimNew(_ scan: inout MaildirScan) throws(SystemError) {
        if isReadOnly { return }
        for place in scan.files.indices where scan.files[place].half == .new {
            let file = scan.files[place]
            do throws(SystemError) {
                guard let moved = try maildir.claim(file) else { continue }
                scan.replace(at: place, with: moved)
            } catch {
                // Nor does one whose name has no room for flags keep the others back.
                guard error.isForWantOfRoom || error.isForWantOfRights || error.code == .nameTooLong else {
                    throw error
                }
            }
            claimed.insert(file.base)
        }
    }

    // MARK: Numbers

    /// The UID list with the files that are there, on disk when that changed it.
    ///
    /// Nobody's UID is dropped on the word of a scan made before the lock, when another session may have listed a
    /// message that came later, nor of a single scan: readdir can miss a file that is being renamed.
    private func number(_ scan: inout MaildirScan) throws(SystemError) -> UIDList {
        if let alone {
            try claimNew(&scan)
            return try numberAlone(alone, scan)
        }
        if let known = try readList(), !needsChange(known, scan) {
            awaitsRoom = false
            return known
        }
        let numbers = try locked { () throws(SystemError) in try numberLocked(&scan) }
        if awaitsRoom, uidValidity == 0 { return try stayAlone(&scan) }
        return numbers
    }

    private func numberLocked(_ scan: inout MaildirScan) throws(SystemError) -> UIDList {
        let listed = try readList()
        var numbers = if let listed { listed } else { try newList() }
        var isChanged = listed == nil || !numbers.isSound
        try scan.mend(maildir)
        if numbers.entries.contains(where: { scan[$0.base] == nil }) {
            let again = try MaildirScan(maildir)
            if again.files != scan.files { scan = again }
            try scan.mend(maildir)
        }
        try claimNew(&scan)
        if !isReadOnly, let first = numbers.recentFrom {
            for entry in numbers.entries where entry.uid >= first { recent.insert(entry.uid) }
            numbers.recentFrom = nil
            isChanged = true
        }
        let count = numbers.entries.count
        numbers.keep { scan[$0] != nil }
        let known = Set(numbers.entries.map { $0.base })
        let fresh = scan.files.filter { !known.contains($0.base) }.sorted(by: MaildirFile.arrivedEarlier)
        for file in fresh where !numbers.isFull {
            if arriving.contains(file.base), numbers.recentFrom == nil { numbers.recentFrom = numbers.next }
            numbers.append(file.base)
        }
        isChanged = isChanged || numbers.entries.count != count || !fresh.isEmpty
        awaitsRoom = isChanged ? try !write(numbers, over: listed) : false
        if awaitsRoom {
            // New messages wait for room, or for another session.
            numbers.keep { known.contains($0) }
            numbers.next = listed?.next ?? numbers.next
        }
        return numbers
    }

    private func locked<Result>(_ body: () throws(SystemError) -> Result) throws(SystemError) -> Result {
        if isLocked { return try body() }
        let lock = try ListLock(in: directory)
        isLocked = true
        defer { isLocked = false }
        let result = try body()
        _ = consume lock
        return result
    }

    /// Numbers the messages for this session, under a UIDVALIDITY of its own: the second in which one came or went last. Every
    /// session that gives it has seen what was there then, and gives the same UIDs; and whoever sees something else gives
    /// another one. (RFC 3501 §2.3.1.1: it need not last, and must not lie.)
    private func stayAlone(_ scan: inout MaildirScan) throws(SystemError) -> UIDList {
        let listed = try readList()?.validity
        for _ in 0..<Self.mostLooks {
            let changed = try maildir.lastChange()
            while Time.now().seconds == changed.seconds { pause(.milliseconds(50)) }
            scan = try MaildirScan(maildir)
            guard try maildir.lastChange() == changed else { continue }
            let seconds = max(1, UInt32(clamping: changed.seconds))
            awaitsRoom = false
            return try numberAlone(UIDList(validity: seconds == listed ? seconds &+ 1 : seconds), scan)
        }
        throw SystemError("open", .again, path)
    }

    private static let mostLooks = 10

    private func numberAlone(_ numbers: UIDList, _ scan: MaildirScan) throws(SystemError) -> UIDList {
        var numbers = numbers
        if numbers.entries.contains(where: { scan[$0.base] == nil }) {
            let again = try MaildirScan(maildir)
            numbers.keep { scan[$0] != nil || again[$0] != nil }
        }
        let known = Set(numbers.entries.map { $0.base })
        for file in scan.files.filter({ !known.contains($0.base) }).sorted(by: MaildirFile.arrivedEarlier) {
            numbers.append(file.base)
        }
        alone = numbers
        return numbers
    }

    /// What this session has just put there by APPEND or COPY.
    private var arriving: Set<MaildirBase> = []

    /// Makes what is staged visible, all of it or nothing, and gives it UIDs, in its order; none where one of them has none. They are
    /// recent to who looks next, this session or another. All under the list's lock: who numbers a message that another session
    /// has put here does not know that nobody has seen it.
    package func add(_ delivery: MaildirDelivery) throws(SystemError) -> [UInt32] {
        let bases = delivery.stagedBases
        try delivery.synchronizeContents()
        return try locked { () throws(SystemError) in
            if let failure = delivery.commit(together: true).compactMap({ $0 }).first { throw failure }
            // They are there, whether their UIDs can be told or not.
            return (try? numbers(of: bases)) ?? []
        }
    }

    private func numbers(of bases: [MaildirBase]) throws(SystemError) -> [UInt32] {
        arriving = Set(bases)
        defer { arriving = [] }
        var uids: [MaildirBase: UInt32] = [:]
        // One look alone can miss a file that is being renamed.
        for _ in 1...3 where uids.count < bases.count {
            _ = try refresh(.now)
            for numbered in files where arriving.contains(numbered.file.base) {
                uids[numbered.file.base] = numbered.uid
            }
        }
        let found = bases.compactMap { uids[$0] }
        return found.count == bases.count ? found : []
    }

    private func needsChange(_ list: UIDList, _ scan: MaildirScan) -> Bool {
        guard list.isSound, list.entries.count == scan.files.count, scan.strays.isEmpty,
            isReadOnly || list.recentFrom == nil && !scan.files.contains(where: { $0.half == .new })
        else { return true }
        var isListed = [Bool](repeating: false, count: scan.files.count)
        for entry in list.entries {
            guard let place = scan.place(of: entry.base), !isListed[place] else { return true }
            isListed[place] = true
        }
        return false
    }

    /// A list in place of none or a damaged one (T46), with a UIDVALIDITY above all that the store has had.
    private func newList() throws(SystemError) -> UIDList {
        UIDList(validity: try table.newValidity(of: name, above: uidValidity))
    }

    /// Where there is no room for the list the one that is there gets lines at its end, as Dovecot gives it, in what is left of
    /// its last block. False where there is no room for them, either: mail must be readable, and removable, on a full disk.
    private func write(_ list: UIDList, over listed: UIDList?) throws(SystemError) -> Bool {
        do throws(SystemError) {
            try directory.directory.replaceDurably("dovecot-uidlist", with: list.encoded)
            return true
        } catch {
            guard error.isForWantOfRoom || error.isForWantOfRights else { throw error }
            _ = try? directory.directory.removeIfPresent("dovecot-uidlist.tmp")
        }
        guard let listed, listed.isSound, listed.validity == list.validity else { return false }
        let lines = list.lines(from: listed.next)
        // Lines of what is gone may stay.
        if lines.isEmpty { return true }
        do throws(SystemError) {
            let file = try directory.directory.open("dovecot-uidlist", .appendExisting)
            let size = try file.status().size
            guard try file.read(upTo: 1, at: size - 1) == [.lf] else { return false }
            do throws(SystemError) {
                try file.write(lines)
                try file.synchronize()
            } catch {
                try file.truncate(to: size)
                throw error
            }
            return true
        } catch {
            guard error.isForWantOfRoom || error.isForWantOfRights else { throw error }
            return false
        }
    }

    private func readList() throws(SystemError) -> UIDList? {
        try read("dovecot-uidlist").flatMap { UIDList($0) }
    }

    func read(_ name: String) throws(SystemError) -> [UInt8]? {
        guard let file = try directory.directory.openIfPresent(name, .read) else { return nil }
        return try file.readAll(limit: 1 << 28)
    }

    // MARK: Own changes

    /// Runs what changes files of this folder, and takes the directories' new times for its own work, if nobody else's stood
    /// there before: or each of a thousand STOREs would make the next command look at everything.
    func changing<Result>(_ body: () throws(SystemError) -> Result) throws(SystemError) -> Result {
        let before = try maildir.changeTimes()
        let isKnown = seen.map { $0.times == before } ?? false
        let result = try body()
        if isKnown { seen = Seen(try maildir.changeTimes()) }
        return result
    }
}
