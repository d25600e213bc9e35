package import Unix

/// What a program gives up before it reads a stranger's first byte. One case a role, one call to enter it.
///
/// Today that is the way to new rights: behind `enter` no exec, of a set-user-ID program or of any other, gives this
/// process or its children more than it has (Linux: no_new_privs). Filters of system calls and of paths belong here, too.
package enum Sandbox {
    package enum Role {
        case smtpd, pop3d, imapd, remoteDeliver, tlsRelay, queueRunner, charsetDecode
        /// Has a user's rights soon; what it execs needs no more.
        case checkpassword
    }

    /// local-deliver and sendmail-compat have no role: what a user's command runs may be set-group-ID, and so is the latter.
    package static func enter(_ role: Role) throws(SystemError) { try Identity.renounceNewRights() }
}
