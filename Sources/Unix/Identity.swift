import CSystem

/// Who this process is, and giving that up.
package enum Identity {
    package static var user: UInt32 { getuid() }
    package static var effectiveUser: UInt32 { geteuid() }
    package static var group: UInt32 { getgid() }
    package static var effectiveGroup: UInt32 { getegid() }
    package static var process: Int32 { getpid() }

    /// Whether a process of this host has that id; not asked of groups.
    package static func processExists(_ id: Int32) -> Bool {
        id > 0 && (kill(id, 0) == 0 || cs_errno() == EPERM)
    }
    package static var isRoot: Bool { geteuid() == 0 }
    package static var isSetGroup: Bool { getgid() != getegid() || getuid() != geteuid() }

    /// Becomes a user for good: supplementary groups, group, user, in this order, each checked afterwards.
    /// A process that is not root can only "become" itself. `keeping` is a group that `withKeptGroup` can
    /// take up again; programs started later do not have it.
    package static func become(
        user: UInt32, group: UInt32, groups: [UInt32], keeping kept: UInt32? = nil
    ) throws(SystemError) {
        if !isRoot {
            guard geteuid() == user else { throw SystemError("setuid", .notPermitted, String(user)) }
            return
        }
        try SystemCall.perform("setgroups") { unsafe cs_set_groups(groups.count, groups) }
        try SystemCall.perform("setgid", String(group)) { cs_set_group_saving(group, kept ?? group) }
        try SystemCall.perform("setuid", String(user)) { cs_set_user(user) }
        guard getuid() == user, geteuid() == user, getgid() == group, getegid() == group else {
            throw SystemError("setuid", .notPermitted, String(user))
        }
        // Root must not come back.
        guard user == 0 || setuid(0) != 0 else { throw SystemError("setuid", .notPermitted, "0") }
        _ = cs_undumpable()
    }

    /// Does something with the group that `become` kept as the effective group: making a lock file in the
    /// directory of the mailboxes.
    package static func withKeptGroup<Result, Failure: Error>(
        _ kept: UInt32?, _ body: () throws(Failure) -> Result
    ) throws(Failure) -> Result {
        guard let kept, !isRoot else { return try body() }
        let own = getegid()
        _ = setegid(kept)
        defer { _ = setegid(own) }
        return try body()
    }

    /// Gives up the group that a setgid bit lent.
    package static func dropSetGroup() throws(SystemError) {
        let real = getgid()
        try SystemCall.perform("setgid", String(real)) { cs_set_group(real) }
    }

    /// From here on no exec gives this process, or a child of it, rights that it does not have.
    package static func renounceNewRights() throws(SystemError) {
        try SystemCall.perform("prctl") { cs_no_new_privileges() }
    }

    /// No core file of this process, and no look into its memory by another of the same user; until it becomes another
    /// program.
    package static func becomeUndumpable() throws(SystemError) {
        try SystemCall.perform("prctl") { cs_undumpable() }
    }

    package static func setFileCreationMask(_ mask: UInt32) { umask(mode_t(mask)) }
}

/// Ends the process. Descriptors close and locks go with it; nothing is left buffered in our streams.
package func terminate(_ status: Int32) -> Never { _exit(status) }

/// Limits that this process and what it starts cannot raise again.
package enum ResourceLimit {
    /// No core files: they would hold mail.
    package static func forbidCoreFiles() { _ = cs_limit_core() }

    /// No new process, and no thread. Root is not held to it.
    package static func forbidProcesses() throws(SystemError) {
        try SystemCall.perform("setrlimit") { cs_forbid_processes() }
    }

    /// A file that would grow beyond its limit is an error of write, not the end of the process.
    package static func reportFileSize() { cs_ignore_signal(SIGXFSZ) }

    package static func openFiles(_ most: UInt64) { _ = cs_limit_open_files(most) }
}
