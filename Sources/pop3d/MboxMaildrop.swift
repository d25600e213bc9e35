import Bytes
import MailStore
import POP3
import Unix

/// An mbox as a POP3 maildrop: the messages that were there at login. Other programs may mark, move and remove them
/// meanwhile; each is told by its front and found again, or it is gone.
final class MboxMaildrop: Maildrop {
    private let mbox: Mbox
    private let lock: Descriptor
    private let identities: [MboxIdentity]
    private let output: ByteStream
    let sizes: [Int]
    /// Of the message's own text, so that they are the same in each session, whatever is removed and marked: two messages that
    /// are alike to the byte are in nobody's way when one goes. X-UID would not do: IMAP gives others when it must.
    private(set) lazy var uniqueIDs: [[UInt8]] = identities.map { $0.text }

    /// Fails with ENOENT where there is no mbox, with EAGAIN while another session has it.
    init(_ path: String, home: String, output: ByteStream) throws(SystemError) {
        self.output = output
        lock = try Self.openLock(path)
        guard try lock.tryLock() else { throw SystemError("flock", .again, path) }
        mbox = try Mbox(path, journal: .ofInbox(home: home))
        try mbox.refresh()
        identities = MboxIdentity.all(of: mbox.messages)
        sizes = mbox.messages.map { $0.wireSize }
    }

    /// Sessions exclude one another by flock, deliverers and readers by fcntl: the two do not meet.
    private static func openLock(_ path: String) throws(SystemError) -> Descriptor {
        let (parent, name) = Path.split(path)
        let directory = try Directory(parent)
        do throws(SystemError) { return try directory.open(name, .readWrite) } catch {
            guard error.isForWantOfRights else { throw error }
        }
        return try directory.open(name, .read)
    }

    private func find(_ number: Int, in mbox: Mbox) -> MboxIndex.Message? {
        identities[number - 1].find(in: mbox.messages, near: number - 1)
    }

    func open(_ number: Int) -> Bool {
        guard (try? mbox.refresh()) != nil, let message = find(number, in: mbox) else { return false }
        return message.wireSize == sizes[number - 1]
    }

    private static let chunk = 1 << 16

    func send(_ number: Int, bodyLines: Int?) -> Bool {
        var stuffed = StuffedLines(bodyLines: bodyLines)
        var offset = 0
        while !stuffed.isOver {
            guard let part = try? mbox.read(at: offset, count: Self.chunk, of: { find(number, in: $0) })
            else {
                return false
            }
            offset += part.count
            guard (try? output.write(stuffed.take(part))) != nil else { return false }
            if part.count < Self.chunk { break }
        }
        return (try? output.write(stuffed.end())) != nil
    }

    func remove(_ numbers: [Int]) -> Int {
        let wanted = Set(numbers.map { identities[$0 - 1] })
        do throws(SystemError) {
            try mbox.remove { messages in
                zip(messages.indices, MboxIdentity.all(of: messages)).filter { wanted.contains($1) }.map {
                    $0.0
                }
            }
            return 0
        } catch { return numbers.count }
    }
}
