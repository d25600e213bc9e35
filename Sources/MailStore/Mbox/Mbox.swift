import Bytes
package import Unix

/// An mbox that other programs deliver to, mark and rewrite while it is open here. Whatever is done to it is done under its
/// locks, behind a look at what has become of it; between two operations nothing of it is believed.
///
/// It fails with EAGAIN when somebody keeps it locked, with ENOENT where there must be a file and is none, and with EINVAL where
/// there is a file that is no mbox.
package final class Mbox {
    package let path: String
    private let name: String
    private let directory: OpenDirectory
    private var file: OpenMbox?
    private var seen: Glance?
    /// Only what was appended has been read of late.
    private var isPartial = false
    /// When it was modified last, as others see it.
    private var lastSecond: Int64 = 0
    /// As of the last look.
    package internal(set) var index = MboxIndex()
    /// Grows whenever the index becomes another.
    private(set) var generation = 0
    private let patience: Duration
    private let journal: MboxJournal?
    /// What the file's disk has, as far as it says.
    var freeSpace: (borrowing Descriptor) -> Int? = { $0.freeSpace() }

    /// What a look at the file from outside tells. Within `grain` of a change another may leave no trace.
    private struct Glance: Equatable {
        let inode: UInt64
        let size: Int
        let modified: Time
        let changed: Time
        let isSettled: Bool
        let front: [UInt8]

        static let grain = Duration.milliseconds(20)
        static let frontSize = 512

        init(_ status: FileStatus, _ front: [UInt8], isSettled: Bool? = nil) {
            (inode, size, modified, changed) = (status.inode, status.size, status.modified, status.changed)
            // The other time can be set, and runs ahead of the clock.
            self.isSettled = isSettled ?? (Time.now() - changed > Self.grain)
            self.front = front
        }

        static func == (a: Glance, b: Glance) -> Bool {
            (a.inode, a.size, a.modified, a.changed) == (b.inode, b.size, b.modified, b.changed)
                && a.front == b.front
        }
    }

    /// Opens the mbox at `path`; a file that is missing is an empty mbox.
    package init(
        _ path: String, journal: MboxJournal? = nil, patience: Duration = .seconds(30)
    ) throws(SystemError) {
        self.path = path
        self.journal = journal
        self.patience = patience
        let (parent, name) = Path.split(path)
        self.name = name
        directory = OpenDirectory(try Directory(parent))
    }

    /// The messages, without the one that alpine and UW's imapd hide their numbers in.
    package var messages: ArraySlice<MboxIndex.Message> {
        index.messages.dropFirst(index.base?.isPseudo == true ? 1 : 0)
    }

    // MARK: Under the locks

    /// Runs `body` with the file locked, and `index` true. Without a file: `missing`.
    func whenLocked<Result>(
        writing: Bool, missing: @autoclosure () throws(SystemError) -> Result,
        _ body: (borrowing Descriptor) throws(SystemError) -> Result
    ) throws(SystemError) -> Result {
        let deadline = Deadline.after(patience)
        var writing = writing
        while true {
            guard let file = try opened() else {
                if !index.messages.isEmpty || seen != nil { generation += 1 }
                index.forget()
                seen = nil
                return try missing()
            }
            let lock = try MboxLock(file, name, in: directory, writing: writing, by: deadline)
            // A program that rewrites mboxes may have put another file in its place while we waited.
            let status = try file.descriptor.status()
            guard let now = try directory.directory.status(of: name), now.isSameFile(as: status) else {
                self.file = nil
                continue
            }
            guard try look(file, status, writing: writing) else {
                writing = true
                continue
            }
            if writing { try beSure(file.descriptor) }
            let result = try body(file.descriptor)
            _ = consume lock
            return result
        }
    }

    private func opened() throws(SystemError) -> OpenMbox? {
        if let file { return file }
        let file: OpenMbox
        do throws(SystemError) {
            guard let opened = try directory.directory.openIfPresent(name, .readWrite) else { return nil }
            file = OpenMbox(opened, isWritable: true)
        } catch {
            guard error.isForWantOfRights else { throw error }
            guard let opened = try directory.directory.openIfPresent(name, .read) else { return nil }
            file = OpenMbox(opened, isWritable: false)
        }
        guard try file.descriptor.status().kind == .regular else { throw SystemError("open", .invalid, path) }
        (self.file, seen) = (file, nil)
        return file
    }

    /// As of the last look; a file that is missing could be made.
    package var isWritable: Bool { file?.isWritable ?? true }

    /// Makes an empty file; EACCES where this user may not.
    package func create() throws(SystemError) {
        _ = try directory.directory.open(name, .create(mode: 0o600)).raw
    }

    /// Brings the index up to date: with what was appended, or anew. False where a move was interrupted, and the lock does not
    /// allow to mend that.
    private func look(_ file: OpenMbox, _ status: FileStatus, writing: Bool) throws(SystemError) -> Bool {
        lastSecond = status.modified.seconds
        let now = Glance(status, try file.descriptor.read(upTo: Glance.frontSize, at: 0))
        if let seen, seen == now, seen.isSettled { return true }
        if let move = try interrupted(file, status) {
            guard writing else { return false }
            try mend(move, file.descriptor, size: status.size)
            return try look(file, file.descriptor.status(), writing: true)
        }
        let first =
            if let seen, try hasOnlyGrown(seen, now, file.descriptor) { index.messages.count - 1 } else { 0 }
        seen = nil
        isPartial = first > 0
        try reread(file.descriptor, from: first)
        // A power cut can leave zeros of what was appended to an empty file.
        if index.isForeign, file.isWritable, try MboxMove.endOfZeros(file.descriptor, from: 0) == status.size
        {
            try file.descriptor.truncate(to: 0)
            return try look(file, file.descriptor.status(), writing: writing)
        }
        guard !index.isForeign else { throw SystemError("read", .invalid, path) }
        seen = now
        return true
    }

    /// What cannot be read to its end is not known at all.
    private func reread(_ file: borrowing Descriptor, from first: Int) throws(SystemError) {
        generation += 1
        do throws(SystemError) { try index.reread(file, from: first) } catch {
            index.forget()
            seen = nil
            throw error.withoutRoom()
        }
    }

    private func interrupted(_ file: OpenMbox, _ status: FileStatus) throws(SystemError) -> MboxMove? {
        guard file.isWritable, let move = try journal?.move(of: status.inode),
            try move.isUnfinished(file.descriptor, size: status.size)
        else { return nil }
        return move
    }

    /// Ends what a process that died had begun.
    private func mend(_ move: MboxMove, _ file: borrowing Descriptor, size: Int) throws(SystemError) {
        seen = nil
        let filled = try move.mend(file, size: size)
        journal?.forget(move.inode)
        guard let filled else { return }
        try reread(file, from: 0)
        // Where there is no room for that now its reader sees it, and what it says.
        if let number = index.messages.firstIndex(where: { $0.start == filled }) {
            _ = try? rewrite(file, removing: [number])
        }
    }

    /// Where the file has only grown, messages are where they were, but their marks may be others: nobody writes anything that
    /// depends on them before they are read.
    private func beSure(_ file: borrowing Descriptor) throws(SystemError) {
        guard isPartial else { return }
        isPartial = false
        try reread(file, from: 0)
    }

    /// Whether the last message that we know begins where it did, and the file as it did: then nothing in front has moved.
    private func hasOnlyGrown(_ old: Glance, _ now: Glance, _ file: borrowing Descriptor) throws(SystemError)
        -> Bool
    {
        guard old.isSettled, old.inode == now.inode, now.size > old.size, now.front.starts(with: old.front),
            let last = index.messages.last
        else { return false }
        let line = try file.read(upTo: last.header - last.start, at: last.start)
        return line.starts(with: [UInt8]("From ")) && line.last == .lf
    }

    // MARK: Reading

    /// Looks at the file.
    package func refresh() throws(SystemError) {
        try whenLocked(writing: false, missing: ()) { _ throws(SystemError) in }
    }

    /// Bytes of what readers are shown of a message, found by `find` in the index of this very moment: `count`, fewer only at its
    /// end; nil when it is gone.
    package func read(
        at offset: Int, count: Int, of find: (Mbox) -> MboxIndex.Message?
    ) throws(SystemError) -> [UInt8]? {
        try whenLocked(writing: false, missing: nil) { file throws(SystemError) in
            guard let message = find(self) else { return nil }
            var skip = offset
            var bytes: [UInt8] = []
            for piece in message.shown where bytes.count < count {
                if skip < piece.count {
                    let wanted = min(count - bytes.count, piece.count - skip)
                    let part = try file.read(upTo: wanted, at: piece.lowerBound + skip)
                    bytes += part
                    // Somebody who knows no locks has cut the file.
                    if part.count < wanted { return bytes }
                }
                skip = max(0, skip - piece.count)
            }
            return bytes
        }
    }

    // MARK: Writing

    /// Takes messages out, gives others new marks, and says of the whole what `base` says; durably. Where there is no room for
    /// that nothing is changed. `inPlace`: of the marks, and of what `base` says, only as much as fits where the old ones are;
    /// the messages for which that was too little.
    @discardableResult
    func rewrite(
        _ file: borrowing Descriptor, removing: Set<Int> = [], marks: [Int: MboxMarks] = [:],
        base: MboxBase? = nil, inPlace: Bool = false
    ) throws(SystemError) -> Set<Int> {
        guard self.file?.isWritable == true else { throw SystemError("open", .accessDenied, path) }
        let index = index
        let first = index.messages.indices.first { !removing.contains($0) }
        var base = base
        if first == 0, index.base?.isPseudo == true { base?.isPseudo = true }
        base?.keywords = index.allKeywords
        let saysMore = base != nil && (first != 0 || base != index.base)
        guard !removing.isEmpty || !marks.isEmpty || (saysMore && first != nil) else { return [] }
        var changed = Set(marks.keys)
        if saysMore, let first { changed.insert(first) }
        let inode = try file.status().inode
        var rewrite = MboxRewrite(
            index: index, inode: inode, journal: journal, room: freeSpace(file), removing: removing
        ) { number in
            let message = index.messages[number]
            return MboxFields.text(
                marks[number] ?? message.marks, base: number == first ? base ?? index.base : nil,
                keywords: index.keywords, room: message.room)
        }
        var misfits: Set<Int> = []
        if inPlace {
            misfits = changed.filter { !rewrite.fits($0) }
            changed.subtract(misfits)
            if changed.isEmpty, removing.isEmpty { return misfits }
        }
        rewrite.changed = changed
        if !rewrite.hasRoom() { throw SystemError("write", .noSpace, path) }
        seen = nil
        let moved: Int?
        do throws(SystemError) { moved = try rewrite.run(file) } catch {
            // What it had done by then stays.
            if error.isForWantOfRoom {
                try reread(file, from: 0)
                wrote(file)
            }
            throw error
        }
        do throws(SystemError) {
            try insisting { () throws(SystemError) in try file.synchronize() }
        } catch { throw error.withoutRoom() }
        if moved != nil { journal?.forget(inode) }
        for number in changed where number < moved ?? self.index.messages.count {
            self.index.mended(number, marks[number])
        }
        if first == 0, saysMore, !misfits.contains(0) { self.index.base = base }
        if let moved { try reread(file, from: moved) }
        wrote(file)
        return misfits
    }

    /// Ends the last line of a file that does not end in a line end: behind it nothing could be put.
    func endLastLine(_ file: borrowing Descriptor) throws(SystemError) {
        guard index.size > 0, try file.read(upTo: 1, at: index.size - 1) != [.lf] else { return }
        try file.write([.lf], at: index.size)
        try reread(file, from: max(0, index.messages.count - 1))
    }

    /// Appends what `write` writes, durably, or nothing. False where it is there, and cannot be read.
    func append(
        _ file: borrowing Descriptor, _ write: (inout MboxAppender) throws(SystemError) -> Void
    ) throws(SystemError) -> Bool {
        seen = nil
        var appender = try MboxAppender(file, at: index.size)
        do throws(SystemError) {
            try write(&appender)
            try appender.flush(file)
            try file.synchronize()
        } catch {
            try? insisting { () throws(SystemError) in try file.truncate(to: index.size) }
            throw error
        }
        do throws(SystemError) {
            try reread(file, from: max(0, index.messages.count - 1))
            wrote(file)
            return true
        } catch {
            seen = nil
            return false
        }
    }

    /// So many writings in one second leave each another time.
    private static let farthestAhead: Int64 = 600

    /// A time of our own tells this writing from any other, so it need not settle. Dovecot and mutt know a change in place by its
    /// second alone, and write the flags of before over what they do not see: so there never stands the second of the writing
    /// before, even if it has to be one that comes.
    private func wrote(_ file: borrowing Descriptor) {
        var time = Time.now()
        if (0..<Self.farthestAhead).contains(lastSecond - time.seconds) {
            time = Time(seconds: lastSecond + 1)
        }
        lastSecond = time.seconds
        generation += 1
        // It is written: where one of these fails the next look reads it again.
        seen = nil
        do throws(SystemError) {
            try file.setModified(time)
            seen = Glance(try file.status(), try file.read(upTo: Glance.frontSize, at: 0), isSettled: true)
        } catch {}
    }

    /// Takes out the messages that `choose` names by their place in `messages`, durably.
    package func remove(_ choose: (ArraySlice<MboxIndex.Message>) -> [Int]) throws(SystemError) {
        try whenLocked(writing: true, missing: ()) { file throws(SystemError) in
            let removing = Set(choose(messages))
            if !removing.isEmpty { try rewrite(file, removing: removing) }
        }
    }
}
