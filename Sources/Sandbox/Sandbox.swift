package import Unix

/// What a program gives up, in two steps: what can be renounced by any program at once, and, when it has read its
/// configuration and knows what it is about to be, what its role never needs. Neither can be undone.
///
/// Filters of system calls belong to the second step, and with them the places that a role has.
package enum Sandbox {
    /// The way to new rights: from here on no exec, of a set-user-ID program or of any other, gives this process or its
    /// children more than it has (Linux: no_new_privs; FreeBSD: PROC_NO_NEW_PRIVS_CTL). The first thing that a tool does.
    ///
    /// Not for local-deliver and sendmail-compat: what a user's command runs may be set-group-ID, and so is the latter.
    package static func renounceNewRights() throws(SystemError) { try Identity.renounceNewRights() }

    package enum Role {
        /// smtpd. It runs getent where `user-source` says so; a relais.conf that says so only later, in the middle of a
        /// session, makes recipients wait for the next one.
        case reception(runsGetent: Bool, seesPasswords: Bool)
        /// pop3d and imapd before the login: a stranger's password goes through them.
        case login
        /// pop3d behind the login. imapd, which starts charset-decode when a text needs it, has no role yet.
        case maildrop
        /// Reads all passwords there are. It may start getent, and what it becomes may start what it likes.
        case checkpassword
        /// Holds the private key.
        case tlsRelay
        case remoteDeliver
        case charsetDecode

        /// fork(2), posix_spawn(3) and threads: none of these programs ever makes one.
        var startsNothing: Bool {
            switch self {
            case .reception(let runsGetent, _): !runsGetent
            case .checkpassword: false
            case .login, .maildrop, .tlsRelay, .remoteDeliver, .charsetDecode: true
            }
        }

        /// What is in its memory must not get into a file, nor be read by another process of the same user.
        var keepsSecrets: Bool {
            switch self {
            case .reception(_, let seesPasswords): seesPasswords
            case .login, .checkpassword, .tlsRelay: true
            case .maildrop, .remoteDeliver, .charsetDecode: false
            }
        }
    }

    /// Behind the configuration, before a stranger's first byte. Who becomes somebody else by exec keeps nothing of it.
    ///
    /// No system holds root to a limit of processes: that half is for who works as another user, as all of these do where
    /// inetd.conf is ours. Undumpable rather than a limit of core files: that one does not keep the kernel from handing the
    /// memory to the program that `core_pattern` names.
    package static func enter(_ role: Role) throws(SystemError) {
        if role.startsNothing { try ResourceLimit.forbidProcesses() }
        if role.keepsSecrets { try Identity.becomeUndumpable() }
    }
}
