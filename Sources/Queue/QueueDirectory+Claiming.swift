import Bytes
package import Unix

extension QueueDirectory {
    /// Locks a message and checks that it is what an injector of ours makes: its content, too, where a power cut
    /// may have come since, or `thoroughly`.
    package func claim(
        _ id: MessageID, in place: Place, thoroughly: Bool = false
    ) throws(QueueError) -> Claim {
        do throws(SystemError) {
            return try withDirectory(place) { directory throws(SystemError) in
                guard let file = try directory.openIfPresent(id.text, .readWrite) else { return .gone }
                let before = try file.status()
                guard before.kind == .regular else { return .invalid(reason: "is not a regular file") }
                guard try file.tryLock() else { return .busy(since: before.changed) }
                // Between open and lock the name may have been moved, and the file grown.
                var status = try file.status()
                guard let named = try directory.status(of: id.text), named.isSameFile(as: status) else {
                    return .gone
                }
                if status.links == 2 {
                    if try endInterruptedMove(of: id, in: place, status) == .ours { return .gone }
                    status = try file.status()
                }
                switch try examine(file, status, id, thoroughly: thoroughly) {
                case .unfinished: return .unfinished(since: status.changed)
                case .invalid(let reason): return .invalid(reason: reason)
                case .sound(let head, let contentOffset):
                    return .claimed(
                        ClaimedMessage(
                            head: head, contentOffset: contentOffset, status: status, place: place, file: file
                        ))
                }
            }
        } catch {
            switch error.code {
            case .noEntry: return .gone
            case .tooManyLinks: return .invalid(reason: "is a symbolic link")
            // ENXIO: a socket. EISDIR: a directory opened for writing.
            case .isDirectory, .noSuchDevice: return .invalid(reason: "is not a regular file")
            case .accessDenied where error.object.hasSuffix(id.text):
                return .invalid(reason: "cannot be read by the runner")
            default: throw .claim(error)
            }
        }
    }

    /// Which of two names went.
    private enum Removed { case ours, other, none }

    /// Where a move is made of link and unlink a crash can leave both names. Whoever has the lock keeps the one
    /// that it came by, but for the trash: what is in it, and elsewhere, is mail.
    private func endInterruptedMove(
        of id: MessageID, in place: Place, _ status: FileStatus
    ) throws(SystemError) -> Removed {
        guard let other = try otherName(of: id, in: place, status) else { return .none }
        try withDirectory(place.isTrash ? place : other) { directory throws(SystemError) in
            try directory.remove(id.text)
        }
        return place.isTrash ? .ours : .other
    }

    /// Where else a message is named, if a move was cut short.
    func otherName(of id: MessageID, in place: Place) throws(QueueError) -> Place? {
        try step(QueueError.scan) { () throws(SystemError) in
            let status = try? withDirectory(place) { directory throws(SystemError) in
                try directory.status(of: id.text)
            }
            guard let status = status ?? nil, status.links == 2 else { return nil }
            return try otherName(of: id, in: place, status)
        }
    }

    private func otherName(
        of id: MessageID, in place: Place, _ status: FileStatus
    ) throws(SystemError) -> Place? {
        let places: [Place]
        do throws(QueueError) { places = try allPlaces() } catch {
            throw error.cause ?? SystemError("open", .inputOutput, path)
        }
        var failure: SystemError?
        for other in places where other != place {
            do throws(SystemError) {
                if try isNamed(id, in: other, status) { return other }
            } catch { failure = error }
        }
        if let failure { throw failure }
        return nil
    }

    private func isNamed(
        _ id: MessageID, in place: Place, _ status: FileStatus
    ) throws(SystemError) -> Bool {
        do throws(SystemError) {
            return try withDirectory(place) { directory throws(SystemError) in
                try directory.status(of: id.text)?.isSameFile(as: status) ?? false
            }
        } catch {
            // A bucket that went meanwhile.
            guard error.code == .noEntry else { throw error }
            return false
        }
    }

    /// What a file turned out to be.
    enum Soundness {
        case sound(MessageHead, contentOffset: Int)
        /// No valid trailer: never acknowledged, if nobody is writing it.
        case unfinished
        case invalid(reason: String)
    }

    /// Looks at a file as if everything in it were hostile.
    func examine(
        _ file: borrowing Descriptor, _ status: FileStatus, _ id: MessageID, thoroughly: Bool
    ) throws(SystemError) -> Soundness {
        guard status.kind == .regular else { return .invalid(reason: "is not a regular file") }
        guard status.links == 1 else { return .invalid(reason: "has \(status.links) links") }
        let trailerOffset = status.size - MessageTrailer.size
        guard trailerOffset > 0,
            let trailer = MessageTrailer(try file.read(upTo: MessageTrailer.size, at: trailerOffset)),
            trailer.id == id
        else { return .unfinished }
        let headSize = trailerOffset - trailer.contentLength
        guard headSize > 0, headSize <= MessageHead.longest else {
            return .invalid(reason: "has a trailer whose length does not fit")
        }
        guard let head = try readHead(file, headSize), head.id == id,
            head.length == trailer.contentLength
        else { return .invalid(reason: "has a damaged head") }
        if thoroughly || head.bootID != bootID {
            guard try hasCRCs(trailer, file, headSize, trailerOffset) else {
                return .invalid(reason: "does not have the CRC that its trailer tells")
            }
        }
        return .sound(head, contentOffset: headSize)
    }

    /// The head, if it is one and ends exactly where the content begins.
    private func readHead(_ file: borrowing Descriptor, _ size: Int) throws(SystemError) -> MessageHead? {
        let bytes = try readExactly(file, size, at: 0)
        do throws(SyntaxError) {
            guard let (head, parsed) = try MessageHead.parse(bytes), parsed == size else { return nil }
            return head
        } catch { return nil }
    }

    func readExactly(
        _ file: borrowing Descriptor, _ count: Int, at offset: Int
    ) throws(SystemError) -> [UInt8] {
        var bytes: [UInt8] = []
        while bytes.count < count {
            let part = try file.read(upTo: count - bytes.count, at: offset + bytes.count)
            if part.isEmpty { break }
            bytes += part
        }
        return bytes
    }

    private func hasCRCs(
        _ trailer: MessageTrailer, _ file: borrowing Descriptor, _ headSize: Int, _ end: Int
    ) throws(SystemError) -> Bool {
        var head = CRC32C()
        head.update(try readExactly(file, headSize, at: 0)[...])
        guard head.value == trailer.headCRC else { return false }
        var content = CRC32C()
        var offset = headSize
        while offset < end {
            let part = try file.read(upTo: min(1 << 16, end - offset), at: offset)
            if part.isEmpty { return false }
            content.update(part[...])
            offset += part.count
        }
        return content.value == trailer.contentCRC
    }

    /// The message's file opened anew, for reading only: what may be handed to a deliverer.
    package func openForDelivery(_ message: ClaimedMessage) throws(QueueError) -> Descriptor {
        try step(QueueError.claim) { () throws(SystemError) in
            let file = try openAnew(message)
            guard try file.status().inode == message.inode else {
                throw SystemError("open", .noEntry, message.id.text)
            }
            return file
        }
    }

    private func openAnew(_ message: ClaimedMessage) throws(SystemError) -> Descriptor {
        try withDirectory(message.place) { directory throws(SystemError) in
            try directory.open(message.id.text, .read)
        }
    }
}
