import CSystem

/// What a filesystem promises about a new name.
extension Descriptor {
    /// Whether fsync of the file makes its new name durable too. Known are the filesystems on which our own
    /// power-cut test (Tests/SystemTests) finds no loss without a sync of the directory, and those that
    /// forget everything anyway.
    package func carriesNameWithSync() -> Bool {
        #if os(Linux)
            let ext4: Int64 = 0xEF53
            let xfs: Int64 = 0x5846_5342
            let tmpfs: Int64 = 0x0102_1994
            return [ext4, xfs, tmpfs].contains(cs_filesystem_type(raw))
        #else
            // FreeBSD's fsync(2) of a file on UFS or ZFS commits the entry that names it.
            return cs_filesystem_type(raw) == 1
        #endif
    }

    /// Makes the file and its name durable with as few flushes as the filesystem allows. A filesystem that
    /// is not known gets both kinds: one flushes no names, another (FUSE) does nothing for syncfs.
    package func synchronizeWithName() throws(SystemError) {
        try synchronize()
        try keepOrderOfNames()
    }

    /// Makes the names changed so far durable before those that follow, where the filesystem is not known to
    /// keep their order anyway.
    package func keepOrderOfNames() throws(SystemError) {
        if !carriesNameWithSync() {
            try SystemCall.perform("syncfs") { cs_sync_filesystem(raw) }
        }
    }

    /// Makes everything on this file's filesystem durable, for many files at once; false where the system
    /// has no such call, or the filesystem is not known to heed it.
    package func synchronizeFilesystem() throws(SystemError) -> Bool {
        #if os(Linux)
            guard carriesNameWithSync() else { return false }
            try SystemCall.perform("syncfs") { cs_sync_filesystem(raw) }
            return true
        #else
            return false
        #endif
    }
}

extension Descriptor {
    /// Free bytes for the unprivileged on the file's filesystem; nil for one that does not say.
    package func freeSpace() -> Int? {
        var about = statvfs()
        guard case .success = SystemCall.attempt({ unsafe fstatvfs(raw, &about) }), about.f_blocks > 0 else {
            return nil
        }
        return Int(
            clamping: UInt64(about.f_bavail).multipliedReportingOverflow(by: UInt64(about.f_frsize))
                .partialValue)
    }
}

/// Raises the number of files that this process may have open, as far as it may; what holds then.
package func raiseFileLimit(to wanted: Int) -> Int { Int(cs_raise_file_limit(CInt(clamping: wanted))) }
