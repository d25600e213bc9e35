import Accounts
import Program
import Unix

/// What all checks start from: the configuration, whose queue it is, who asks, and where the programs are.
struct Installation {
    let configuration: Configuration
    /// As it was named on the command line.
    let configurationPath: String?
    /// Owner of the queue's directory; nil if there is none.
    let queueOwner: UInt32?
    let askedBy: UInt32
    /// The six users, those that exist; in a private instance none.
    let accounts: [Account]
    /// Where inetd's programs are, and the directory of sendmail's names.
    let libexec: String
    let sbin: String

    init(_ configuration: Configuration, path: String?) {
        self.configuration = configuration
        configurationPath = path
        queueOwner = ((try? Path.status(configuration.queueDirectory)) ?? nil)?.user
        askedBy = Identity.effectiveUser
        let database = configuration.systemAccounts
        accounts = Role.users.compactMap { (try? database.account(named: $0)) ?? nil }
        sbin = Path.split((try? Path.ofThisProgram()) ?? "/usr/local/sbin/queue-runner").directory
        // In a build directory all are together.
        let installed = "\(Path.split(sbin).directory)/libexec/relais"
        let isInstalled = ((try? Path.status("\(installed)/smtpd")) ?? nil) != nil
        libexec = isInstalled ? installed : sbin
    }

    func account(_ name: String) -> Account? { accounts.first { $0.name == name } }

    /// An instance that an ordinary user runs, with that user in the place of all others.
    var isPrivate: Bool {
        guard let owner = queueOwner, owner != 0 else { return false }
        return owner != account("relaisq")?.uid
    }

    /// The name of the one user of a private instance.
    var privateUser: String? {
        guard isPrivate, let owner = queueOwner else { return nil }
        return ((try? configuration.systemAccounts.account(withID: owner)) ?? nil)?.name ?? String(owner)
    }

    /// Who runs a row of the table here.
    func user(of role: Role) -> String { privateUser ?? role.user }

    /// Whether this process sees what it wants.
    var seesAll: Bool { askedBy == 0 || isPrivate && askedBy == queueOwner }
}
