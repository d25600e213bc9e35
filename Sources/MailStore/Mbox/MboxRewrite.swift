import Bytes
import Unix

/// Changes messages of an mbox in place, because who reads it may not make files beside it: gives them other fields,
/// takes them out. Who calls it holds the locks, and has read the file under them.
///
/// What moves is told in the journal, written behind the end of the file, and then put in its place, over what was: a process
/// that dies on the way leaves what was, or what is to be (`MboxMove`).
///
/// Where there is no room for that, and something is taken out, the rest moves at once: mail must be removable from a full disk.
/// Where it is only to grow, it moves in parts, the last messages first: that takes room for what is new and for one part, which
/// is as long as the longest message or longer. So a process that dies while it does that leaves each message that stays whole
/// in the file; some can come to be there twice, one of them cut.
struct MboxRewrite {
    let index: MboxIndex
    let inode: UInt64
    let journal: MboxJournal?
    /// Free bytes on the disk; nil where that is not known.
    let room: Int?
    /// Messages that go.
    var removing: Set<Int> = []
    /// Messages that get other fields.
    var changed: Set<Int> = []
    /// The fields of a message from now on.
    let newFields: (Int) -> [UInt8]

    private static let chunk = 1 << 16
    /// A header longer than this is moved, not mended.
    private static let longestHeader = 1 << 18

    /// Writes it, each message where it is as far as the new fields have the size of the old; the first one that moved,
    /// nil where none did.
    mutating func run(_ file: borrowing Descriptor) throws(SystemError) -> Int? {
        let moved = firstMoved
        for number in changed.sorted() where number < moved ?? index.messages.count { try mend(number, file) }
        guard let moved else { return nil }
        let start = index.messages[moved].start
        if hasRoomForCopy(from: moved, to: start), try moveByCopy(from: moved, to: start, file) {
            return moved
        }
        if let parts = parts(from: moved), try moveUp(from: moved, parts, file) { return moved }
        guard let size = movesDown(from: moved, to: start) else {
            throw SystemError("write", .noSpace, "mbox")
        }
        try write(from: moved, to: start, file)
        try insisting { () throws(SystemError) in try file.synchronize() }
        try insisting { () throws(SystemError) in try file.truncate(to: start + size) }
        return moved
    }

    /// Makes the room that is wanted behind the end of the file; where there is not so much, all is as if nothing had been.
    private func begin(
        _ file: borrowing Descriptor, _ body: () throws(SystemError) -> Void
    ) throws(SystemError) -> Bool {
        do throws(SystemError) {
            try body()
            return true
        } catch {
            try insisting { () throws(SystemError) in try file.truncate(to: index.size) }
            if error.isForWantOfRoom { return false }
            throw error
        }
    }

    // MARK: Room

    /// Whether it can be done, as far as the filesystem tells: who only tries has filled the disk for others meanwhile.
    mutating func hasRoom() -> Bool {
        guard let moved = firstMoved else { return true }
        let start = index.messages[moved].start
        return hasRoomForCopy(from: moved, to: start) || parts(from: moved) != nil
            || movesDown(from: moved, to: start) != nil
    }

    private func hasRoomForCopy(from first: Int, to start: Int) -> Bool {
        guard let room else { return true }
        let size = size(from: first, to: start).size
        return room >= size + MboxMove.gap + max(0, start + size - index.size)
    }

    // MARK: New fields of the same size

    private func fields(_ number: Int) -> [UInt8]? { changed.contains(number) ? newFields(number) : nil }

    func fits(_ number: Int) -> Bool {
        let fields = newFields(number)
        let message = index.messages[number]
        guard let first = message.hidden.first else { return false }
        return fields.count == message.room && message.headerEnd - first.lowerBound <= Self.longestHeader
    }

    private func mend(_ number: Int, _ file: borrowing Descriptor) throws(SystemError) {
        let message = index.messages[number]
        guard let fields = fields(number), let first = message.hidden.first else { return }
        var header: [UInt8] = []
        for piece in message.pieces(from: first.lowerBound, to: message.headerEnd) {
            header += try Self.read(file, piece)
        }
        try insisting { () throws(SystemError) in try file.write(header + fields, at: first.lowerBound) }
    }

