import Bytes
package import Unix

/// Where passwords are: the users file if there is one (Dovecot's passwd-file), else the system's passwd and
/// shadow.
package struct AccountDatabase {
    private let users: UserDatabase
    private let usersFile: String
    private let shadowFile: String
    private let firstUserID: UInt32

    package init(
        users: UserDatabase, usersFile: String, firstUserID: UInt32, shadowFile: String = "/etc/shadow"
    ) {
        self.users = users
        self.usersFile = usersFile
        self.firstUserID = firstUserID
        self.shadowFile = shadowFile
    }

    /// The account whose password this is; nil for a wrong name or password, and for accounts that may not log
    /// in. Each way to nil has computed one hash.
    package func verify(name: [UInt8], password: [UInt8]) throws(SystemError) -> Account? {
        let account = try find(name)
        let stored = account?.password ?? []
        let isRight = PasswordHash.matches(
            password, PasswordHash.isUsable(stored) ? stored : PasswordHash.decoy)
        guard let account, isRight, account.uid >= firstUserID, account.uid != 0, !account.home.isEmpty else {
            return nil
        }
        return account
    }

    private func find(_ name: [UInt8]) throws(SystemError) -> Account? {
        guard !name.isEmpty, name.count <= 255,
            name.allSatisfy({ $0.isVisible && $0 != .ascii(":") && $0 != .ascii("/") })
        else { return nil }
        return usersFile.isEmpty ? try systemAccount(name) : try virtualAccount(name)
    }

    private func systemAccount(_ name: [UInt8]) throws(SystemError) -> Account? {
        let text = String(decoding: name, as: UTF8.self)
        guard let user = try users.user(named: text), let shadow = try fields(of: name, in: shadowFile),
            shadow.count >= 2, !Self.isExpired(shadow), !Self.isClosed(user.shell)
        else { return nil }
        return Account(
            name: user.name, uid: user.uid, gid: user.gid, home: user.home, shell: user.shell,
            password: Array(shadow[1]))
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
    private func virtualAccount(_ name: [UInt8]) throws(SystemError) -> Account? {
        guard let line = try fields(of: name, in: usersFile), line.count >= 2 else { return nil }
        let text = String(decoding: name, as: UTF8.self)
        let user = try users.user(named: text)
        func field(_ index: Int) -> ArraySlice<UInt8> { index < line.count ? line[index] : [] }
        guard let uid = field(2).isEmpty ? user?.uid : UInt32(strictDecimal: field(2)),
            let gid = field(3).isEmpty ? user?.gid : UInt32(strictDecimal: field(3))
        else { return nil }
        let home = field(5).isEmpty ? user?.home ?? "" : String(decoding: field(5), as: UTF8.self)
        return Account(
            name: text, uid: uid, gid: gid, home: home, shell: user?.shell ?? "/bin/sh",
            password: Array(line[1]))
    }

    /// The fields of the line that begins with `name:`.
    private func fields(of name: [UInt8], in path: String) throws(SystemError) -> [ArraySlice<UInt8>]? {
        guard let bytes = try Path.contents(path) else { throw SystemError("open", .noEntry, path) }
        let line = bytes.split(separator: .lf).first { $0.starts(with: name + [.ascii(":")]) }
        return line.map { $0.split(separator: .ascii(":"), omittingEmptySubsequences: false) }
    }
}
