import Bytes
import MailStore
import POP3
import Unix

/// An mbox as a POP3 maildrop: the messages that were there at login. Other programs may mark, move and remove them
/// meanwhile; each is told by its front and found again, or it is gone.
final class MboxMaildrop: Maildrop {
    /// A message's fingerprint, and how many before it have the same.
    private struct Key: Hashable {
        let fingerprint: UInt64
        let earlier: Int
    }

    private let mbox: Mbox
    private let lock: Descriptor
    private let keys: [Key]
    private let output: ByteStream
    let sizes: [Int]
    var uniqueIDs: [[UInt8]] {
        keys.map { key in
            Array((String(key.fingerprint, radix: 16) + (key.earlier == 0 ? "" : ".\(key.earlier)")).utf8)
        }
    }

    /// Fails with ENOENT where there is no mbox, with EAGAIN while another session has it.
    init(_ path: String, output: ByteStream) throws(SystemError) {
        self.output = output
        let (parent, name) = Path.split(path)
        // Sessions exclude one another by flock, deliverers and readers by fcntl: the two do not meet.
        lock = try Directory(parent).open(name, .readWrite)
        guard try lock.tryLock() else { throw SystemError("flock", .again, path) }
        mbox = try Mbox(path)
        try mbox.refresh()
        keys = Self.keys(of: mbox.messages)
        sizes = mbox.messages.map { $0.wireSize }
    }

    private static func keys(of messages: ArraySlice<MboxIndex.Message>) -> [Key] {
        var seen: [UInt64: Int] = [:]
        return messages.map { message in
            let count = seen[message.fingerprint, default: 0]
            seen[message.fingerprint] = count + 1
            return Key(fingerprint: message.fingerprint, earlier: count)
        }
    }

    /// Where the message is now: where it was, if nobody has touched what is before it.
    private func find(_ number: Int, in mbox: Mbox) -> MboxIndex.Message? {
        let (key, messages) = (keys[number - 1], mbox.messages)
        let index = messages.startIndex + number - 1
        if key.earlier == 0, messages.indices.contains(index), messages[index].fingerprint == key.fingerprint
        {
            return messages[index]
        }
        return messages.filter { $0.fingerprint == key.fingerprint }.dropFirst(key.earlier).first
    }

    func open(_ number: Int) -> Bool {
        guard (try? mbox.refresh()) != nil, let message = find(number, in: mbox) else { return false }
        return message.wireSize == sizes[number - 1]
    }

    func send(_ number: Int, bodyLines: Int?) -> Bool {
        var stuffed = StuffedLines(bodyLines: bodyLines)
        var offset = 0
        while !stuffed.isOver {
            guard let part = try? mbox.read(at: offset, count: 32768, of: { find(number, in: $0) }) else {
                return false
            }
            if part.isEmpty { break }
            offset += part.count
            guard (try? output.write(stuffed.take(part))) != nil else { return false }
        }
        return (try? output.write(stuffed.end())) != nil
    }

    func remove(_ numbers: [Int]) -> Int {
        let wanted = Set(numbers.map { keys[$0 - 1] })
        do throws(SystemError) {
            try mbox.remove { messages in
                zip(messages.indices, Self.keys(of: messages)).filter { wanted.contains($1) }.map { $0.0 }
            }
            return 0
        } catch { return numbers.count }
    }
}
