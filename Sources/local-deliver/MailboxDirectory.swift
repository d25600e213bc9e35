import Accounts
import Bytes
import Program
import Unix

/// Where a user's mailbox is, and what root does for it before it becomes the user.
enum MailboxDirectory {
    /// For an mbox outside the home: makes it if it is missing, because the user may not be allowed to; and
    /// says which group may make a lock file beside it, if the user may not.
    static func prepare(for account: Account, _ configuration: Configuration) throws(AccountFailure)
        -> UInt32?
    {
        let template = configuration.mailbox
        guard Identity.isRoot, template.hasPrefix("/"), !template.hasSuffix("/") else { return nil }
        let (parent, name) = Path.split(configuration.mailboxPath(of: account))
        do throws(SystemError) {
            let directory = try Directory(parent)
            let status = try directory.descriptor.status()
            // In a directory that others own or may write to, what stands there is not ours to believe, and
            // what we make could be turned into something else between two steps.
            let isOurs = status.user == 0 && (status.mode & 0o002 == 0 || status.mode & 0o1000 != 0)
            guard isOurs else { return nil }
            if try directory.status(of: name) == nil {
                let file = try directory.open(name, .createNew(mode: 0o600))
                try file.setOwner(user: account.uid, group: status.group)
            }
            return status.mode & 0o020 != 0 ? status.group : nil
        } catch {
            // Another deliverer may have made it in the meantime.
            if error.code == .exists { return nil }
            throw AccountFailure("mailbox cannot be made: \(error)")
        }
    }
}
