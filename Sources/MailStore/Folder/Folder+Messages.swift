import Bytes
package import Mail
package import Unix

/// Single messages, and changes to sets of them. Places are those of the list.
extension Folder {
    /// The place in `files` of a listed message; nil when the last look did not find it.
    private func place(_ index: Int) -> Int? {
        let uid = list[index].uid
        if files.indices.contains(index), files[index].uid == uid { return index }
        var (low, high) = (0, files.count)
        while low < high {
            let middle = (low + high) / 2
            if files[middle].uid < uid { low = middle + 1 } else { high = middle }
        }
        return low < files.count && files[low].uid == uid ? low : nil
    }

    /// Finds all files under the names that they have now, by what does not change. One look alone can miss a file that is being
    /// renamed.
    private func findAgain() throws(SystemError) {
        let scan = try MaildirScan(maildir)
        let second =
            files.contains { scan[$0.file.base] == nil } ? try MaildirScan(maildir) : scan
        files = files.compactMap { numbered in
            let base = numbered.file.base
            return (second[base] ?? scan[base]).map { NumberedFile(uid: numbered.uid, file: $0) }
        }
        needsMerge = true
    }

    /// Runs `body` with a message's file, and again under its new name when it lost the old one; nil when it is gone.
    private func withFile<Result: ~Copyable>(
        _ index: Int, _ body: (MaildirFile) throws(SystemError) -> Result?
    ) throws(SystemError) -> Result? {
        for attempt in 0..<Self.mostAttempts {
            if attempt > 0 { try findAgain() }
            guard let place = place(index) else { return nil }
            if let result = try body(files[place].file) { return result }
        }
        return nil
    }

    /// Somebody would have to rename a message each time between our look and our step.
    private static let mostAttempts = 200

    // MARK: Reading

    /// Opens a message for reading; nil when it is gone.
    package func open(at index: Int) throws(SystemError) -> Descriptor? {
        try withFile(index) { file throws(SystemError) in
            try maildir.open(file) { _ = sizes.isRight(for: file, $0) }
        }
    }

    /// Its file's status: when it was modified, which APPEND sets, is when it came.
    package func status(at index: Int) throws(SystemError) -> FileStatus? {
        try withFile(index) { file throws(SystemError) in try maildir.status(file) }
    }

    /// The message's size in octets with CRLF line ends; nil when it is gone.
    package func size(at index: Int) throws(SystemError) -> Int? {
        try withFile(index) { file throws(SystemError) in try sizes.size(of: file) }
    }

    /// What a message is marked with on disk now; nil when it is gone.
    package func flags(at index: Int) throws(SystemError) -> MessageFlags? {
        let flags = try withFile(index) { file throws(SystemError) in
            try maildir.status(file) == nil ? nil : file.flags
        }
        if let flags { try learnNames(of: flags) }
        return flags
    }

    // MARK: Keywords

    /// Reads their names as they are now. Where that is not permitted, or a link is in their place, nothing has a name, and the
    /// rest can be had.
    package func readKeywords() throws(SystemError) {
        do throws(SystemError) {
            keywords = try read("dovecot-keywords").map { KeywordNames(file: $0) } ?? KeywordNames()
        } catch {
            guard error.isForWantOfRights || error.code == .tooManyLinks || error.code == .isDirectory else {
                throw error
            }
        }
    }

    /// A message may be marked with a keyword that another session has named since the last look.
    private func learnNames(of flags: MessageFlags) throws(SystemError) {
        if flags.keywords.contains(where: { keywords[$0] == nil }) { try readKeywords() }
    }

    /// The numbers of keywords, new ones included; nil when there are none left. A number that has lost its name is nobody's
    /// as long as a message is marked with it.
    package func flags(of names: [[UInt8]]) throws(SystemError) -> MessageFlags? {
        if let flags = keywords.flags(of: names) { return flags }
        let lock = try ListLock(in: directory)
        var now = try read("dovecot-keywords").map { KeywordNames(file: $0) } ?? KeywordNames()
        let taken = try MaildirScan(maildir).flags
        for name in names where now.add(name, taken: taken) == nil { return nil }
        try directory.replaceKeywords(with: now.file)
        _ = consume lock
        keywords = now
        return now.flags(of: names)
    }

    // MARK: Changing

    /// Changes the flags of messages, durably; the list says what they are then. The ones that are gone are returned.
    package func change(_ indices: [Int], by change: FlagChange) throws(SystemError) -> [Int] {
        try changing { () throws(SystemError) in
            var gone: [Int] = []
            var changedHalves: Maildir.Halves = []
            var marks: MessageFlags = []
            var failure: SystemError?
            for index in indices {
                let known = list[index].flags
                let changed: MaildirFile?
                do throws(SystemError) {
                    changed = try withFile(index) { file throws(SystemError) in
                        try maildir.change(file, by: change)
                    }
                } catch {
                    // There is no room for flags in its name; in others' there is.
                    guard error.code == .nameTooLong else { throw error }
                    failure = error
                    continue
                }
                guard let changed, let place = place(index) else {
                    gone.append(index)
                    continue
                }
                if changed != files[place].file {
                    changedHalves.formUnion([Maildir.Halves(files[place].file.half), .cur])
                }
                files[place].file = changed
                marks.formUnion(changed.flags)
                if changed.flags != known { list.setFlags(changed.flags, at: index) }
            }
            try maildir.synchronize(changedHalves)
            try learnNames(of: marks)
            if let failure { throw failure }
            return gone
        }
    }

    /// Removes messages durably, from the list, too: those that are marked as deleted on disk at this moment, or all
    /// (`marked` false). The places of what is gone now, whoever removed it, highest first. What fails half-way the next
    /// `refresh` tells of.
    package func expunge(_ indices: [Int], marked: Bool) throws(SystemError) -> [Int] {
        try changing { () throws(SystemError) in
            let lock = try ListLock(in: directory)
            var left = indices
            var gone: [Int] = []
            var halves: Maildir.Halves = []
            for attempt in 0..<Self.mostAttempts where !left.isEmpty {
                let scan = try MaildirScan(maildir)
                var links: [MaildirBase: [MaildirFile]] = [:]
                for stray in scan.strays { links[stray.base, default: []].append(stray) }
                var again: [Int] = []
                for index in left {
                    guard let place = place(index), let file = scan[files[place].file.base] else {
                        // One look alone can miss a file that is being renamed.
                        if attempt > 0 { gone.append(index) } else { again.append(index) }
                        continue
                    }
                    if marked, !file.flags.contains(.deleted) { continue }
                    let twins = try twins(of: file, among: links[file.base] ?? [])
                    guard try maildir.remove(file) else {
                        again.append(index)
                        continue
                    }
                    halves.insert(Maildir.Halves(file.half))
                    for twin in twins {
                        _ = try maildir.remove(twin)
                        halves.insert(Maildir.Halves(twin.half))
                    }
                    gone.append(index)
                }
                left = again
            }
            try maildir.synchronize(halves)
            _ = consume lock
            let uids = Set(gone.map { list[$0].uid })
            files.removeAll { uids.contains($0.uid) }
            return list.remove(gone)
        }
    }

    /// Other names of the same file.
    private func twins(of file: MaildirFile, among links: [MaildirFile]) throws(SystemError) -> [MaildirFile]
    {
        guard !links.isEmpty, let status = try maildir.status(file) else { return [] }
        var twins: [MaildirFile] = []
        for link in links where try maildir.status(link)?.isSameFile(as: status) == true {
            twins.append(link)
        }
        return twins
    }
}
