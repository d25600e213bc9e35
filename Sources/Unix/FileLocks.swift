import Bytes

/// Which files a process holds locked by flock(2), for those who must not try the locks themselves: whoever
/// tries one has it for a moment, and the runner that comes then would pass the message over.
package enum FileLocks {
    /// The inodes of the files; empty where the system does not tell (only Linux does, and of its own host).
    package static func inodes(lockedBy process: Int32) -> Set<UInt64> {
        guard let text = (try? Path.contents("/proc/locks", limit: 1 << 26)) ?? nil else { return [] }
        return inodes(in: text, lockedBy: process)
    }

    /// A line of proc_locks(5): `1: FLOCK  ADVISORY  WRITE 4711 fe:01:1311062 0 EOF`; who waits for a lock has
    /// an arrow behind the number.
    static func inodes(in text: [UInt8], lockedBy process: Int32) -> Set<UInt64> {
        var inodes: Set<UInt64> = []
        for line in text.split(separator: .lf) {
            let fields = line.split(separator: .space)
            guard fields.count >= 6, fields[1].elementsEqual("FLOCK".utf8),
                Int32(strictDecimal: fields[4]) == process,
                let inode = fields[5].split(separator: .ascii(":")).last.flatMap({ UInt64(strictDecimal: $0) }
                )
            else { continue }
            inodes.insert(inode)
        }
        return inodes
    }
}
