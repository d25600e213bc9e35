package import Accounts
import Bytes
package import Unix

/// Where passwords are: in the users file if there is one (Dovecot's passwd-file), else in the system's shadow. Who somebody
/// is `accounts` knows.
package struct PasswordDatabase {
    private let accounts: AccountDatabase
    private let shadowFile: String
    private let firstUserID: UInt32
    /// Whether mailboxes are in home directories: who has none cannot log in then.
    private let needsHome: Bool

    package init(
        _ accounts: AccountDatabase, firstUserID: UInt32, needsHome: Bool = true,
        shadowFile: String = "/etc/shadow"
    ) {
        self.needsHome = needsHome
        self.accounts = accounts
        self.firstUserID = firstUserID
        self.shadowFile = shadowFile
    }

    /// The account whose password this is; nil for a wrong name or password, and for accounts that may not log
    /// in. Each way to nil does the same work: how long it takes tells nobody who exists.
    package func verify(name: [UInt8], password: [UInt8]) throws(SystemError) -> Account? {
        let (file, candidate) =
            if let users = try accounts.readUsersFile() {
                try userCandidate(name, users)
            } else { try systemCandidate(name) }
        var verdict = PasswordHash.check(password, against: candidate?.secret ?? [])
        if verdict == .unusable {
            file.pretendToCheck(password, of: name)
            verdict = .wrong
        }
        guard verdict == .right, let candidate, candidate.isOpen else { return nil }
        let account = candidate.account
        guard account.uid >= firstUserID, account.uid != 0, !account.home.isEmpty || !needsHome else {
            return nil
        }
        return account
    }

    private struct Candidate {
        let account: Account
        let secret: [UInt8]
        /// Neither expired nor closed by its shell.
        let isOpen: Bool
    }

    private func systemCandidate(_ name: [UInt8]) throws(SystemError) -> (PasswordFile, Candidate?) {
        let file = try PasswordFile(shadowFile)
        guard let account = try accounts.account(named: name, in: nil), let line = file.fields(of: name),
            line.count >= 2
        else { return (file, nil) }
        let isOpen = !Self.isExpired(line) && !Self.isClosed(account.shell)
        return (file, Candidate(account: account, secret: Array(line[1]), isOpen: isOpen))
    }

    /// As with passwd and shadow, a password `x` is in another file, which those need not read who want to know who is there.
    private func userCandidate(
        _ name: [UInt8], _ users: PasswordFile
    ) throws(SystemError) -> (PasswordFile, Candidate?) {
        let hasShadow = try Path.status(accounts.usersShadow) != nil
        let shadow = hasShadow ? try PasswordFile(accounts.usersShadow) : nil
        let file = shadow ?? users
        guard let account = try accounts.account(named: name, in: users), let line = users.user(named: name)
        else {
            return (file, nil)
        }
        let isElsewhere = line.secret == [.ascii("x")]
        let secret = isElsewhere ? shadow?.user(named: line.name)?.secret ?? [] : line.secret
        return (file, Candidate(account: account, secret: secret, isOpen: true))
    }

    /// shadow(5): the eighth field is the day on which the account ends.
    private static func isExpired(_ shadow: [ArraySlice<UInt8>]) -> Bool {
        guard shadow.count >= 8, let day = Int64(strictDecimal: shadow[7]) else { return false }
        return Time.now().seconds / 86400 >= day
    }

    /// nologin(8) as a shell closes an account. Who is to read mail and nothing else has a line in the users file.
    private static func isClosed(_ shell: String) -> Bool {
        ["nologin", "false"].contains(Path.split(shell).name)
    }
}

extension PasswordFile {
    /// Checks the password of a name that has no hash of its own against somebody's, for the time that it takes:
    /// always the same one's for a name, so that names that do not exist are mixed as the others are where some
    /// hashes take longer.
    func pretendToCheck(_ password: [UInt8], of name: [UInt8]) {
        for decoy in decoys(for: name) where PasswordHash.check(password, against: decoy) != .unusable {
            return
        }
        _ = PasswordHash.check(password, against: PasswordHash.decoy)
    }

    func decoys(for name: [UInt8]) -> some Sequence<[UInt8]> {
        let start = lines.isEmpty ? 0 : Int(name.checksum % UInt64(lines.count))
        return (lines[start...] + lines[..<start]).lazy.map { Self.fields($0) }
            .filter { $0.count >= 2 && PasswordHash.isUsable($0[1]) }.map { Array($0[1]) }
    }
}

extension [UInt8] {
    /// FNV-1a, 64 bits: places in tables.
    var checksum: UInt64 { reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 } }
}
