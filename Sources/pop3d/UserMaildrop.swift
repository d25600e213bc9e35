import Bytes
import MailStore
import POP3
import Unix

/// Why a maildrop cannot be had.
enum MaildropFailure: Error, Equatable, CustomStringConvertible {
    case locked
    case system(SystemError)

    var description: String {
        switch self {
        case .locked: "another session or program has it locked"
        case .system(let error): error.description
        }
    }
}

/// Opens what the configuration calls the user's mailbox.
enum UserMaildrop {
    static func open(_ path: String, home: String, output: ByteStream) throws(MaildropFailure) -> any Maildrop
    {
        do throws(SystemError) {
            return path.hasSuffix("/")
                ? try MaildirMaildrop(path, output: output)
                : try MboxMaildrop(path, home: home, output: output)
        } catch {
            switch error.code {
            case .noEntry: return EmptyMaildrop()
            case .again: throw .locked
            default: throw .system(error)
            }
        }
    }
}

/// Where no mail ever came.
final class EmptyMaildrop: Maildrop {
    let sizes: [Int] = []
    let uniqueIDs: [[UInt8]] = []
    func open(_ number: Int) -> Bool { false }
    func send(_ number: Int, bodyLines: Int?) -> Bool { false }
    func remove(_ numbers: [Int]) -> Int { 0 }
}

/// A Maildir as a POP3 maildrop: the files that were there at login, oldest first. Their names may change meanwhile, and files
/// may go: each is known by its base.
final class MaildirMaildrop: Maildrop {
    private let maildrop: POP3Maildir
    private let lock: Descriptor
    private let output: ByteStream
    private var current: Descriptor?
    private(set) var sizes: [Int]
    private(set) lazy var uniqueIDs: [[UInt8]] = maildrop.messages.map { $0.uniqueID }

    /// A session that has just said goodbye may not have let go yet.
    private static let patience = Duration.milliseconds(500)

    /// Fails with ENOENT where there is no Maildir, with EAGAIN while another session has it.
    init(_ path: String, output: ByteStream) throws(SystemError) {
        self.output = output
        maildrop = try POP3Maildir(path)
        lock = try Self.openLock(path)
        let deadline = Deadline.after(Self.patience)
        while try !lock.tryLock() {
            guard !deadline.hasPassed else { throw SystemError("flock", .again, path) }
            pause(.milliseconds(10))
        }
        try maildrop.look()
        sizes = maildrop.messages.map { $0.size }
    }

    /// Where no file can be made, `cur` is what sessions exclude one another by.
    private static func openLock(_ path: String) throws(SystemError) -> Descriptor {
        do throws(SystemError) { return try Path.openForLocking("\(path)relais-pop3.lock") } catch {
            guard error.isForWantOfRoom || error.isForWantOfRights else { throw error }
        }
        return try Path.openForReading("\(path)cur")
    }

    func open(_ number: Int) -> Bool {
        current = nil
        do throws(SystemError) { current = try maildrop.open(number - 1) } catch { return false }
        // Somebody may have written into it.
        sizes[number - 1] = maildrop.messages[number - 1].size
        return current != nil
    }

    private static let chunk = 1 << 16

    func send(_ number: Int, bodyLines: Int?) -> Bool {
        var stuffed = StuffedLines(bodyLines: bodyLines)
        var offset = 0
        while !stuffed.isOver {
            guard let part = try? current?.read(upTo: Self.chunk, at: offset) ?? [] else { return false }
            offset += part.count
            guard (try? output.write(stuffed.take(part))) != nil else { return false }
            if part.count < Self.chunk { break }
        }
        return (try? output.write(stuffed.end())) != nil
    }

    func remove(_ numbers: [Int]) -> Int { maildrop.remove(numbers.map { $0 - 1 }) }
}
