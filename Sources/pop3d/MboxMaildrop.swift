import Bytes
import MailStore
import POP3
import Unix

/// An mbox as a POP3 maildrop.
final class MboxMaildrop: Maildrop {
    private let path: String
    private let file: Descriptor
    private let lock: Descriptor
    private let index: MboxIndex
    private let output: ByteStream
    let sizes: [Int]
    let uniqueIDs: [[UInt8]]

    /// Fails with ENOENT where there is no mbox, with EAGAIN while another session has it.
    init(_ path: String, output: ByteStream) throws(SystemError) {
        self.path = path
        self.output = output
        let (parent, name) = Path.split(path)
        let directory = try Directory(parent)
        file = try directory.open(name, .readWrite)
        guard try file.status().kind == .regular else { throw SystemError("open", .invalid, path) }
        // Sessions exclude one another by flock, deliverers and rewriters by fcntl: the two do not meet.
        lock = try directory.open(name, .readWrite)
        guard try lock.tryLock() else { throw SystemError("flock", .again, path) }
        index = try MboxIndex(file)
        sizes = index.messages.map(\.wireSize)
        uniqueIDs = Self.uniqueIDs(index)
    }

    /// A message's fingerprint; of equal ones the later get a number behind it.
    private static func uniqueIDs(_ index: MboxIndex) -> [[UInt8]] {
        var seen: [UInt64: Int] = [:]
        return index.messages.map { message in
            let count = seen[message.fingerprint, default: 0]
            seen[message.fingerprint] = count + 1
            return Array((String(message.fingerprint, radix: 16) + (count == 0 ? "" : ".\(count)")).utf8)
        }
    }

    func open(_ number: Int) -> Bool { true }

    func send(_ number: Int, bodyLines: Int?) -> Bool {
        let message = index.messages[number - 1]
        var stuffed = StuffedLines(bodyLines: bodyLines)
        var offset = message.header
        do {
            while !stuffed.isOver, offset < message.end {
                let part = try file.read(upTo: min(32768, message.end - offset), at: offset)
                if part.isEmpty { break }
                offset += part.count
                try output.write(stuffed.take(part))
            }
            try output.write(stuffed.end())
            return true
        } catch { return false }
    }

    func remove(_ numbers: [Int]) -> Int {
        do throws(MboxRewrite.Failure) {
            try MboxRewrite.remove(Set(numbers.map { $0 - 1 }), of: index, from: file, at: path)
            return 0
        } catch { return numbers.count }
    }
}
