import Bytes
import Mail
import Unix

/// What is wrong with one Maildir before it is opened.
struct FolderCheck {
    /// Ends in a slash.
    let path: String
    let name: [UInt8]
    let uids: UIDTable
    let now: Time

    /// A file in tmp that nobody has touched for so long is nobody's any more: that is what the Maildir's specification says.
    static let tmpAge = Duration.seconds(36 * 3600)

    func look() -> [StoreFinding] {
        var findings = StoreFindings()
        findings.add(path, look)
        return findings.all
    }

    private func look(_ findings: inout StoreFindings) throws(SystemError) {
        let root = try Directory(path)
        for half in Maildir.halves {
            switch try root.status(of: half)?.kind {
            case nil: findings.add(path + half, "is missing", .done("made again"))
            case .directory: break
            default: return findings.add(path + half, "is no directory", .left)
            }
        }
        if try ListLock.isStale(in: root) {
            findings.add("\(path)dovecot-uidlist.lock", "a lock that nobody holds", .done("removed"))
        }
        let scan = MaildirScan(try messages(root, telling: &findings))
        try lookAtNames(scan, root, &findings)
        findings.add("\(path)dovecot-uidlist") { findings throws(SystemError) in
            try lookAtList(scan, root, &findings)
        }
        findings.add("\(path)dovecot-keywords") { findings throws(SystemError) in
            try lookAtKeywords(scan.flags, root, &findings)
        }
        findings.add("\(path)tmp", "files older than 36 hours", of: try forgotten(root), .done("removed"))
    }

    // MARK: Messages

    /// Whatever the directories have, as a session would see it.
    private func messages(_ root: borrowing Directory, telling findings: inout StoreFindings)
        throws(SystemError) -> [MaildirFile]
    {
        var files: [MaildirFile] = []
        for half in [MaildirFile.Half.new, .cur] {
            var others: [[UInt8]] = []
            for (name, isPlain) in try entries(root, half.rawValue) {
                if isPlain { files.append(MaildirFile(half, name)) } else { others.append(name) }
            }
            findings.add(path + half.rawValue, "things that are no plain files", of: others, .left)
        }
        return files
    }

    private typealias Entry = (name: [UInt8], isPlain: Bool)

    private func entries(_ root: borrowing Directory, _ half: String) throws(SystemError) -> [Entry] {
        guard try root.status(of: half) != nil else { return [] }
        let directory = try Directory(half, in: root)
        var found: [Directory.Entry] = []
        try directory.forEachEntry { entry in
            if entry.name.first != .dot { found.append(entry) }
            return true
        }
        var entries: [Entry] = []
        for entry in found {
            var known = entry.kind
            if known == nil { known = try directory.status(of: entry.name)?.kind }
            // One that is gone by now was no matter.
            entries.append((name: entry.name, isPlain: known == nil || known == .regular))
        }
        return entries
    }

    private func status(_ file: MaildirFile, _ root: borrowing Directory) throws(SystemError) -> FileStatus? {
        try Directory(file.half.rawValue, in: root).status(of: file.name)
    }

    private func lookAtNames(
        _ scan: MaildirScan, _ root: borrowing Directory, _ findings: inout StoreFindings
    ) throws(SystemError) {
        var (twins, unlistable): ([[UInt8]], [[UInt8]]) = ([], [])
        for stray in scan.strays {
            guard let status = try status(stray, root) else { continue }
            guard stray.isListable, let other = scan[stray.base] else {
                unlistable.append(stray.name)
                continue
            }
            // Two names of one file are one message.
            guard let others = try self.status(other, root), !others.isSameFile(as: status) else { continue }
            twins.append(stray.name)
        }
        findings.add(path, "files that have another's name", of: twins, .done("renamed"))
        findings.add(path, "files with a name that no list can have", of: unlistable, .done("renamed"))
        var lies: [[UInt8]] = []
        for file in scan.files {
            guard let size = file.storedSize, let status = try status(file, root) else { continue }
            if status.size != size { lies.append(file.name) }
        }
        findings.add(path, "names that do not say the file's size", of: lies, .harmless)
    }

    private func forgotten(_ root: borrowing Directory) throws(SystemError) -> [[UInt8]] {
        var old: [[UInt8]] = []
        for (name, isPlain) in try entries(root, "tmp") where isPlain {
            // The time that nobody can set: APPEND sets the other.
            guard let status = try Directory("tmp", in: root).status(of: name) else { continue }
            if now - status.changed > Self.tmpAge { old.append(name) }
        }
        return old
    }

