import CSystem

/// Operations on whole path names, for configuration files, logs and the like.
package enum Path {
    /// The bytes of a small file of the operator's; nil if there is none.
    package static func contents(_ path: String, limit: Int = 1 << 24) throws(SystemError) -> [UInt8]? {
        let file: Descriptor
        do throws(SystemError) { file = try openFile(path) } catch {
            if error.code == .noEntry || error.code == .notDirectory { return nil }
            throw error
        }
        guard let bytes = try file.readAll(limit: limit) else {
            throw SystemError("read", Errno(EFBIG), path)
        }
        return bytes
    }

    /// Opens a file that says something, and nothing else: a FIFO without a writer, a terminal or a socket would keep its
    /// reader for ever, /dev/zero has no end, and a pipe (`-C <(…)`) is empty for a program that stays and reads its
    /// configuration again. /dev/null is a file without a line.
    package static func openFile(_ path: String) throws(SystemError) -> Descriptor {
        let file: Descriptor
        do throws(SystemError) {
            file = try open(path, O_RDONLY | O_NOCTTY | O_NONBLOCK)
        } catch {
            // What a socket is opened with, and some devices.
            if error.code == .noSuchDevice || error.code == .notSupported, let about = try status(path),
                about.kind != .regular
            {
                throw SystemError(noFile: about.kind, path)
            }
            throw error
        }
        let about = try file.status()
        if about.kind != .regular, try !isNull(about) { throw SystemError(noFile: about.kind, path) }
        return file
    }

    private static func isNull(_ about: FileStatus) throws(SystemError) -> Bool {
        guard about.kind == .other, let null = try status("/dev/null") else { return false }
        return null.isSameFile(as: about)
    }

    package static func status(_ path: String, following: Bool = true) throws(SystemError) -> FileStatus? {
        var about = stat()
        let flags = following ? 0 : AT_SYMLINK_NOFOLLOW
        switch SystemCall.attempt({ unsafe fstatat(AT_FDCWD, path, &about, flags) }) {
        case .success: return FileStatus(about)
        case .failure(.noEntry), .failure(.notDirectory): return nil
        case .failure(let code): throw SystemError("stat", code, path)
        }
    }

    static func open(_ path: String, _ flags: CInt, mode: UInt32 = 0) throws(SystemError) -> Descriptor {
        Descriptor(
            adopting: try SystemCall.perform("open", path) {
                unsafe path.withCString { unsafe cs_open(AT_FDCWD, $0, flags, mode) }
            })
    }

    /// Opens a log for appending; made with `mode` if missing. A FIFO that nobody reads fails with ENXIO, and one whose reader
    /// stopped takes no more than fits.
    package static func openForAppending(_ path: String, mode: UInt32 = 0o640) throws(SystemError)
        -> Descriptor
    {
        try open(path, O_WRONLY | O_APPEND | O_CREAT | O_NOCTTY | O_NONBLOCK, mode: mode)
    }

    package static func changeDirectory(to path: String) throws(SystemError) {
        try SystemCall.perform("chdir", path) { unsafe chdir(path) }
    }

    /// Opens a file that serves as a lock, made empty if missing.
    package static func openForLocking(_ path: String, mode: UInt32 = 0o600) throws(SystemError) -> Descriptor
    {
        try open(path, O_RDWR | O_CREAT | O_NOCTTY | O_NOFOLLOW, mode: mode)
    }

    package static func openForReading(_ path: String) throws(SystemError) -> Descriptor {
        try open(path, O_RDONLY | O_NOCTTY)
    }

    package static func setMode(_ path: String, _ mode: UInt32) throws(SystemError) {
        try SystemCall.perform("chmod", path) { unsafe chmod(path, mode_t(mode)) }
    }

    package static func remove(_ path: String) throws(SystemError) {
        try SystemCall.perform("unlink", path) { unsafe unlink(path) }
    }

    package static func isReadable(_ path: String) -> Bool { unsafe CSystem.access(path, R_OK) == 0 }
    package static func isWritable(_ path: String) -> Bool { unsafe CSystem.access(path, W_OK) == 0 }
    package static func isExecutable(_ path: String) -> Bool { unsafe CSystem.access(path, X_OK) == 0 }

    /// Free bytes and free inodes for the unprivileged on the filesystem that holds `path`.
    package static func freeSpace(_ path: String) throws(SystemError) -> (
        bytes: UInt64, inodes: UInt64, hasInodes: Bool
    ) {
        var about = statvfs()
        try SystemCall.perform("statvfs", path) { unsafe statvfs(path, &about) }
        return (UInt64(about.f_bavail) * UInt64(about.f_frsize), UInt64(about.f_favail), about.f_files > 0)
    }

    /// Where the program that is running now was started from, links followed.
    package static func ofThisProgram() throws(SystemError) -> String {
        #if os(Linux)
            var buffer = [UInt8](repeating: 0, count: 4096)
            let count = try SystemCall.perform("readlink", "/proc/self/exe") {
                unsafe buffer.withUnsafeMutableBytes {
                    unsafe readlink("/proc/self/exe", $0.baseAddress!, $0.count)
                }
            }
            return String(decoding: buffer.prefix(count), as: UTF8.self)
        #else
            var name: [CInt] = [CTL_KERN, KERN_PROC, KERN_PROC_PATHNAME, -1]
            var buffer = [UInt8](repeating: 0, count: 4096)
            var size = buffer.count
            try SystemCall.perform("sysctl", "kern.proc.pathname") {
                unsafe sysctl(&name, 4, &buffer, &size, nil, 0)
            }
            return String(decoding: buffer.prefix { $0 != 0 }, as: UTF8.self)
        #endif
    }

    /// The directory that a path leads through, and the last name. A path without a slash is one of the
    /// working directory.
    package static func split(_ path: String) -> (directory: String, name: String) {
        let bytes = Array(path.utf8)
        guard let slash = bytes.lastIndex(of: 0x2F) else { return (".", path) }
        return (
            slash == 0 ? "/" : String(decoding: bytes[..<slash], as: UTF8.self),
            String(decoding: bytes[(slash + 1)...], as: UTF8.self)
        )
    }
}

