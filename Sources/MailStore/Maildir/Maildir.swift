import Bytes
package import Unix

/// The files of one Maildir, for its owner. Links, FIFOs and directories in `new` and `cur` are not messages and
/// are never opened (T54). Other programs add, rename and remove files at any time.
package final class Maildir {
    package let path: String
    private let new: Directory
    private let cur: Directory

    package init(_ path: String) throws(SystemError) {
        self.path = path
        let root = try Directory(path)
        new = try Directory("new", in: root)
        cur = try Directory("cur", in: root)
    }

    /// All messages, in no order.
    package func entries() throws(SystemError) -> [MaildirEntry] {
        try entries(in: .new) + entries(in: .cur)
    }

    package func entries(in half: MaildirEntry.Half) throws(SystemError) -> [MaildirEntry] {
        var entries: [MaildirEntry] = []
        try withHalf(half) { directory throws(SystemError) in
            try directory.forEachEntry { name, kind in
                if name.first != .dot, kind == .regular || kind == nil {
                    entries.append(MaildirEntry(half, name))
                }
                return true
            }
        }
        return entries
    }

    /// When `new` and `cur` were last changed: for telling whether a scan is needed.
    package func changeTimes() throws(SystemError) -> (new: Time, cur: Time) {
        (try new.descriptor.status().modified, try cur.descriptor.status().modified)
    }

    private func withHalf<Result: ~Copyable>(
        _ half: MaildirEntry.Half, _ body: (borrowing Directory) throws(SystemError) -> Result
    ) throws(SystemError) -> Result {
        half == .new ? try body(new) : try body(cur)
    }

    /// Opens a message for reading; nil when that name is gone or no plain file.
    package func open(_ entry: MaildirEntry) throws(SystemError) -> Descriptor? {
        guard let name = entry.text else { return nil }
        return try withHalf(entry.half) { directory throws(SystemError) in
            do throws(SystemError) {
                guard let file = try directory.openIfPresent(name, .read) else { return nil }
                guard try file.status().kind == .regular else { return nil }
                return file
            } catch {
                guard error.code == .tooManyLinks else { throw error }
                return nil
            }
        }
    }

    /// Gives a message other flags, which moves it to `cur`; the entry that it has now, nil when it is gone.
    package func setFlags(_ flags: [UInt8], of entry: MaildirEntry) throws(SystemError) -> MaildirEntry? {
        let changed = MaildirEntry(.cur, entry.name(with: flags))
        if changed == entry { return entry }
        guard let from = entry.text, let to = changed.text else { return nil }
        do throws(SystemError) {
            try withHalf(entry.half) { directory throws(SystemError) in
                try directory.rename(from, to: cur, as: to)
            }
            return changed
        } catch {
            if error.code == .noEntry { return nil }
            throw error
        }
    }

    /// Whether the file was there.
    package func remove(_ entry: MaildirEntry) throws(SystemError) -> Bool {
        guard let name = entry.text else { return false }
        return try withHalf(entry.half) { directory throws(SystemError) in try directory.removeIfPresent(name)
        }
    }

    /// Makes renames and removals durable.
    package func synchronize() throws(SystemError) {
        try new.synchronize()
        try cur.synchronize()
    }
}

extension MaildirEntry {
    /// The name as the system takes it; nil where it is no text (nothing that we make).
    var text: String? {
        let text = String(decoding: name, as: UTF8.self)
        return text.utf8.elementsEqual(name) ? text : nil
    }
}
