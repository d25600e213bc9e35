import Bytes
package import Unix

/// Puts one message into the queue: S0 to S3 of queue(5).
///
/// A small message is gathered in memory and written by one call; a large one goes to the unnamed file as it
/// comes. Until `commit` returns, no name leads to a whole file, and whoever dies leaves nothing that counts.
package final class Injection {
    package let id: MessageID
    private let arrival: Time
    private let bootID: String
    private let envelope: Envelope
    private let directory: Directory
    private let file: Descriptor
    private var isNamed: Bool
    private var isCommitted = false

    /// Head and content not yet written to the file.
    private var gathered: [UInt8]
    private let headSize: Int
    private var written = 0
    private var contentLength = 0
    private var top: [UInt8] = []
    private var contentCRC = CRC32C()
    private var lastByte: UInt8 = .lf

    private static let gatherLimit = 1 << 17
    /// Most messages are smaller.
    private static let usualSize = 1 << 13

    /// Begins a message in the queue at `queue`. `id` is given where a repeated step must meet its own trace.
    /// `blank`: of the same queue, where one is ready.
    package init(
        queue: String, envelope: Envelope, id: MessageID? = nil, arrival: Time = .now(),
        blank: consuming Blank? = nil
    ) throws(QueueError) {
        guard envelope.isStorable else { throw .envelope }
        let id = id ?? MessageID.new(at: arrival)
        var blank = blank
        if blank == nil { blank = try Blank.make(in: queue) }
        if let blank {
            bootID = blank.bootID
            directory = blank.directory
            file = blank.file
            isNamed = false
        } else {
            do throws(SystemError) {
                bootID = try Host.bootID()
                directory = try Directory(searching: "\(queue)/incoming")
                file = try Self.createNamed(id.text, in: directory)
            } catch {
                if error.call == "open", error.code == .exists { throw .exists }
                throw .inject(error)
            }
            isNamed = true
        }
        self.id = id
        self.arrival = arrival
        self.envelope = envelope
        let head = MessageHead(id: id, arrival: arrival, bootID: bootID, contentLength: 0, envelope: envelope)
        gathered = head.encoded
        headSize = gathered.count
        gathered.reserveCapacity(Self.usualSize)
    }

    deinit {
        guard isNamed, !isCommitted else { return }
        // What keeps its name must not keep its trailer.
        if (try? directory.removeIfPresent(id.text)) == nil { try? file.truncate(to: 0) }
    }

    /// Without unnamed files the runner can come between creation and lock and take the file for a dead one.
    private static func createNamed(
        _ name: String, in directory: borrowing Directory
    ) throws(SystemError) -> Descriptor {
        for _ in 0..<100 {
            let file = try directory.open(name, .createNew(mode: 0o660))
            do throws(SystemError) {
                try file.lock()
                guard try file.status().links == 1 else { continue }
                try file.setMode(0o660)
                return file
            } catch {
                _ = try? directory.removeIfPresent(name)
                throw error
            }
        }
        throw SystemError("flock", .again, name)
    }

    /// Adds content; lines end in LF.
    package func append(_ content: [UInt8]) throws(QueueError) {
        guard !content.isEmpty else { return }
        let start = gathered.count
        gathered.append(run: content[...])
        contentCRC.update(gathered[start...])
        contentLength += content.count
        lastByte = gathered[gathered.count - 1]
        if gathered.count >= Self.gatherLimit {
            do throws(SystemError) { try writeGathered() } catch { throw .inject(error) }
        }
    }

    package func append(_ content: some Collection<UInt8>) throws(QueueError) { try append(Array(content)) }

    /// Header fields that are to stand on top of the message, above those that are there by now: what is known of it only
    /// when it is whole.
    package func putOnTop(_ fields: [UInt8]) {
        top = fields.isEmpty || fields.last == .lf ? fields + top : fields + [.lf] + top
    }

    private func writeGathered() throws(SystemError) {
        try file.write(gathered)
        written += gathered.count
        gathered.removeAll(keepingCapacity: true)
    }

    /// Makes the message durable and visible, lets it go, and wakes the runner that listens at `kick`. When
    /// this returns, the message is ours; when it throws, nothing of it is in the queue. `holding`: it goes to
    /// `hold/` before anybody else can have it; where that fails, it is as any other.
    package func commit(kick: String?, holding queue: String? = nil) throws(QueueError) {
        if lastByte != .lf { try append([.lf]) }
        do throws(SystemError) {
            try complete()
            if !isNamed {
                try directory.link(file, as: id.text)
                isNamed = true
            }
            try writeGathered()
            try file.synchronizeWithName()
            guard try file.status().links == 1 else { throw SystemError("fsync", .noEntry, id.text) }
            isCommitted = true
        } catch {
            if error.call == "link", error.code == .exists { throw .exists }
            throw .commit(error)
        }
        if let queue, let hold = try? Directory(searching: "\(queue)/hold") {
            try? directory.rename(id.text, to: hold, as: id.text)
        }
        // A failure here changes nothing: the lock goes with the file's last descriptor.
        try? file.unlock()
        if let kick { ServiceSocket.kick(kick, about: id.bytes) }
    }

    /// Puts the lengths into the head, and top and trailer behind the content.
    private func complete() throws(SystemError) {
        let head = MessageHead(
            id: id, arrival: arrival, bootID: bootID, contentLength: contentLength, topLength: top.count,
            envelope: envelope
        ).encoded
        if written == 0 {
            gathered.replaceSubrange(..<headSize, with: head)
        } else {
            try file.write(head, at: 0)
        }
        var headCRC = CRC32C()
        headCRC.update(head[...])
        gathered += top
        contentCRC.update(top[...])
        gathered +=
            MessageTrailer(
                id: id, contentLength: contentLength + top.count, headCRC: headCRC.value,
                contentCRC: contentCRC.value
            ).encoded
    }
}

/// A file for a message of which nothing is known yet: S0 of queue(5). Who will need one soon has it ready; one that is
/// dropped leaves nothing.
package struct Blank: ~Copyable {
    let bootID: String
    let directory: Directory
    /// Without a name, and locked.
    let file: Descriptor

    /// Nil where there are no unnamed files. `bootID`: Host's, if it was asked for already.
    package static func make(in queue: String, bootID: String? = nil) throws(QueueError) -> Blank? {
        try step(QueueError.inject) { () throws(SystemError) in
            let directory = try Directory(searching: "\(queue)/incoming")
            guard let file = try directory.openUnnamed(mode: 0o660) else { return nil }
            _ = try file.tryLock()
            // The runner reads and locks it by group, whatever this process's umask.
            try file.setMode(0o660)
            let boot = if let bootID { bootID } else { try Host.bootID() }
            return Blank(bootID: boot, directory: directory, file: file)
        }
    }
}
