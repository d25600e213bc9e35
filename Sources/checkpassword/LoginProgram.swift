import Accounts
import Program
import Unix

/// The program that follows a login, in two steps: what can fail comes first, while the one that asked can still be
/// told that it was not possible.
struct LoginProgram {
    let program: String
    let arguments: [String]
    let configuration: Configuration

    /// Becomes the user, in the home directory. When this has failed, what rights are left is not known: the process
    /// must do nothing for anybody else.
    func become(_ account: Account) throws(SystemError) {
        try configuration.systemAccounts.become(account)
        do throws(SystemError) {
            if hasMailboxInHome(account) { try account.makeHome() }
            try Path.changeDirectory(to: account.home)
        } catch {
            // Who needs nothing of the home directory can do without it.
            guard !hasMailboxInHome(account) else { throw error }
            try Path.changeDirectory(to: "/")
        }
        guard Path.isExecutable(program) else { throw SystemError("exec", .current, program) }
    }

    private func hasMailboxInHome(_ account: Account) -> Bool {
        !account.home.isEmpty && configuration.mailboxPath(of: account).hasPrefix(account.home + "/")
    }

    /// Returns only when it failed.
    func execute(as account: Account) -> SystemError {
        let home = account.home.isEmpty ? "/nonexistent" : account.home
        let environment = [
            "USER=\(account.name)", "HOME=\(home)", "SHELL=\(account.shell)",
            "PATH=/usr/local/bin:/usr/bin:/bin",
        ]
        return ChildProcess.replaceSelf(with: program, arguments: arguments, environment: environment)
    }
}