extension SystemError {
    fileprivate init(noFile kind: FileStatus.Kind, _ path: String) {
        let found =
            switch kind {
            case .fifo: "a FIFO or pipe"
            case .socket: "a socket"
            case .directory: "a directory"
            case .regular, .symbolicLink, .other: "a device"
            }
        self.init(
            "open", kind == .directory ? .isDirectory : .invalid, path,
            reason: "is \(found): put a regular file there, or name another")
    }
}

/// What `fstat` tells, in the terms that we use.
package struct FileStatus: Equatable {
    package enum Kind { case regular, directory, symbolicLink, fifo, socket, other }

    package let device: UInt64
    package let inode: UInt64
    package let kind: Kind
    /// The permission bits, with setuid, setgid and sticky.
    package let mode: UInt32
    package let links: Int
    package let user: UInt32
    package let group: UInt32
    package let size: Int
    package let modified: Time
    package let changed: Time

    package init(of raw: CInt) throws(SystemError) {
        var about = stat()
        try SystemCall.perform("fstat") { unsafe fstat(raw, &about) }
        self.init(about)
    }

    init(_ about: stat) {
        device = UInt64(about.st_dev)
        inode = UInt64(about.st_ino)
        kind =
            switch CInt(about.st_mode) & S_IFMT {
            case S_IFREG: .regular
            case S_IFDIR: .directory
            case S_IFLNK: .symbolicLink
            case S_IFIFO: .fifo
            case S_IFSOCK: .socket
            default: .other
            }
        mode = UInt32(about.st_mode & 0o7777)
        links = Int(about.st_nlink)
        user = about.st_uid
        group = about.st_gid
        size = Int(about.st_size)
        modified = Time(about.st_mtim)
        changed = Time(about.st_ctim)
    }

    package func isSameFile(as other: FileStatus) -> Bool {
        device == other.device && inode == other.inode
    }
}
