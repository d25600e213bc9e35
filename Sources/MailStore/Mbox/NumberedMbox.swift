import Bytes
package import Mail
package import Unix

/// An mbox whose messages have UIDs: what IMAP calls a mailbox. A UID stands in the message itself, and goes with it
/// wherever other programs move it in the file.
package final class NumberedMbox {
    package typealias Message = MboxIndex.Message

    /// A message on its way in.
    package struct Addition {
        let source: MessageSource
        let flags: MessageFlags
        let date: Time

        package init(_ source: MessageSource, flags: MessageFlags, date: Time) {
            (self.source, self.flags, self.date) = (source, flags, date)
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
        mbox = try Mbox(path)
        self.table = table
        self.name = name
    }

    /// In the order of their UIDs.
    package var messages: ArraySlice<Message> { mbox.messages }

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
        let isClaimed = !claiming || messages.allSatisfy { $0.marks.isOld }
        if generation == mbox.generation, isClaimed { return [] }
        return try mbox.whenLocked(writing: true, missing: try withoutFile()) { file throws(SystemError) in
            try number(file, claiming: claiming)
        }
    }

    private func withoutFile() throws(SystemError) -> Set<UInt32> {
        let entry = try table.entry(of: name) { _, _ in }
        (validity, next, generation) = (entry.validity, entry.next, mbox.generation)
        return []
    }

    /// The UIDs that stand in the messages are good as long as they ascend and have been given; behind one that is not, all
    /// are new.
    private func number(_ file: borrowing Descriptor, claiming: Bool) throws(SystemError) -> Set<UInt32> {
        let index = mbox.index
        let first = messages.startIndex
        var marks: [Int: MboxMarks] = [:]
        let entry = try table.entry(of: name) { entry, isNew in
            entry = Self.agreed(entry, index.base, isNew: isNew)
            // Nobody has given UIDs here yet.
            var isGood = index.base != nil || !isNew
            var last: UInt32 = 0
            for number in index.messages.indices.dropFirst(first) {
                let uid = index.messages[number].marks.uid
                isGood = isGood && uid > last && uid < entry.next
                if !isGood, entry.next < UInt32.max {
                    marks[number, default: index.messages[number].marks].uid = entry.next
                    entry.next += 1
                }
                last = uid
            }
        }
        (validity, next) = (entry.validity, entry.next)
        var claimed: Set<UInt32> = []
        for number in index.messages.indices.dropFirst(first)
        where claiming && !index.messages[number].marks.isOld {
            marks[number, default: index.messages[number].marks].isOld = true
            claimed.insert(marks[number]?.uid ?? 0)
        }
        try mbox.endLastLine(file)
        try mbox.rewrite(file, marks: marks, base: base)
        generation = mbox.generation
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

    /// Changes the flags that messages have in the file now, durably; the UIDs of those that are gone.
    package func change(_ uids: Set<UInt32>, by change: FlagChange) throws(SystemError) -> Set<UInt32> {
        try whenNumbered { file throws(SystemError) in
            var gone = uids
            var marks: [Int: MboxMarks] = [:]
            for (number, message) in mbox.index.messages.enumerated()
            where gone.remove(message.marks.uid) != nil {
                let flags = change.applied(to: message.marks.flags)
                guard flags != message.marks.flags else { continue }
                marks[number] = message.marks
                marks[number]?.flags = flags
            }
            if !marks.isEmpty { try mbox.rewrite(file, marks: marks, base: base) }
            return gone
        }
    }

    /// Takes messages out, durably: of `uids` those that are marked as deleted in the file now, or `pending` says so, or all
    /// (`marked` false). The UIDs of those that are not there then.
    package func expunge(
        _ uids: Set<UInt32>, marked: Bool, pending: Set<UInt32> = []
    ) throws(SystemError) -> Set<UInt32> {
        try whenNumbered { file throws(SystemError) in
            var gone = uids
            var removing: Set<Int> = []
            for (number, message) in mbox.index.messages.enumerated() where gone.contains(message.marks.uid) {
                if !marked || message.marks.flags.contains(.deleted) || pending.contains(message.marks.uid) {
                    removing.insert(number)
                } else {
                    gone.remove(message.marks.uid)
                }
            }
            if !removing.isEmpty { try mbox.rewrite(file, removing: removing, base: base) }
            return gone
        }
    }

    /// Appends messages, durably, all or none; their UIDs.
    package func append(_ additions: [Addition]) throws(SystemError) -> [UInt32] {
        try whenNumbered { file throws(SystemError) in
            let first = next
            let count = UInt32(clamping: additions.count)
            guard first < UInt32.max - count else { throw SystemError("append", .noSpace, mbox.path) }
            next = try table.entry(of: name) { entry, _ in entry.next = first + count }.next
            var uid = first
            try mbox.append(file) { appender throws(SystemError) in
                for addition in additions {
                    // Recent to whoever looks first, as a delivered message is.
                    let marks = MboxMarks(uid: uid, flags: addition.flags, isOld: false)
                    let fields = MboxFields.text(marks, base: nil, keywords: mbox.index.keywords, room: 0)
                    try appender.append(
                        addition.source, fields: fields, from: [], at: addition.date, to: file)
                    uid += 1
                }
            }
            try mbox.rewrite(file, base: base)
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
