import Bytes
package import Unix

/// A message that this process has locked: nobody else delivers, moves or removes it until it is closed.
package final class ClaimedMessage {
    package let id: MessageID
    package let head: MessageHead
    /// Where the content begins in the file.
    package let contentOffset: Int
    /// Who injected it: the file's owner, never what the head says.
    package let injector: UInt32
    package let inode: UInt64
    package internal(set) var place: Place
    /// Its lock must not travel: deliverers get a file opened anew.
    private let file: Descriptor

    package var envelope: Envelope { head.envelope }
    package var arrival: Time { head.arrival }

    init(
        head: MessageHead, contentOffset: Int, status: FileStatus, place: Place, file: consuming Descriptor
    ) {
        id = head.id
        self.head = head
        self.contentOffset = contentOffset
        injector = status.user
        inode = status.inode
        self.place = place
        self.file = file
    }

    #if DEBUG
        // The last close lets go of the lock, and nobody else has the file: what runs children waits for their end. Tests run
        // beside others that do not, whose child has the file open between its fork and its exec.
        deinit { try? file.unlock() }
    #endif

    /// The message: what stands on top of it, and its content.
    package var text: Extents { head.text(of: file.raw, contentOffset: contentOffset) }

    /// The same in the order in which the file has it.
    var stored: Extents { Extents(file: file.raw, offset: contentOffset, count: head.length) }

    /// At most `limit` bytes of it, from its beginning.
    package func front(upTo limit: Int) throws(QueueError) -> [UInt8] {
        try step(QueueError.claim) { () throws(SystemError) in try text.bytes(upTo: limit) }
    }

    /// Calls `body` with it part by part, to its end or up to `limit` bytes.
    package func forEachPart(
        upTo limit: Int = .max, _ body: ([UInt8]) throws(QueueError) -> Void
    ) throws(QueueError) {
        try text.prefix(limit).forEachPart(body) { .claim($0) }
    }

    /// Makes its name durable, and those that changed before it.
    package func synchronize() throws(QueueError) {
        do throws(SystemError) { try file.synchronizeWithName() } catch { throw .claim(error) }
    }
}

extension MessageHead {
    /// The message in the file that this is the head of; in that, the top stands behind the content.
    package func text(of file: CInt, contentOffset: Int) -> Extents {
        var text = Extents()
        text.append(file: file, offset: contentOffset + contentLength, count: topLength)
        text.append(file: file, offset: contentOffset, count: contentLength)
        return text
    }
}

/// What came of trying to claim a name.
package enum Claim {
    case claimed(ClaimedMessage)
    /// Somebody has it locked: its injector, or another runner. Since when, by the file's change time.
    case busy(since: Time)
    /// The name leads to nothing any more.
    case gone
    /// No valid trailer and nobody writing: never acknowledged. Since when.
    case unfinished(since: Time)
    /// Not what an injector of ours makes, or damaged: to be set aside.
    case invalid(reason: String)
}