    private static func read(_ file: borrowing Descriptor, _ range: Range<Int>) throws(SystemError) -> [UInt8]
    {
        var bytes: [UInt8] = []
        while bytes.count < range.count {
            let part = try file.read(upTo: range.count - bytes.count, at: range.lowerBound + bytes.count)
            if part.isEmpty { throw SystemError("read", .inputOutput, "mbox") }
            bytes += part
        }
        return bytes
    }

    // MARK: What moves

    private enum Piece {
        case old(Range<Int>)
        case new([UInt8])
    }

    /// What the file is from message `first` on, or to `last`, in order.
    private func forEachPiece(
        from first: Int, to last: Int = .max, _ body: (Piece) throws(SystemError) -> Void
    )
        throws(SystemError)
    {
        for number in first..<min(last, index.messages.count) where !removing.contains(number) {
            let message = index.messages[number]
            let end = number + 1 < index.messages.count ? index.messages[number + 1].start : index.size
            guard let fields = fields(number) else {
                try body(.old(message.start..<end))
                continue
            }
            for piece in message.pieces(from: message.start, to: message.headerEnd) { try body(.old(piece)) }
            try body(.new(fields))
            if message.headerEnd < end { try body(.old(message.headerEnd..<end)) }
        }
    }

    /// Nil where none does. Asked for when all is set that is to be done.
    lazy var firstMoved = [removing.min(), changed.filter { !fits($0) }.min()].compactMap { $0 }.min()

    /// How long the file is from `first` on when all is written; nil where something would be written over what is yet to
    /// be read.
    private func movesDown(from first: Int, to start: Int) -> Int? {
        let (size, isAhead) = size(from: first, to: start)
        return isAhead ? nil : size
    }

    private func size(from first: Int, to start: Int) -> (size: Int, isAhead: Bool) {
        var target = start
        var isAhead = false
        try? forEachPiece(from: first) { piece in
            switch piece {
            case .old(let range):
                if target > range.lowerBound { isAhead = true }
                target += range.count
            case .new(let bytes): target += bytes.count
            }
        }
        return (target - start, isAhead)
    }

    /// What the pieces come to, in parts. Each is handed out before the next is read.
    private func forEachPart(
        from first: Int, before last: Int = .max, _ file: borrowing Descriptor,
        _ body: ([UInt8]) throws(SystemError) -> Void
    ) throws(SystemError) {
        var output: [UInt8] = []
        try forEachPiece(from: first, to: last) { piece throws(SystemError) in
            switch piece {
            case .new(let bytes): output += bytes
            case .old(let range):
                var position = range.lowerBound
                while position < range.upperBound {
                    let part = try file.read(upTo: min(Self.chunk, range.upperBound - position), at: position)
                    if part.isEmpty { throw SystemError("read", .inputOutput, "mbox") }
                    position += part.count
                    output += part
                    if output.count >= Self.chunk {
                        try body(output)
                        output.removeAll(keepingCapacity: true)
                    }
                }
            }
        }
        if !output.isEmpty { try body(output) }
    }

    /// Writes the pieces at `start`; the end of what it wrote. What it reads lies behind what it writes, or apart from it.
    @discardableResult
    private func write(
        from first: Int, before last: Int = .max, to start: Int, _ file: borrowing Descriptor
    ) throws(SystemError) -> Int {
        var target = start
        try forEachPart(from: first, before: last, file) { part throws(SystemError) in
            try file.write(part, at: target)
            target += part.count
        }
        return target
    }

    /// False where there was no room.
    private func moveByCopy(from first: Int, to start: Int, _ file: borrowing Descriptor) throws(SystemError)
        -> Bool
    {
        let count = size(from: first, to: start).size
        if count > 0 {
            var sum = CRC32C()
            try forEachPart(from: first, file) { part throws(SystemError) in sum.update(part[...]) }
            let move = MboxMove(
                inode: inode, start: start, old: index.size, count: count, checksum: sum.value)
            let hasBegun = try begin(file) { () throws(SystemError) in
                _ = try journal?.tell(move)
                try move.makeRoom(file)
                try write(from: first, to: move.copy, file)
                try insisting { () throws(SystemError) in try file.synchronize() }
            }
            guard hasBegun else { return false }
            // From here on there is only one way; what fails is mended by the next look.
            do throws(SystemError) { try move.finish(file) } catch { throw error.withoutRoom() }
        }
        do throws(SystemError) {
            try insisting { () throws(SystemError) in try file.truncate(to: start + count) }
        } catch { throw error.withoutRoom() }
        return true
    }

