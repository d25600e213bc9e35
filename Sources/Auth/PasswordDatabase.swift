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
        let file = accounts.hasUsersFile ? try accounts.readUsersFile() : try PasswordFile(shadowFile)
        let account = try accounts.account(named: name, in: accounts.hasUsersFile ? file : nil)
        let line = account == nil ? nil : file.fields(of: name)
        let stored = line.flatMap { $0.count >= 2 ? Array($0[1]) : nil }
        var verdict = PasswordHash.check(password, against: stored ?? [])
        if verdict == .unusable {
            file.pretendToCheck(password, of: name)
            verdict = .wrong
        }
        guard verdict == .right, let account, let line else { return nil }
        let isOpen = accounts.hasUsersFile || !Self.isExpired(line) && !Self.isClosed(account.shell)
        guard isOpen, account.uid >= firstUserID, account.uid != 0, !account.home.isEmpty || !needsHome else {
            return nil
        }
        return account
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