    // MARK: UIDs

    private func lookAtList(
        _ scan: MaildirScan, _ root: borrowing Directory, _ findings: inout StoreFindings
    ) throws(SystemError) {
        let file = "\(path)dovecot-uidlist"
        guard let bytes = try contents("dovecot-uidlist", root) else {
            // One that has never been opened has none.
            if try uids.known(name) != nil || scan.files.contains(where: { $0.half == .cur }) {
                findings.add(file, "is missing", .done("made, with a new UIDVALIDITY"))
            }
            return
        }
        guard let list = UIDList(bytes) else {
            return findings.add(
                file, "has a first line that cannot be read", .done("made anew, with a new UIDVALIDITY"))
        }
        let faults = list.faults
        if faults.isOld { findings.add(file, "is of version 1", .done("written in version 3")) }
        findings.add(
            file, "lines that cannot be read", of: faults.badLines,
            .done("removed, the messages given new UIDs"))
        findings.add(file, "lines out of order", of: faults.unordered, .done("put in order"))
        if faults.repeated > 0 {
            findings.add(
                file, "UIDs twice", detail: "\(faults.repeated)",
                .done("left to the first, the others given new ones"))
        }
        var listed: Set<MaildirBase> = []
        var (repeated, gone): ([[UInt8]], [MaildirBase]) = ([], [])
        for entry in list.entries {
            guard listed.insert(entry.base).inserted else {
                repeated.append(Array(entry.base.bytes))
                continue
            }
            if scan[entry.base] == nil { gone.append(entry.base) }
        }
        findings.add(file, "messages twice", of: repeated, .done("left in the later line"))
        if !gone.isEmpty {
            // One look alone can miss a file that is being renamed.
            var ignored = StoreFindings()
            let again = MaildirScan(try messages(root, telling: &ignored))
            gone = gone.filter { again[$0] == nil }
        }
        findings.add(
            file, "lines without a message", of: gone.map { Array($0.bytes) }, .done("removed"))
        // What is in new is new.
        let unlisted = scan.files.filter { $0.half == .cur && !listed.contains($0.base) }
        findings.add(file, "messages without a line", of: unlisted.map { $0.name }, .done("given UIDs"))
    }

    private func contents(_ name: String, _ root: borrowing Directory) throws(SystemError) -> [UInt8]? {
        guard let file = try root.openIfPresent(name, .read) else { return nil }
        return try file.readAll(limit: 1 << 28)
    }

    // MARK: Keywords

    private func lookAtKeywords(
        _ used: MessageFlags, _ root: borrowing Directory, _ findings: inout StoreFindings
    ) throws(SystemError) {
        let file = "\(path)dovecot-keywords"
        let bytes = try contents("dovecot-keywords", root) ?? []
        let (bad, repeated) = KeywordNames.faults(file: bytes)
        findings.add(file, "lines that cannot be read", of: bad, .done("removed"))
        findings.add(file, "lines with a number that a later one has", of: repeated, .done("removed"))
        let names = KeywordNames(file: bytes)
        let (needed, idle) = names.doublets(used)
        findings.add(file, "names twice, under numbers that no message has", of: idle, .done("removed"))
        // Which messages were to have which is not known any more.
        findings.add(file, "names twice, under numbers that messages have", of: needed, .left)
        let nameless = used.keywords.filter { names[$0] == nil }
        findings.add(path, "keywords of messages, by number, that have no name", of: nameless, .harmless)
    }

    private func mendKeywords(_ directory: OpenDirectory) throws(SystemError) {
        guard let bytes = try contents("dovecot-keywords", directory.directory) else { return }
        let used = try MaildirScan(Maildir(path)).flags
        let old = KeywordNames(file: bytes)
        let doublets = old.doublets(used).idle
        var names = KeywordNames()
        for number in old.names.indices {
            guard let name = old.names[number], !doublets.contains(number) else { continue }
            names.set(name, number)
        }
        if names.file != bytes {
            try directory.replaceKeywords(with: names.file)
        }
    }

    // MARK: Mending

    /// Opening a folder numbers it anew where that must be. As one that only looks: nothing leaves `new`.
    func mend() throws(SystemError) {
        _ = try Folder(path, named: name, uids, readOnly: true)
        let directory = OpenDirectory(try Directory(path))
        let lock = try ListLock(in: directory)
        try mendKeywords(directory)
        _ = consume lock
        for file in try forgotten(directory.directory) {
            try Directory("tmp", in: directory.directory).removeIfPresent(file)
        }
    }
}
