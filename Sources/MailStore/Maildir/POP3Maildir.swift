import Bytes
package import Unix

/// A Maildir as POP3 shows it: a list fixed by one look, each message under a unique-id that it keeps for ever (RFC 1939 §7).
/// No UID list is made for it.
package final class POP3Maildir {
    package struct Message {
        fileprivate var file: MaildirFile
        fileprivate let isTwin: Bool
        package fileprivate(set) var size: Int
        package var uniqueID: [UInt8] { POP3Maildir.uniqueID(of: file, isTwin: isTwin) }
    }

    private let path: String
    private let maildir: Maildir
    private let sizes: KnownSizes
    package private(set) var messages: [Message] = []
    /// Other names of files that are listed.
    private var links: [MaildirFile] = []

    package init(_ path: String) throws(SystemError) {
        self.path = path
        maildir = try Maildir(path)
        sizes = KnownSizes(maildir)
    }

    deinit { sizes.keep(messages.lazy.map { $0.file }) }

    /// Lists what is there, oldest first. Two files that would have one unique-id get two, durably.
    package func look() throws(SystemError) {
        var files = MaildirFile.inOrder(try maildir.files())
        var twins: Set<MaildirBase> = []
        if Self.mayHaveTwins(files) {
            var scan = MaildirScan(files)
            do throws(SystemError) {
                scan = try separated()
                links = scan.strays
            } catch {
                // Names that cannot be changed: the whole of one tells them apart.
                guard error.isForWantOfRoom || error.isForWantOfRights else { throw error }
                twins = Set(Self.twins(scan.files).map { $0.base })
            }
            files = MaildirFile.inOrder(scan.files)
        }
        messages.reserveCapacity(files.count)
        for file in files {
            // What cannot be read is not listed.
            guard let size = try? sizes.size(of: file) else { continue }
            let isTwin = !twins.isEmpty && twins.contains(file.base)
            messages.append(Message(file: file, isTwin: isTwin, size: size))
        }
    }

    // MARK: Unique-ids

    /// The unchanging part of the file's name up to what it says of the message; where that has strange bytes or is too long,
    /// its hash (T53).
    private static func uniqueID(of file: MaildirFile, isTwin: Bool = false) -> [UInt8] {
        let base = file.base.bytes
        let plain = file.front
        if !isTwin, (1...70).contains(plain.count), plain.allSatisfy({ $0.isVisible }) { return Array(plain) }
        var hash: (UInt64, UInt64) = (0xCBF2_9CE4_8422_2325, 0x9E37_79B9_7F4A_7C15)
        for byte in base {
            hash.0 = (hash.0 ^ UInt64(byte)) &* 0x100_0000_01B3
            hash.1 = (hash.1 &+ UInt64(byte)) &* 0xFF51_AFD7_ED55_8CCD ^ hash.1 >> 29
        }
        return Array("h\(String(hash.0, radix: 16)).\(String(hash.1, radix: 16))".utf8)
    }

    /// Whether two may have one unique-id, those in which the same stands in front, or one has a name that no list can hold.
    /// `files` are in order.
    private static func mayHaveTwins(_ files: [MaildirFile]) -> Bool {
        for place in files.indices {
            if !files[place].isListable { return true }
            if place > 0, files[place].front.elementsEqual(files[place - 1].front) { return true }
        }
        return false
    }

    /// Files whose unique-id another has that comes before them. What somebody has seen comes before what is new: a client that
    /// has fetched the one must not take the other for it.
    private static func twins(_ files: [MaildirFile]) -> [MaildirFile] {
        var seen: Set<[UInt8]> = []
        let ordered = files.sorted { a, b in
            a.half == b.half
                ? a.base.bytes.lexicographicallyPrecedes(b.base.bytes) : a.half == .cur
        }
        return ordered.filter { !seen.insert(uniqueID(of: $0)).inserted }
    }

    /// Gives another base to each file that would share an unique-id; where there is a UID list, it keeps its UID.
    private func separated() throws(SystemError) -> MaildirScan {
        let directory = OpenDirectory(try Directory(path))
        let lock = try ListLock(in: directory)
        var scan = try MaildirScan(maildir)
        try scan.mend(maildir)
        let twins = Self.twins(scan.files)
        if !twins.isEmpty {
            var list = try directory.directory.openIfPresent("dovecot-uidlist", .read)?.readAll(
                limit: 1 << 28
            )
            .flatMap { UIDList($0) }
            var random = Randomness()
            let host = MaildirDelivery.escaped(host: Host.name())
            for (number, file) in twins.enumerated() {
                let base = MaildirFile.uniqueBase(host: host, delivery: number, random: &random)
                let renamed = file.renamed(Array(base.utf8))
                // The list first: a line without a file costs nothing, a file without its line its UID.
                list?.rename(file.base, to: renamed.base)
                if let list { try directory.directory.replaceDurably("dovecot-uidlist", with: list.encoded) }
                _ = try maildir.rename(file, to: renamed)
            }
            try maildir.synchronize()
            scan = try MaildirScan(maildir)
        }
        _ = consume lock
        return scan
    }

    // MARK: Messages

    /// The message under its name, or under the one that another program gave it since; nil when it is gone. Its size is right
    /// then.
    package func open(_ index: Int) throws(SystemError) -> Descriptor? {
        if let file = try openNamed(index) { return file }
        guard let now = try MaildirScan(maildir)[messages[index].file.base] else { return nil }
        messages[index].file = now
        return try openNamed(index)
    }

    private func openNamed(_ index: Int) throws(SystemError) -> Descriptor? {
        let file = messages[index].file
        var isRight = true
        guard let opened = try maildir.open(file, { isRight = sizes.isRight(for: file, $0) }) else {
            return nil
        }
        if !isRight { messages[index].size = try WireLines.size(of: opened) }
        return opened
    }

    /// Removes messages; how many could not be removed. What is gone already is removed.
    package func remove(_ indices: [Int]) -> Int {
        var left: [Int] = []
        var failed = 0
        for index in indices {
            do throws(SystemError) {
                if try !maildir.remove(messages[index].file) { left.append(index) }
            } catch { failed += 1 }
        }
        for _ in 0..<2 where !left.isEmpty {
            do throws(SystemError) {
                let scan = try MaildirScan(maildir)
                var again: [Int] = []
                for index in left {
                    guard let now = scan[messages[index].file.base] else {
                        again.append(index)
                        continue
                    }
                    if try !maildir.remove(now) { again.append(index) }
                }
                left = again
            } catch {
                failed += left.count
                left = []
            }
        }
        for index in links.isEmpty ? [] : indices {
            let file = messages[index].file
            for link in links where link.base == file.base && link.inode == file.inode {
                _ = try? maildir.remove(link)
            }
        }
        if indices.count > failed { try? maildir.synchronize() }
        return failed
    }
}
