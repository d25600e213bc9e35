import Bytes
package import Unix

/// Where passwords are: the users file if there is one (Dovecot's passwd-file), else the system's passwd and
/// shadow.
package struct AccountDatabase {
    private let users: UserDatabase
    private let usersFile: String
    private let shadowFile: String
    private let firstUserID: UInt32
    /// Whether mailboxes are in home directories: who has none cannot log in then.
    private let needsHome: Bool

    package init(
        users: UserDatabase, usersFile: String, firstUserID: UInt32, needsHome: Bool = true,
        shadowFile: String = "/etc/shadow"
    ) {
        self.needsHome = needsHome
        self.users = users
        self.usersFile = usersFile
        self.firstUserID = firstUserID
        self.shadowFile = shadowFile
    }

    /// The account whose password this is; nil for a wrong name or password, and for accounts that may not log
    /// in. Each way to nil does the same work: how long it takes tells nobody who exists.
    package func verify(name: [UInt8], password: [UInt8]) throws(SystemError) -> Account? {
        let file = try PasswordFile(usersFile.isEmpty ? shadowFile : usersFile)
        let candidate = try find(name, in: file)
        var verdict = PasswordHash.check(password, against: candidate?.account.password ?? [])
        if verdict == .unusable {
            file.pretendToCheck(password, of: name)
            verdict = .wrong
        }
        guard let candidate, candidate.isOpen, verdict == .right else { return nil }
        let account = candidate.account
        guard account.uid >= firstUserID, account.uid != 0, !account.home.isEmpty || !needsHome else {
            return nil
        }
        return account
    }

    /// Whose mailbox it is that has this name, whether or not it can be logged in to: by the users file, if this process may read
    /// it, and then by the system. Nobody is let in by this.
    package func account(named name: [UInt8]) throws(SystemError) -> Account? {
        guard Self.isName(name) else { return nil }
        let user = try users.user(named: String(decoding: name, as: UTF8.self))
        if !usersFile.isEmpty {
            do throws(SystemError) {
                let line = try PasswordFile(usersFile).fields(of: name) ?? []
                if line.count >= 2, let found = virtualAccount(name, user, line) { return found.account }
            } catch { guard error.code == .accessDenied else { throw error } }
        }
        return user.map {
            Account(name: $0.name, uid: $0.uid, gid: $0.gid, home: $0.home, shell: $0.shell, password: [])
        }
    }

    /// What a line can begin with.
    private static func isName(_ name: [UInt8]) -> Bool {
        !name.isEmpty && name.count <= 255
            && name.allSatisfy { $0.isVisible && $0 != .ascii(":") && $0 != .ascii("/") }
    }

    private struct Candidate {
        let account: Account
        /// Neither expired nor closed by its shell.
        let isOpen: Bool
    }

    private func find(_ name: [UInt8], in file: PasswordFile) throws(SystemError) -> Candidate? {
        guard Self.isName(name) else { return nil }
        let user = try users.user(named: String(decoding: name, as: UTF8.self))
        guard let line = file.fields(of: name), line.count >= 2 else { return nil }
        return usersFile.isEmpty ? systemAccount(user, line) : virtualAccount(name, user, line)
    }

    private func systemAccount(_ user: User?, _ shadow: [ArraySlice<UInt8>]) -> Candidate? {
        guard let user else { return nil }
        let account = Account(
            name: user.name, uid: user.uid, gid: user.gid, home: user.home, shell: user.shell,
            password: Array(shadow[1]))
        return Candidate(account: account, isOpen: !Self.isExpired(shadow) && !Self.isClosed(user.shell))
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

    /// `user:{SCHEME}hash:uid:gid:gecos:home:shell`; uid, gid and home of a system account where they are empty.
    private func virtualAccount(
        _ name: [UInt8], _ user: User?, _ line: [ArraySlice<UInt8>]
    ) -> Candidate? {
        func field(_ index: Int) -> ArraySlice<UInt8> { index < line.count ? line[index] : [] }
        guard let uid = field(2).isEmpty ? user?.uid : UInt32(strictDecimal: field(2)),
            let gid = field(3).isEmpty ? user?.gid : UInt32(strictDecimal: field(3))
        else { return nil }
        let home = field(5).isEmpty ? user?.home ?? "" : String(decoding: field(5), as: UTF8.self)
        let account = Account(
            name: String(decoding: name, as: UTF8.self), uid: uid, gid: gid, home: home,
            shell: user?.shell ?? "/bin/sh", password: Array(line[1]))
        return Candidate(account: account, isOpen: true)
    }
}
