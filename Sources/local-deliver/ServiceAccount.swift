import Accounts
import Program
import Unix

/// The accounts of an installed relais that local-deliver has to do with.
enum ServiceAccount {
    /// The queue-runner's: besides root the only one that is listened to.
    static let queue = "relaisq"
    /// Runs what the aliases file names, and keeps root's mail.
    static let aliases = "relaisa"

    private static let all = [queue, aliases, "relaisd", "relaisn", "relaisr", "relaist"]

    /// Who does what is done under relais's own rights: in a private instance whoever runs it.
    static func serving(_ accounts: SystemAccounts) throws(SystemError) -> Account? {
        Identity.isRoot
            ? try accounts.account(named: aliases) : try accounts.account(withID: Identity.user)
    }

    /// Why this process, which is not root, is not the one to deliver; nil for a private instance, whose queue
    /// belongs to the ordinary user who runs it. An installed queue is another account's, or that of one of ours:
    /// then inetd.conf (or systemd's unit) has the wrong user, every recipient would look unknown, and nothing of that is the mail's
    /// fault.
    static func lackOfRights(_ configuration: Configuration) -> String? {
        guard !Identity.isRoot else { return nil }
        let own = Identity.user
        let owner = (try? Path.status(configuration.queueDirectory))??.user
        let name = (try? configuration.systemAccounts.account(withID: own))??.name
        if owner == own, !all.contains(name ?? "") { return nil }
        return "local-deliver runs as \(name ?? "uid \(own)"), and must be root: "
            + "mend the user in the line for \(configuration.serviceSocket("queue/local")) in inetd.conf, or User= in relais-local@.service"
    }
}
