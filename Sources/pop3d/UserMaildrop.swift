import Bytes
import MailStore
import POP3
import Unix

/// Why a maildrop cannot be had.
enum MaildropFailure: Error, Equatable {
    case locked
    case system(SystemError)
}

/// Opens what the configuration calls the user's mailbox.
enum UserMaildrop {
    static func open(_ path: String, output: ByteStream) throws(MaildropFailure) -> any Maildrop {
        do throws(SystemError) {
            return path.hasSuffix("/")
                ? try MaildirMaildrop(path, output: output) : try MboxMaildrop(path, output: output)
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

/// A Maildir as a POP3 maildrop: the files that were there at login, oldest first.
final class MaildirMaildrop: Maildrop {
    private let maildir: Maildir
    private let lock: Descriptor
    private let entries: [MaildirEntry]
    private let output: ByteStream
    private var current: Descriptor?
    let sizes: [Int]
    let uniqueIDs: [[UInt8]]

    /// Fails with ENOENT where there is no Maildir, with EAGAIN while another session has it.
    init(_ path: String, output: ByteStream) throws(SystemError) {
        self.output = output
        maildir = try Maildir(path)
        lock = try Path.openForLocking("\(path)relais-pop3.lock")
        guard try lock.tryLock() else { throw SystemError("flock", .again, path) }
        let found = try maildir.entries().sorted { $0.base.lexicographicallyPrecedes($1.base) }
        let readable = Self.measure(found, in: maildir)
        entries = readable.map { $0.entry }
        sizes = readable.map { $0.size }
        uniqueIDs = Self.uniqueIDs(entries)
    }

    /// The size of each message in octets on the wire: from its name, or by counting its line ends.
    private static func measure(_ entries: [MaildirEntry], in maildir: Maildir) -> [(
        entry: MaildirEntry, size: Int
    )] {
        entries.compactMap { entry in
            if let size = entry.wireSize { return (entry, size) }
            guard let file = try? maildir.open(entry) else { return nil }
            var lines = WireLines()
            var size = 0
            while let part = try? file.read(upTo: 65536), !part.isEmpty { size += lines.count(part) }
            return (entry, size)
        }
    }

    /// RFC 1939 §7: the unchanging part of the file's name; where that has strange bytes or is too long, its hash (T53).
    private static func uniqueIDs(_ entries: [MaildirEntry]) -> [[UInt8]] {
        entries.map { entry in
            let plain = Array(entry.base.prefix { $0 != .ascii(",") })
            if (1...70).contains(plain.count), plain.allSatisfy({ $0.isVisible }) { return plain }
            var hash: (UInt64, UInt64) = (0xCBF2_9CE4_8422_2325, 0x9E37_79B9_7F4A_7C15)
            for byte in entry.base {
                hash.0 = (hash.0 ^ UInt64(byte)) &* 0x100_0000_01B3
                hash.1 = (hash.1 &+ UInt64(byte)) &* 0xFF51_AFD7_ED55_8CCD ^ hash.1 >> 29
            }
            return Array("h\(String(hash.0, radix: 16)).\(String(hash.1, radix: 16))".utf8)
        }
    }

    func open(_ number: Int) -> Bool {
        current = nil
        do throws(SystemError) { current = try find(entries[number - 1], in: maildir) } catch { return false }
        return current != nil
    }

    /// The message under its name, or under the one that another program gave it since.
    private func find(_ entry: MaildirEntry, in maildir: Maildir) throws(SystemError) -> Descriptor? {
        if let file = try maildir.open(entry) { return file }
        guard let renamed = try maildir.entries(in: .cur).first(where: { $0.base == entry.base }) else {
            return nil
        }
        return try maildir.open(renamed)
    }

    func send(_ number: Int, bodyLines: Int?) -> Bool {
        var stuffed = StuffedLines(bodyLines: bodyLines)
        var offset = 0
        while !stuffed.isOver {
            guard let part = try? current?.read(upTo: 32768, at: offset) ?? [] else { return false }
            if part.isEmpty { break }
            offset += part.count
            guard (try? output.write(stuffed.take(part))) != nil else { return false }
        }
        return (try? output.write(stuffed.end())) != nil
    }

    func remove(_ numbers: [Int]) -> Int {
        var failed = 0
        for number in numbers {
            do throws(SystemError) {
                let entry = entries[number - 1]
                if try maildir.remove(entry) { continue }
                if let renamed = try maildir.entries(in: .cur).first(where: { $0.base == entry.base }) {
                    _ = try maildir.remove(renamed)
                }
            } catch { failed += 1 }
        }
        return failed
    }
}
