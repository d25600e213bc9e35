import Bytes
import Unix

/// What is to become of an mbox in which messages move: told beside it (`MboxJournal`) before it begins. Whoever opens the
/// mbox behind a process that died on the way brings it to its end, or takes it back.
///
///     start          what is new begins here, over what was
///     old            where the file ended
///     copy           what is new, as a copy, behind so many zero bytes (`gap`) as no program writes
///     copy + count   where what others have appended meanwhile begins
struct MboxMove: Equatable {
    let inode: UInt64
    let start: Int
    let old: Int
    let copy: Int
    let count: Int
    /// Of the copy.
    let checksum: UInt32

    static let gap = 512
    private static let chunk = 1 << 16

    init(inode: UInt64, start: Int, old: Int, count: Int, checksum: UInt32) {
        (self.inode, self.start, self.old, self.count, self.checksum) = (inode, start, old, count, checksum)
        // Apart from all that is written over.
        copy = max(old, start + count) + Self.gap
    }

    var end: Int { copy + count }

    /// Makes the file as long as the copy takes it, durably: what others append from now on is behind it.
    func makeRoom(_ file: borrowing Descriptor) throws(SystemError) {
        try file.truncate(to: end)
        try file.synchronize()
    }

    /// Puts the copy in its place, durably.
    func finish(_ file: borrowing Descriptor) throws(SystemError) {
        try MboxRewrite.put(copy..<end, at: start, file)
    }

    // MARK: Behind a process that died

    /// Whether it began, and has not come to its end.
    func isUnfinished(_ file: borrowing Descriptor, size: Int) throws(SystemError) -> Bool {
        guard size > copy - Self.gap else { return false }
        return try file.read(upTo: Self.gap, at: copy - Self.gap).prefix(Self.gap).allSatisfy { $0 == .nul }
    }

    /// Brings it to its end where the copy is whole; else nothing of what was has been touched yet, and the copy goes. What others
    /// have appended meanwhile stays where it is, behind a message that says so: what it begins at.
    func mend(_ file: borrowing Descriptor, size: Int) throws(SystemError) -> Int? {
        let dead: Range<Int>
        if try hasWholeCopy(file, size: size) {
            try finish(file)
            dead = start + count..<end
        } else {
            dead = old..<(size >= end ? end : try Self.endOfZeros(file, from: old))
        }
        defer { try? file.synchronize() }
        guard dead.upperBound < size else {
            try file.truncate(to: dead.lowerBound)
            return nil
        }
        try fill(dead, file)
        return dead.lowerBound
    }

    private func hasWholeCopy(_ file: borrowing Descriptor, size: Int) throws(SystemError) -> Bool {
        guard size >= end else { return false }
        var sum = CRC32C()
        var position = copy
        while position < end {
            let part = try file.read(upTo: min(Self.chunk, end - position), at: position)
            if part.isEmpty { return false }
            sum.update(part[...])
            position += part.count
        }
        return sum.value == checksum
    }

    static func endOfZeros(_ file: borrowing Descriptor, from start: Int) throws(SystemError) -> Int {
        var position = start
        while true {
            let part = try file.read(upTo: chunk, at: position)
            let zeros = part.prefix { $0 == .nul }.count
            position += zeros
            if part.isEmpty || zeros < part.count { return position }
        }
    }

    private static let notice = Array(
        """
        From MAILER-DAEMON Thu Jan  1 00:00:00 1970
        From: MAILER-DAEMON
        Subject: Nothing was lost when this mailbox was interrupted; delete this message


        """.utf8)

    private func fill(_ dead: Range<Int>, _ file: borrowing Descriptor) throws(SystemError) {
        let notice = dead.count > Self.notice.count ? Self.notice : []
        try file.write(notice, at: dead.lowerBound)
        try MboxRewrite.fill(dead.lowerBound + notice.count..<dead.upperBound, file)
    }
}

/// Where an `MboxMove` is told: a file for each mailbox, in the directory that has the mailboxes' UIDs.
package struct MboxJournal {
    private let directory: String
    private let isInbox: Bool

    /// Of the INBOX, or of one of the folders. The directory's name ends in a slash.
    init(in directory: String, isInbox: Bool) {
        self.directory = directory
        self.isInbox = isInbox
    }

    /// Of the mbox that a user's mail comes into.
    package static func ofInbox(home: String) -> MboxJournal {
        MboxJournal(in: MboxTree.hidden(in: MboxTree.folders(home: home)), isInbox: true)
    }

    private func name(_ inode: UInt64) -> String { ".relais-move-\(isInbox ? "inbox" : "\(inode)")" }

    /// What is told of the file with this inode, if it is to be read.
    func move(of inode: UInt64) throws(SystemError) -> MboxMove? {
        guard let text = try Path.contents(directory + name(inode), limit: 1000) else { return nil }
        let words = text.split(separator: .space)
        let numbers = words.dropFirst().prefix(6).compactMap { UInt64(strictDecimal: $0) }
        guard words.first?.elementsEqual("relais-move".utf8) == true, words.count == 8, numbers.count == 6,
            words[7].elementsEqual("end\n".utf8), numbers[0] == inode,
            numbers[1...5].allSatisfy({ $0 < 1 << 62 })
        else { return nil }
        let move = MboxMove(
            inode: inode, start: Int(numbers[1]), old: Int(numbers[2]), count: Int(numbers[4]),
            checksum: UInt32(truncatingIfNeeded: numbers[5]))
        return move.copy == Int(numbers[3]) && move.start <= move.old ? move : nil
    }

    /// Tells it durably; false where this user has no place for it.
    func tell(_ move: MboxMove) throws(SystemError) -> Bool {
        let text =
            "relais-move \(move.inode) \(move.start) \(move.old) \(move.copy) \(move.count) \(move.checksum) end\n"
        do throws(SystemError) {
            let place = try Self.made(String(directory.dropLast()))
            try place.replaceDurably(name(move.inode), with: Array(text.utf8))
            try place.synchronize()
            return true
        } catch {
            guard error.isForWantOfRights || error.code == .noEntry || error.code == .notDirectory else {
                throw error
            }
            return false
        }
    }

    /// Who has read mail by POP3 alone has neither the directory nor the one above it.
    private static func made(_ path: String, depth: Int = 2) throws(SystemError) -> Directory {
        do throws(SystemError) { return try Directory(path) } catch {
            guard error.code == .noEntry, depth > 0 else { throw error }
        }
        let (parent, last) = Path.split(path)
        try made(parent, depth: depth - 1).makeDirectory(last, mode: 0o700)
        return try Directory(path)
    }

    /// It is over: one that stays is known by the file.
    func forget(_ inode: UInt64) {
        if let place = try? Directory(directory) { _ = try? place.removeIfPresent(name(inode)) }
    }
}