    /// Fills a range with empty lines.
    static func fill(_ range: Range<Int>, _ file: borrowing Descriptor) throws(SystemError) {
        var position = range.lowerBound
        while position < range.upperBound {
            let count = min(chunk, range.upperBound - position)
            try file.write([UInt8](repeating: .lf, count: count), at: position)
            position += count
        }
    }

    /// Writes a copy in its place, durably; the two lie apart.
    static func put(
        _ copy: Range<Int>, at target: Int, _ file: borrowing Descriptor
    ) throws(SystemError) {
        var position = copy.lowerBound
        while position < copy.upperBound {
            let part = try file.read(upTo: min(chunk, copy.upperBound - position), at: position)
            if part.isEmpty { throw SystemError("read", .inputOutput, "mbox") }
            try file.write(part, at: target + position - copy.lowerBound)
            position += part.count
        }
        try insisting { () throws(SystemError) in try file.synchronize() }
    }

    // MARK: In parts

    /// Where messages will begin, and how long a part may be.
    private struct Parts {
        /// Of each message that moves, and behind them the file's end.
        var starts: [Int]
        var longest: Int
    }

    private static let longestPart = 1 << 26

    /// Nil where a message moves down, or there is no room for that, either.
    private func parts(from first: Int) -> Parts? {
        guard let room, removing.isEmpty else { return nil }
        var parts = Parts(starts: [index.messages[first].start], longest: 0)
        for number in first..<index.messages.count {
            guard parts.starts[number - first] >= index.messages[number].start else { return nil }
            var size = 0
            try? forEachPiece(from: number, to: number + 1) { piece in
                switch piece {
                case .old(let range): size += range.count
                case .new(let bytes): size += bytes.count
                }
            }
            parts.longest = max(parts.longest, size)
            parts.starts.append(parts.starts[number - first] + size)
        }
        let left = room - (parts.starts[parts.starts.count - 1] - index.size)
        guard left >= parts.longest else { return nil }
        parts.longest = max(parts.longest, min(left / 2, Self.longestPart))
        return parts
    }

    /// Writes a part behind the end that the file will have, and then in its place, over what it was: of each message that is
    /// not yet in its place there is always the other copy. What is left of the front of a part's old text ends with a line
    /// end until the part before it is written over it.
    private func moveUp(
        from first: Int, _ parts: Parts, _ file: borrowing Descriptor
    ) throws(SystemError) -> Bool {
        let end = parts.starts[parts.starts.count - 1]
        // What all of it needs, before anything is changed.
        let hasBegun = try begin(file) { () throws(SystemError) in
            try Self.fill(index.size..<end + parts.longest, file)
        }
        guard hasBegun else { return false }
        var last = index.messages.count
        while last > first {
            var next = last - 1
            while next > first, parts.starts[last - first] - parts.starts[next - 1 - first] <= parts.longest {
                next -= 1
            }
            let target = parts.starts[next - first]
            let copied = try write(from: next, before: last, to: end, file)
            try insisting { () throws(SystemError) in try file.synchronize() }
            if target > index.messages[next].start { try file.write([.lf], at: target - 1) }
            try Self.put(end..<copied, at: target, file)
            last = next
        }
        try insisting { () throws(SystemError) in try file.truncate(to: end) }
        return true
    }
}

/// Once more where it failed: what it would leave half done nobody else would finish.
func insisting(_ body: () throws(SystemError) -> Void) throws(SystemError) {
    do throws(SystemError) { try body() } catch { try body() }
}

extension SystemError {
    /// The same, where nothing can be done about it by doing with less.
    func withoutRoom() -> SystemError {
        isForWantOfRoom ? SystemError("write", .inputOutput, object) : self
    }
}
