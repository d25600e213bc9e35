import Bytes
package import Mail
package import Unix

/// An mbox whose messages have UIDs: what IMAP calls a mailbox. A UID stands in the message itself, and goes with it
/// wherever other programs move it in the file.
package final class NumberedMbox {
    package typealias Message = MboxIndex.Message

    /// A message on its way in.
    package struct Addition {
        let source: Extents
        /// What it is marked with, in another mbox perhaps: what we do not know goes with it.
        let marks: MboxMarks
        let date: Time

        package init(_ source: Extents, flags: MessageFlags, date: Time, copying marks: MboxMarks? = nil) {
            (self.source, self.date) = (source, date)
            var marks = marks ?? MboxMarks()
            (marks.flags, marks.isOld) = (flags, false)
            self.marks = marks
        }
    }

    package private(set) var validity: UInt32 = 0
    package private(set) var next: UInt32 = 1
    package let mbox: Mbox
    private let table: UIDTable
    private let name: [UInt8]
    /// Of the mbox, when all its messages had UIDs.
    private var generation: Int?

    package init(_ path: String, named name: [UInt8], _ table: UIDTable) throws(SystemError) {
        mbox = try Mbox(path, journal: table.journal(of: name))
        self.table = table
        self.name = name
    }

    /// In the order of their UIDs, as this session has them.
    package var messages: ArraySlice<Message> {
        guard !notes.isEmpty else { return mbox.messages }
        if viewed?.generation != mbox.generation {
            viewed = (mbox.generation, notes.applied(to: mbox.messages, next: next))
        }
        return viewed?.messages ?? []
    }

    /// What could not be written, and the messages with it.
    private var notes = SessionNotes() {
        didSet {
            viewed = nil
            notings += 1
        }
    }
    private var notings = 0
    private var viewed: (generation: Int, messages: ArraySlice<Message>)?

    /// Whether this user may write to it.
    package var isWritable: Bool { mbox.isWritable }
    /// Whether its UIDs will be good in another session.
    package var keepsUIDs: Bool { !notes.isAlone }

    /// Another whenever messages can be others than they were.
    package var state: Int { mbox.generation + notings }
    /// The state in which somebody had seen all of them.
    private var claimedState: Int?

    /// The message with this UID, if it is where `hint` says or anywhere.
    package func message(_ uid: UInt32, near hint: Int = 0) -> Message? {
        let messages = messages
        let index = messages.startIndex + hint
        if messages.indices.contains(index), messages[index].marks.uid == uid { return messages[index] }
        return messages.first { $0.marks.uid == uid }
    }

    // MARK: Keywords

    package var keywords: KeywordNames { mbox.index.keywords }

    /// Numbers for keywords; nil when there are none left. They are written with the first message that has one.
    package func flags(of names: [[UInt8]]) -> MessageFlags? {
        var flags: MessageFlags = []
        for name in names {
            guard let number = mbox.index.keywords.add(name, taken: []) else { return nil }
            flags.insert(MessageFlags(keyword: number))
        }
        return flags
    }

    // MARK: UIDs

    /// Looks at the file, and gives UIDs to messages that have none. `claiming`: to those that nobody has seen yet it says
    /// that somebody has; their UIDs.
    package func refresh(claiming: Bool) throws(SystemError) -> Set<UInt32> {
        try mbox.refresh()
        let isClaimed =
            !claiming || claimedState == state || messages.allSatisfy { $0.marks.isOld }
        if claiming, isClaimed { claimedState = state }
        if generation == mbox.generation, isClaimed { return [] }
        return try mbox.whenLocked(writing: true, missing: try withoutFile()) { file throws(SystemError) in
            try number(file, claiming: claiming)
        }
    }

    private func withoutFile() throws(SystemError) -> Set<UInt32> {
        generation = mbox.generation
        if notes.isAlone { return [] }
        let entry = try table.entry(of: name) { _, _ in }
        (validity, next) = (entry.validity, entry.next)
        return []
    }

    private func number(_ file: borrowing Descriptor, claiming: Bool) throws(SystemError) -> Set<UInt32> {
        defer { generation = mbox.generation }
        if notes.isAlone { return numberAlone(claiming: claiming) }
        guard mbox.isWritable else {
            guard let entry = try whollyNumbered() else { return try stayAlone(file, claiming: claiming) }
            (validity, next) = (entry.validity, entry.next)
            return []
        }
        var marks: [Int: MboxMarks] = [:]
        let entry = try table.entry(of: name) { entry, isNew in
            entry = Self.agreed(entry, mbox.index.base, isNew: isNew)
            marks = assign(&entry, isNew: isNew)
        }
        (validity, next) = (entry.validity, entry.next)
        let unnumbered = marks
        var claimed: Set<UInt32> = []
        for number in mbox.messages.indices where claiming && !messages[number].marks.isOld {
            let known = mbox.index.messages[number].marks
            marks[number, default: known].isOld = true
            claimed.insert(marks[number]?.uid ?? 0)
        }
        do throws(SystemError) {
            try mbox.endLastLine(file)
            try mbox.rewrite(file, marks: marks, base: base)
            (notes.uids, notes.claimed) = ([:], [])
            return claimed
        } catch {
            // A file that was opened for writing is read-only when its filesystem is by now.
            guard error.isForWantOfRoom || error.isForWantOfRights else { throw error }
        }
        guard let misfits = try reserve(file, marks, unnumbered: !unnumbered.isEmpty) else {
            return try stayAlone(file, claiming: claiming)
        }
        let identities = MboxIdentity.all(of: mbox.messages)
        for number in misfits {
            let identity = identities[number - mbox.messages.startIndex]
            if let uid = unnumbered[number]?.uid { notes.uids[identity] = uid }
            notes.claimed.insert(identity)
        }
        return claimed
    }

    /// Gives UIDs to messages that have none. The ones that stand in the messages are good as long as they ascend and have been
    /// given; behind one that is not, all are new.
    private func assign(_ entry: inout UIDTable.Entry, isNew: Bool) -> [Int: MboxMarks] {
        var marks: [Int: MboxMarks] = [:]
        let identities = notes.uids.isEmpty ? [] : MboxIdentity.all(of: mbox.messages)
        // Nobody has given UIDs here yet.
        var isGood = mbox.index.base != nil || !isNew
        var last: UInt32 = 0
        for (place, message) in zip(0..., mbox.messages) {
            let uid = message.marks.uid
            isGood = isGood && uid > last && uid < entry.next
            if isGood {
                last = uid
                continue
            }
            let own = identities.isEmpty ? nil : notes.uids[identities[place]]
            guard own != nil || entry.next < UInt32.max else { continue }
            last = own.map { $0 > last && $0 < entry.next ? $0 : entry.next } ?? entry.next
            if last == entry.next { entry.next += 1 }
            let number = mbox.messages.startIndex + place
            marks[number] = message.marks
            marks[number]?.uid = last
        }
        return marks
    }

    /// What the mbox and the table say of the whole, where each message says its UID.
    private func whollyNumbered() throws(SystemError) -> UIDTable.Entry? {
        let known = try table.known(name)
        guard known != nil || mbox.index.base != nil else { return nil }
        var entry = Self.agreed(
            known ?? UIDTable.Entry(validity: 0, next: 1), mbox.index.base, isNew: known == nil)
        return assign(&entry, isNew: known == nil).isEmpty ? entry : nil
    }

    // MARK: Where it cannot be written

    /// Writes what fits where the old fields are: above all the last UID given, which is as long as it was, so that nobody
    /// gives this session's UIDs again. The messages that stay as they are; nil when even that cannot be had.
    private func reserve(
        _ file: borrowing Descriptor, _ marks: [Int: MboxMarks], unnumbered: Bool
    ) throws(SystemError) -> Set<Int>? {
        guard !unnumbered || mbox.index.base != nil else { return nil }
        do throws(SystemError) {
            let misfits = try mbox.rewrite(
                file, marks: marks, base: unnumbered ? base : nil, inPlace: true)
            return unnumbered && mbox.index.base?.last != next - 1 ? nil : misfits
        } catch {
            guard error.isForWantOfRoom || error.isForWantOfRights else { throw error }
            return unnumbered ? nil : Set(marks.keys)
        }
    }

    /// Numbers the messages for this session, under a UIDVALIDITY of its own: the second in which the file was changed last. Every
    /// session that gives it has seen the file as it was then, and gives the same UIDs; and whoever sees another file gives
    /// another one. (RFC 3501 §2.3.1.1: it need not last, and must not lie.)
    private func stayAlone(_ file: borrowing Descriptor, claiming: Bool) throws(SystemError) -> Set<UInt32> {
        let changed = try file.status().changed
        while Time.now().seconds == changed.seconds { pause(.milliseconds(50)) }
        let seconds = max(1, UInt32(clamping: changed.seconds))
        let taken = [mbox.index.base?.validity, try table.known(name)?.validity]
        (validity, next) = (taken.contains(seconds) ? seconds &+ 1 : seconds, 1)
        notes = SessionNotes()
        notes.isAlone = true
        return numberAlone(claiming: claiming)
    }

    private func numberAlone(claiming: Bool) -> Set<UInt32> {
        var claimed: Set<UInt32> = []
        var last: UInt32 = 0
        for (message, identity) in zip(messages, MboxIdentity.all(of: messages)) {
            if notes.uids[identity].map({ $0 <= last }) ?? true {
                notes.uids[identity] = next
                next += 1
            }
            last = notes.uids[identity] ?? last
            if claiming, !message.marks.isOld {
                notes.claimed.insert(identity)
                claimed.insert(last)
            }
        }
        return claimed
    }

    private var base: MboxBase { MboxBase(validity: validity, last: next - 1) }

    /// What the mbox says goes before what the table says, for other programs give UIDs, too; but what was given is not
    /// given again.
    private static func agreed(_ entry: UIDTable.Entry, _ base: MboxBase?, isNew: Bool) -> UIDTable.Entry {
        guard let base else { return entry }
        let isSame = !isNew && base.validity == entry.validity
        return UIDTable.Entry(
            validity: base.validity, next: isSame ? max(entry.next, base.last + 1) : base.last + 1)
    }

    // MARK: Changing

    /// Changes the flags that messages have in the file now, durably; the UIDs of those that are gone. Where there is no room for
    /// that, what is to be removed is known to this session, so that it can be.
    package func change(_ uids: Set<UInt32>, by change: FlagChange) throws(SystemError) -> Set<UInt32> {
        try whenNumbered { file throws(SystemError) in
            let places = places(of: uids)
            let gone =
                places.count == uids.count ? [] : uids.subtracting(places.map { messages[$0].marks.uid })
            var marks = marks(at: places, changedBy: change)
            if marks.isEmpty { return gone }
            do throws(SystemError) {
                try mbox.rewrite(file, marks: marks, base: baseToWrite)
                if !notes.changes.isEmpty { note([], of: marks) }
            } catch {
                guard error.isForWantOfRoom else { throw error }
                // What it did before it failed may have moved them.
                marks = self.marks(at: self.places(of: uids), changedBy: change)
                let misfits = try mbox.rewrite(file, marks: marks, inPlace: true)
                let isOfRemoval = change.adding.union(change.removing).contains(.deleted)
                note(isOfRemoval ? misfits : [], of: marks)
                if !isOfRemoval, !misfits.isEmpty { throw error }
            }
            return gone
        }
    }

    /// By place, the new marks of those that the change makes others.
    private func marks(at places: [Int], changedBy change: FlagChange) -> [Int: MboxMarks] {
        var marks: [Int: MboxMarks] = [:]
        let messages = messages
        for number in places {
            let flags = change.applied(to: messages[number].marks.flags)
            guard flags != messages[number].marks.flags else { continue }
            marks[number] = mbox.index.messages[number].marks
            marks[number]?.flags = flags
        }
        return marks
    }

    /// Keeps in mind what could not be written, and no longer what could.
    private func note(_ misfits: Set<Int>, of marks: [Int: MboxMarks]) {
        let messages = mbox.messages
        let identities = MboxIdentity.all(of: messages)
        for (number, marks) in marks {
            let (wanted, flags) = (marks.flags, messages[number].marks.flags)
            notes.changes[identities[number - messages.startIndex]] =
                misfits.contains(number) && wanted != flags
                ? FlagChange(adding: wanted.subtracting(flags), removing: flags.subtracting(wanted)) : nil
        }
    }

    /// Under this session's own UIDVALIDITY what the mbox says of the whole stays.
    private var baseToWrite: MboxBase? { notes.isAlone ? mbox.index.base : base }

    /// Takes messages out, durably: of `uids` those that are marked as deleted in the file now, or all (`marked` false). The UIDs
    /// of those that are not there then.
    package func expunge(_ uids: Set<UInt32>, marked: Bool) throws(SystemError) -> Set<UInt32> {
        try whenNumbered { file throws(SystemError) in
            let removing = places(of: uids, marked: marked)
            let staying = messages.indices.filter { !removing.contains($0) }.map { messages[$0].marks.uid }
            let gone = uids.subtracting(staying)
            guard !removing.isEmpty else { return gone }
            do throws(SystemError) { try mbox.rewrite(file, removing: removing, base: baseToWrite) } catch {
                guard error.isForWantOfRoom else { throw error }
                // What it did before it failed has moved others. The table has the base, too.
                try mbox.rewrite(file, removing: places(of: uids, marked: marked))
            }
            return gone
        }
    }

    /// Where messages stand now.
    private func places(of uids: Set<UInt32>) -> [Int] {
        guard let first = uids.min(), let last = uids.max() else { return [] }
        let messages = messages
        return messages.indices.filter { number in
            let uid = messages[number].marks.uid
            return first <= uid && uid <= last && uids.contains(uid)
        }
    }

    /// The same, of all or of those that are marked as deleted.
    private func places(of uids: Set<UInt32>, marked: Bool) -> Set<Int> {
        Set(places(of: uids).filter { !marked || messages[$0].marks.flags.contains(.deleted) })
    }

    /// Appends messages, durably, all or none; their UIDs, none where they cannot be said.
    package func append(_ additions: [Addition]) throws(SystemError) -> [UInt32] {
        try whenNumbered { file throws(SystemError) in
            guard mbox.isWritable else { throw SystemError("open", .accessDenied, mbox.path) }
            let first = next
            let count = UInt32(clamping: additions.count)
            guard first < UInt32.max - count else { throw SystemError("append", .noSpace, mbox.path) }
            if !notes.isAlone {
                next = try table.entry(of: name) { entry, _ in entry.next = first + count }.next
            }
            var base = mbox.index.messages.isEmpty ? baseToWrite : nil
            base?.keywords = mbox.index.allKeywords
            var uid = first
            let isKnown = try mbox.append(file) { appender throws(SystemError) in
                for addition in additions {
                    // Recent to whoever looks first, as a delivered message is.
                    var marks = addition.marks
                    marks.uid = notes.isAlone ? 0 : uid
                    let fields = MboxFields.text(marks, base: base, keywords: mbox.index.keywords, room: 0)
                    base = nil
                    try appender.append(
                        addition.source, fields: fields, from: [], at: addition.date, to: file)
                    uid += 1
                }
            }
            guard isKnown else { return [] }
            if notes.isAlone {
                _ = numberAlone(claiming: false)
                return []
            }
            // The table has it, too.
            _ = try? mbox.rewrite(file, base: self.base)
            return Array(first..<uid)
        }
    }

    private func whenNumbered<Result>(
        _ body: (borrowing Descriptor) throws(SystemError) -> Result
    ) throws(SystemError) -> Result {
        let missing = SystemError("open", .noEntry, mbox.path)
        return try mbox.whenLocked(writing: true, missing: { () throws(SystemError) in throw missing }()) {
            file throws(SystemError) in
            if generation != mbox.generation { _ = try number(file, claiming: false) }
            defer { generation = mbox.generation }
            return try body(file)
        }
    }
}
