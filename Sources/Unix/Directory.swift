import Bytes
import CSystem

/// An open directory; every name below is looked up in it, so that a directory swapped for a link after
/// it was opened changes nothing.
package struct Directory: ~Copyable {
    package let descriptor: Descriptor
    /// As it was opened, for messages.
    package let path: String

    /// Opens `path` (from the working directory, or from `parent`); a symbolic link at its end only if
    /// `following`.
    package init(_ path: String, following: Bool = true) throws(SystemError) {
        try self.init(path, at: AT_FDCWD, shown: path, following: following)
    }

    /// Opens a directory to reach names in it, without the right to list it.
    package init(searching path: String) throws(SystemError) {
        let raw = try SystemCall.perform("open", path) {
            unsafe path.withCString { unsafe cs_open(AT_FDCWD, $0, cs_o_search() | O_DIRECTORY, 0) }
        }
        self.init(adopting: Descriptor(adopting: raw), path: path)
    }

    package init(_ name: String, in parent: borrowing Directory) throws(SystemError) {
        try self.init(name, at: parent.descriptor.raw, shown: "\(parent.path)/\(name)", following: false)
    }

    package init(adopting descriptor: consuming Descriptor, path: String) {
        self.descriptor = descriptor
        self.path = path
    }

    private init(_ name: String, at parent: CInt, shown: String, following: Bool) throws(SystemError) {
        let flags = O_RDONLY | O_DIRECTORY | (following ? 0 : O_NOFOLLOW)
        let raw = try SystemCall.perform("open", shown) { unsafe cs_open(parent, name, flags, 0) }
        descriptor = Descriptor(adopting: raw)
        path = shown
    }

    private func shown(_ name: String) -> String { "\(path)/\(name)" }

    /// How a file is opened. Nothing here follows a symbolic link, and nothing blocks on a FIFO.
    package enum Opening {
        case read
        case readWrite
        /// Read and write, positioned by the kernel at the end for each write.
        case append(createMode: UInt32)
        /// The same without making it.
        case appendExisting
        /// Must not exist yet.
        case createNew(mode: UInt32)
        /// Read and write; made if missing.
        case create(mode: UInt32)

        var flags: CInt {
            let own =
                switch self {
                case .read: O_RDONLY
                case .readWrite: O_RDWR
                case .append: O_RDWR | O_APPEND | O_CREAT
                case .appendExisting: O_RDWR | O_APPEND
                case .createNew: O_RDWR | O_CREAT | O_EXCL
                case .create: O_RDWR | O_CREAT
                }
            return own | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY
        }

        var mode: UInt32 {
            switch self {
            case .read, .readWrite, .appendExisting: 0
            case .append(let mode), .createNew(let mode), .create(let mode): mode
            }
        }
    }

    package func open(_ name: String, _ opening: Opening) throws(SystemError) -> Descriptor {
        Descriptor(
            adopting: try SystemCall.perform("open", shown(name)) {
                unsafe cs_open(descriptor.raw, name, opening.flags, opening.mode)
            })
    }

    /// The same where a missing name is an ordinary answer.
    package func openIfPresent(_ name: String, _ opening: Opening) throws(SystemError) -> Descriptor? {
        switch SystemCall.attempt({ unsafe cs_open(descriptor.raw, name, opening.flags, opening.mode) }) {
        case .success(let raw): return Descriptor(adopting: raw)
        case .failure(.noEntry): return nil
        case .failure(let code): throw SystemError("open", code, shown(name))
        }
    }

    /// A file without a name, for writing (Linux); nil where the system or this filesystem has none.
    package func openUnnamed(mode: UInt32) throws(SystemError) -> Descriptor? {
        guard cs_o_tmpfile() != 0 else { return nil }
        switch SystemCall.attempt({
            unsafe cs_open(descriptor.raw, ".", cs_o_tmpfile() | O_RDWR, mode)
        }) {
        case .success(let raw): return Descriptor(adopting: raw)
        case .failure(.notSupported), .failure(.isDirectory), .failure(.invalid), .failure(.noEntry):
            return nil
        case .failure(let code): throw SystemError("open", code, shown("."))
        }
    }

    /// A file for this process alone, which goes when it is closed.
    package func openScratch() throws(SystemError) -> Descriptor {
        if let unnamed = try openUnnamed(mode: 0o600) { return unnamed }
        var random = Randomness()
        let name = ".scratch.\(Identity.process).\(random.next())"
        let file = try open(name, .createNew(mode: 0o600))
        try remove(name)
        return file
    }

    /// Gives a file that `openUnnamed` made its name.
    package func link(_ file: borrowing Descriptor, as name: String) throws(SystemError) {
        let raw = file.raw
        try SystemCall.perform("link", shown(name)) { unsafe cs_link_unnamed(raw, descriptor.raw, name) }
    }

    package func link(_ name: String, to other: borrowing Directory, as newName: String) throws(SystemError) {
        let target = other.descriptor.raw
        try SystemCall.perform("link", shown(name)) {
            unsafe linkat(descriptor.raw, name, target, newName, 0)
        }
    }

    /// Moves a file; fails with EEXIST rather than replace another. Where the system cannot promise that by one
    /// call, a crash can leave both names.
    package func rename(
        _ name: String, to other: borrowing Directory, as newName: String
    ) throws(SystemError) {
        try rename(Array(name.utf8), to: other, as: Array(newName.utf8))
    }

    /// The same for names that need not be UTF-8.
    package func rename(
        _ name: [UInt8], to other: borrowing Directory, as newName: [UInt8]
    ) throws(SystemError) {
        let target = other.descriptor.raw
        let (from, to) = (Self.terminated(name), Self.terminated(newName))
        switch SystemCall.attempt({ unsafe cs_rename_noreplace(descriptor.raw, from, target, to) }) {
        case .success: return
        // EPERM: a filter of system calls that does not know this one.
        case .failure(.invalid), .failure(.notImplemented), .failure(.notSupported), .failure(.notPermitted):
            try renameByLink(name, to: other, as: newName)
        case .failure(let code): throw failure("rename", code, name, other, newName)
        }
    }

    private func renameByLink(
        _ name: [UInt8], to other: borrowing Directory, as newName: [UInt8]
    ) throws(SystemError) {
        let target = other.descriptor.raw
        let (from, to) = (Self.terminated(name), Self.terminated(newName))
        switch SystemCall.attempt({ unsafe linkat(descriptor.raw, from, target, to, 0) }) {
        case .success:
            do throws(SystemError) {
                // A power cut must not keep the second step without the first.
                try other.descriptor.keepOrderOfNames()
                let unlinked = SystemCall.attempt({ unsafe unlinkat(descriptor.raw, from, 0) })
                guard case .failure(let code) = unlinked, code != .noEntry else { return }
                throw failure("unlink", code, name, other, newName)
            } catch {
                // It stays where it was.
                _ = SystemCall.attempt { unsafe unlinkat(target, to, 0) }
                throw error
            }
        // A directory, or a filesystem without links.
        case .failure(.notPermitted), .failure(.isDirectory), .failure(.notSupported),
            .failure(.notImplemented):
            var about = stat()
            switch SystemCall.attempt({ unsafe fstatat(target, to, &about, AT_SYMLINK_NOFOLLOW) }) {
            case .success: throw failure("rename", .exists, name, other, newName)
            case .failure(.noEntry): break
            case .failure(let code): throw failure("stat", code, name, other, newName)
            }
            if case .failure(let code) = SystemCall.attempt({
                unsafe renameat(descriptor.raw, from, target, to)
            }) {
                throw failure("rename", code, name, other, newName)
            }
        case .failure(let code): throw failure("link", code, name, other, newName)
        }
    }

    private func failure(
        _ call: StaticString, _ code: Errno, _ name: [UInt8], _ other: borrowing Directory, _ newName: [UInt8]
    ) -> SystemError {
        let from = shown(name.escaped(limit: 80))
        return SystemError(call, code, "\(from) to \(other.path)/\(newName.escaped(limit: 80))")
    }

    /// Puts a file in the place of another at one stroke.
    package func replace(_ newName: String, with name: String) throws(SystemError) {
        try SystemCall.perform("rename", shown(name)) {
            unsafe renameat(descriptor.raw, name, descriptor.raw, newName)
        }
    }

    /// Makes a small file, or puts it in the place of another: whoever reads sees the old one or the new, after a power cut too,
    /// and the new one where something is there that was done later. `synchronize` makes it last.
    /// `time`: when it says that it was modified, where that is not to be now.
    package func replaceDurably(
        _ name: String, with bytes: [UInt8], modified time: Time? = nil
    ) throws(SystemError) {
        let temporary = "\(name).tmp"
        try removeIfPresent(temporary)
        let file = try open(temporary, .createNew(mode: 0o600))
        try file.write(bytes)
        if let time { try file.setModified(time) }
        try file.synchronize()
        try replace(name, with: temporary)
        try file.keepOrderOfNames()
    }

    package func remove(_ name: String) throws(SystemError) {
        try SystemCall.perform("unlink", shown(name)) { unsafe unlinkat(descriptor.raw, name, 0) }
    }

    /// Whether the file was there.
    @discardableResult
    package func removeIfPresent(_ name: String) throws(SystemError) -> Bool {
        switch SystemCall.attempt({ unsafe unlinkat(descriptor.raw, name, 0) }) {
        case .success: return true
        case .failure(.noEntry): return false
        case .failure(let code): throw SystemError("unlink", code, shown(name))
        }
    }

    package func removeDirectory(_ name: String) throws(SystemError) {
        try SystemCall.perform("rmdir", shown(name)) { unsafe unlinkat(descriptor.raw, name, AT_REMOVEDIR) }
    }

    /// Makes a directory; whether it was not there before.
    @discardableResult
    package func makeDirectory(_ name: String, mode: UInt32) throws(SystemError) -> Bool {
        switch SystemCall.attempt({ unsafe mkdirat(descriptor.raw, name, mode_t(mode)) }) {
        case .success: return true
        case .failure(.exists): return false
        case .failure(let code): throw SystemError("mkdir", code, shown(name))
        }
    }

    /// What `name` is, without following it; nil if there is no such name.
    package func status(of name: String) throws(SystemError) -> FileStatus? {
        var about = stat()
        switch SystemCall.attempt({ unsafe fstatat(descriptor.raw, name, &about, AT_SYMLINK_NOFOLLOW) }) {
        case .success: return FileStatus(about)
        case .failure(.noEntry): return nil
        case .failure(let code): throw SystemError("stat", code, shown(name))
        }
    }

    /// Makes names added or removed here durable.
    package func synchronize() throws(SystemError) {
        try SystemCall.perform("fsync", path) { fsync(descriptor.raw) }
    }

    /// All names but `.` and `..`, in the directory's own order. Names that are not UTF-8 are shown with
    /// replacement characters and so lead to nothing: callers that must see them use `forEachName`.
    package func names() throws(SystemError) -> [String] {
        var names: [String] = []
        try forEachName { name in
            names.append(String(decoding: name, as: UTF8.self))
            return true
        }
        return names
    }

    /// Calls `body` with each name until it returns false.
    package func forEachName(_ body: ([UInt8]) -> Bool) throws(SystemError) {
        try forEachEntry { entry in body(entry.name) }
    }

    /// What a directory itself says of a file.
    package struct Entry {
        package let name: [UInt8]
        /// Nil on filesystems that do not say.
        package let kind: FileStatus.Kind?
        package let inode: UInt64
    }

    /// The same with all that the directory says.
    package func forEachEntry(_ body: (Entry) -> Bool) throws(SystemError) {
        // A second open file, because reading a directory moves its position.
        let raw = try SystemCall.perform("open", path) {
            unsafe cs_open(descriptor.raw, ".", O_RDONLY | O_DIRECTORY, 0)
        }
        guard let stream = unsafe fdopendir(raw) else {
            let code = Errno.current
            close(raw)
            throw SystemError("fdopendir", code, path)
        }
        defer { unsafe closedir(stream) }
        while true {
            cs_set_errno(0)
            guard let entry = unsafe readdir(stream) else {
                if cs_errno() != 0 { throw SystemError("readdir", .current, path) }
                return
            }
            let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                let start = unsafe UnsafeRawPointer(pointer).assumingMemoryBound(to: UInt8.self)
                return unsafe Array(UnsafeBufferPointer(start: start, count: strlen(start)))
            }
            if name == [.dot] || name == [.dot, .dot] { continue }
            let kind = unsafe Self.kind(entry.pointee.d_type)
            if !body(Entry(name: name, kind: kind, inode: unsafe cs_inode(entry))) { return }
        }
    }

    private static func kind(_ type: UInt8) -> FileStatus.Kind? {
        switch Int(type) {
        case Int(DT_REG): .regular
        case Int(DT_DIR): .directory
        case Int(DT_LNK): .symbolicLink
        case Int(DT_FIFO): .fifo
        case Int(DT_SOCK): .socket
        case Int(DT_UNKNOWN): nil
        default: .other
        }
    }
}
