import Bytes

/// Bytes that are read by position, in parts: some of our own, and stretches of open files, one behind the other as if
/// they were one text. Files are read by `pread` only, so that others can share them; who makes this keeps them open, or
/// names the object that does.
package struct Extents {
    private enum Piece {
        case bytes([UInt8])
        case file(CInt, offset: Int, owner: AnyObject?)
    }

    /// Each with where it begins in the text; none is empty.
    private var pieces: [(start: Int, piece: Piece)] = []
    /// How many bytes it is.
    package private(set) var count = 0

    package init() {}

    /// `count` bytes of a file, from `offset` on.
    package init(file: CInt, offset: Int = 0, count: Int, keeping owner: AnyObject? = nil) {
        append(file: file, offset: offset, count: count, keeping: owner)
    }

    package mutating func append(file: CInt, offset: Int, count: Int, keeping owner: AnyObject? = nil) {
        guard count > 0 else { return }
        pieces.append((self.count, .file(file, offset: offset, owner: owner)))
        self.count += count
    }

    package mutating func append(_ bytes: [UInt8]) {
        guard !bytes.isEmpty else { return }
        pieces.append((count, .bytes(bytes)))
        count += bytes.count
    }

    /// The same with bytes in front.
    package func behind(_ bytes: [UInt8]) -> Extents {
        var all = Extents()
        all.append(bytes)
        for (index, piece) in pieces.enumerated() { all.append(piece.piece, end(of: index) - piece.start) }
        return all
    }

    /// Without its first bytes.
    package func dropFirst(_ dropped: Int) -> Extents {
        var rest = Extents()
        for (index, (start, piece)) in pieces.enumerated() where end(of: index) > dropped {
            let skipped = max(0, dropped - start)
            switch piece {
            case .bytes(let bytes): rest.append(Array(bytes[skipped...]))
            case .file(let file, let offset, let owner):
                rest.append(
                    file: file, offset: offset + skipped, count: end(of: index) - start - skipped,
                    keeping: owner)
            }
        }
        return rest
    }

    /// Its first bytes, at most so many.
    package func prefix(_ most: Int) -> Extents {
        guard most < count else { return self }
        var front = Extents()
        for (index, (start, piece)) in pieces.enumerated() where start < most {
            let kept = min(end(of: index), most) - start
            switch piece {
            case .bytes(let bytes): front.append(Array(bytes.prefix(kept)))
            case .file(let file, let offset, let owner):
                front.append(file: file, offset: offset, count: kept, keeping: owner)
            }
        }
        return front
    }

    private mutating func append(_ piece: Piece, _ count: Int) {
        switch piece {
        case .bytes(let bytes): append(bytes)
        case .file(let file, let offset, let owner):
            append(file: file, offset: offset, count: count, keeping: owner)
        }
    }

    private func end(of index: Int) -> Int { index + 1 < pieces.count ? pieces[index + 1].start : count }

    /// The next bytes from `position` on, at most so many; empty at the end alone. A file that is shorter than was said
    /// is an error, never the end of the text (T82).
    package func part(at position: Int, upTo most: Int = 1 << 16) throws(SystemError) -> [UInt8] {
        guard let index = pieces.lastIndex(where: { $0.start <= position }), position < count else {
            return []
        }
        let (start, piece) = pieces[index]
        let wanted = min(most, end(of: index) - position)
        switch piece {
        case .bytes(let bytes): return Array(bytes[(position - start)...].prefix(wanted))
        case .file(let file, let offset, _):
            let part = try File.read(file, upTo: wanted, at: offset + position - start)
            guard !part.isEmpty else { throw SystemError("pread", .inputOutput, "message ends too early") }
            return part
        }
    }

    /// Exactly the bytes from `position` on, at most so many.
    package func bytes(at position: Int = 0, upTo most: Int) throws(SystemError) -> [UInt8] {
        var bytes = try part(at: position, upTo: most)
        while bytes.count < most, position + bytes.count < count {
            bytes += try part(at: position + bytes.count, upTo: most - bytes.count)
        }
        return bytes
    }

    /// Calls `body` with each part.
    package func forEachPart(_ body: ([UInt8]) throws(SystemError) -> Void) throws(SystemError) {
        try forEachPart(body) { $0 }
    }

    /// The same, where what is done with a part fails in another way.
    package func forEachPart<Failure: Error>(
        _ body: ([UInt8]) throws(Failure) -> Void, failing: (SystemError) -> Failure
    ) throws(Failure) {
        var position = 0
        while position < count {
            let part: [UInt8]
            do throws(SystemError) { part = try self.part(at: position) } catch { throw failing(error) }
            try body(part)
            position += part.count
        }
    }
}

extension Extents {
    /// The message on standard input in a file that can be read by position: stdin itself, or a copy without a name;
    /// not more than `limit`, for a pipe may have no end.
    package static func seekableInput(upTo limit: Int) throws(SystemError) -> Descriptor {
        let input = Descriptor(adopting: 0)
        if try input.status().kind == .regular, try input.position() == 0 { return input }
        let copy = try Directory("/tmp").openScratch()
        var size = 0
        while true {
            let part = try input.read(upTo: 65536)
            if part.isEmpty { return copy }
            size += part.count
            guard size <= limit else {
                throw SystemError("read", .fileTooLarge, "more than message-size-limit")
            }
            try copy.write(part)
        }
    }
}
