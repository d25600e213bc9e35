import Bytes
package import Mail
package import Unix

/// Delivery into a Maildir, many messages at a time: each is written without a name (or in tmp/), then all
/// are made durable, then they get their names in new/, then the names are made durable. A crash leaves
/// whole messages or nothing; what was in tmp/ is forgotten by whoever cleans it (36 hours, by custom).
package final class MaildirDelivery {
    private let tmp: Directory
    private let new: Directory
    private let cur: Directory
    private let host: String
    private var staged: [Staged] = []
    private var random = Randomness()
    private var deliveries = 0
    /// So many of what is staged have durable contents.
    private var durableCount = 0

    private final class Staged {
        let file: Descriptor
        let name: String
        /// Whether it stands in tmp/ under `temporaryName`, or has no name yet.
        let temporaryName: String?
        /// Known to a reader already: it goes to cur/, flags in its name.
        let isRead: Bool
        /// The name is this delivery's alone: what has it already is an earlier attempt's.
        let isRepeatable: Bool
        var isRevealed = false

        init(
            _ file: consuming Descriptor, name: String, temporaryName: String?, isRead: Bool,
            isRepeatable: Bool
        ) {
            self.isRead = isRead
            self.isRepeatable = isRepeatable
            self.file = file
            self.name = name
            self.temporaryName = temporaryName
        }
    }

    /// Opens the Maildir at `path`, and makes it if it is missing. Its own directories are never followed
    /// as links (T55): `path` itself may be one, its owner's.
    package init(_ path: String, host: String) throws(SystemError) {
        let root = try Self.openOrMake(path)
        for name in ["tmp", "new", "cur"] { try root.makeDirectory(name, mode: 0o700) }
        tmp = try Directory("tmp", in: root)
        new = try Directory("new", in: root)
        cur = try Directory("cur", in: root)
        self.host = Self.escaped(host: host)
    }

    /// As it may stand in a file's name.
    static func escaped(host: String) -> String {
        String(
            decoding: host.utf8.flatMap { byte -> [UInt8] in
                switch byte {
                case .ascii("/"): [UInt8](#"\057"#)
                case .ascii(":"): [UInt8](#"\072"#)
                default: byte.isVisible ? [byte] : []
                }
            }, as: UTF8.self)
    }

    deinit {
        for message in staged {
            if let temporaryName = message.temporaryName { _ = try? tmp.removeIfPresent(temporaryName) }
        }
    }

    private static func openOrMake(_ path: String) throws(SystemError) -> Directory {
        do throws(SystemError) { return try Directory(path) } catch {
            guard error.code == .noEntry else { throw error }
        }
        let trimmed = path.utf8.last == .ascii("/") ? String(path.dropLast()) : path
        let (parent, name) = Path.split(trimmed)
        try Directory(parent).makeDirectory(name, mode: 0o700)
        return try Directory(path)
    }

    /// Writes a message, for nobody to see yet; its number for `commit`. A reader's own message (APPEND, COPY)
    /// has its flags, and the date that its file is to bear. A `mark` is this delivery's own,
    /// at every attempt: one that was made durable, but never reported, is then met again and not repeated.
    package func stage(
        _ message: Extents, mark: String? = nil, flags: MessageFlags? = nil, date: Time? = nil
    ) throws(SystemError) -> Int {
        let unique = MaildirFile.uniqueBase(host: host, delivery: deliveries, random: &random)
        deliveries += 1
        let unnamed = try tmp.openUnnamed(mode: 0o600)
        let temporaryName = unnamed == nil ? unique : nil
        let file = if let unnamed { unnamed } else { try tmp.open(unique, .createNew(mode: 0o600)) }
        var size = 0
        var wireSize = 0
        var lines = WireLines()
        do throws(SystemError) {
            try message.forEachPart { part throws(SystemError) in
                try file.write(part)
                size += part.count
                wireSize += lines.count(part[...])
            }
        } catch {
            if let temporaryName { _ = try? tmp.removeIfPresent(temporaryName) }
            throw error
        }
        // S: bytes; W: bytes with CRLF line ends, which is what POP3 and IMAP tell.
        var name = "\(mark.map { "\($0).relais" } ?? unique),S=\(size),W=\(wireSize)"
        if let flags { name += ":2," + String(decoding: MaildirFile.letters(flags), as: UTF8.self) }
        if let date { try file.setModified(date) }
        staged.append(
            Staged(
                file, name: name, temporaryName: temporaryName, isRead: flags != nil,
                isRepeatable: mark != nil))
        return staged.count - 1
    }

    /// What a UID list knows the staged messages by.
    package var stagedBases: [MaildirBase] { staged.map { MaildirFile(.cur, Array($0.name.utf8)).base } }

    /// Makes everything staged durable and visible; per message, by its number, what failed. A message that
    /// failed is not there; `together`: nor is any other then.
    package func commit(together: Bool = false) -> [SystemError?] {
        defer {
            staged.removeAll()
            durableCount = 0
        }
        guard !staged.isEmpty else { return [] }
        do throws(SystemError) { try synchronizeContents() } catch { return giveUp(error) }
        var results: [SystemError?] = []
        for message in staged {
            do throws(SystemError) {
                try reveal(message)
                results.append(nil)
            } catch {
                if together { return giveUp(error) }
                results.append(error)
            }
        }
        do throws(SystemError) {
            if staged.contains(where: { !$0.isRead }) { try new.synchronize() }
            if staged.contains(where: { $0.isRead }) { try cur.synchronize() }
            // The Maildir itself may be new.
            try new.descriptor.keepOrderOfNames()
        } catch { return giveUp(error) }
        return results
    }

    /// From this many files on, one flush of the filesystem costs less than one for each.
    private static let fewFiles = 4

    /// Makes the contents durable: what `commit` begins with, for who has to be done with it before a lock.
    package func synchronizeContents() throws(SystemError) {
        let rest = staged[durableCount...]
        guard let first = rest.first else { return }
        let isAllAtOnce = rest.count > Self.fewFiles ? try first.file.synchronizeFilesystem() : false
        if !isAllAtOnce {
            for message in rest { try message.file.synchronize() }
        }
        durableCount = staged.count
    }

    private func reveal(_ message: Staged) throws(SystemError) {
        do throws(SystemError) {
            if message.isRead { try reveal(message, in: cur) } else { try reveal(message, in: new) }
            message.isRevealed = true
        } catch {
            // Where it has no name nothing is left of it.
            if let temporaryName = message.temporaryName { _ = try? tmp.removeIfPresent(temporaryName) }
            guard message.isRepeatable, error.code == .exists else { throw error }
        }
    }

    private func reveal(_ message: Staged, in half: borrowing Directory) throws(SystemError) {
        if let temporaryName = message.temporaryName {
            try tmp.rename(temporaryName, to: half, as: message.name)
        } else {
            try half.link(message.file, as: message.name)
        }
    }

    /// Takes back whatever can be taken back.
    private func giveUp(_ failure: SystemError) -> [SystemError?] {
        for message in staged {
            if message.isRevealed {
                _ =
                    try? message.isRead
                    ? cur.removeIfPresent(message.name) : new.removeIfPresent(message.name)
            } else if let temporaryName = message.temporaryName {
                _ = try? tmp.removeIfPresent(temporaryName)
            }
        }
        return staged.map { _ in failure }
    }
}
