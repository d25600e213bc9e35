import CSystem

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
