import Bytes
package import Program
package import Unix

/// Who is who on this host: the system's accounts, and those of the users file (Dovecot's passwd-file). Whoever asks who
/// somebody is asks here, and carries the answer on.
package struct AccountDatabase {
    private let system: SystemAccounts
    private let usersFile: String

    package init(_ system: SystemAccounts, usersFile: String = "") {
        self.system = system
        self.usersFile = usersFile
    }

    // MARK: Mail

    /// Whose mail it is that is for `localPart`, as it is written or in lower case.
    package func account(for localPart: [UInt8], at domain: [UInt8]?) throws(SystemError) -> Account? {
        guard Self.isName(localPart) else { return nil }
        if let found = try system.account(named: String(decoding: localPart, as: UTF8.self)) { return found }
        let folded = localPart.folded()
        return folded == localPart ? nil : try system.account(named: String(decoding: folded, as: UTF8.self))
    }

    // MARK: Login

    /// Whether the users file says who logs in; else it is the system that does.
    package var hasUsersFile: Bool { !usersFile.isEmpty }

    /// The users file, read once for a login: it holds the passwords, too.
    package func readUsersFile() throws(SystemError) -> PasswordFile { try PasswordFile(usersFile) }

    /// Who has that name at login: in `file`, which is the users file, or in the system where there is none.
    package func account(
        named name: [UInt8], in file: PasswordFile?
    ) throws(SystemError) -> Account? {
        guard Self.isName(name) else { return nil }
        let known = try system.account(named: String(decoding: name, as: UTF8.self))
        guard let file else { return known }
        return file.fields(of: name).flatMap { Self.account(name, $0, known) }
    }

    /// Whose mailbox it is that has this name, whether or not it can be logged in to: by the users file, if this process may read
    /// it, and then by the system. Nobody is let in by this.
    package func owner(named name: [UInt8]) throws(SystemError) -> Account? {
        if hasUsersFile {
            do throws(SystemError) {
                if let found = try account(named: name, in: try readUsersFile()) { return found }
            } catch { guard error.code == .accessDenied else { throw error } }
        }
        return try account(named: name, in: nil)
    }

    /// What a line can begin with.
    package static func isName(_ name: [UInt8]) -> Bool {
        !name.isEmpty && name.count <= 256
            && name.allSatisfy { $0.isVisible && $0 != .ascii(":") && $0 != .ascii("/") }
    }

    /// `user:{SCHEME}hash:uid:gid:gecos:home:shell`; uid, gid and home of a system account where they are empty.
    private static func account(
        _ name: [UInt8], _ line: [ArraySlice<UInt8>], _ known: Account?
    ) -> Account? {
        func field(_ index: Int) -> ArraySlice<UInt8> { index < line.count ? line[index] : [] }
        guard line.count >= 2, let uid = field(2).isEmpty ? known?.uid : UInt32(strictDecimal: field(2)),
            let gid = field(3).isEmpty ? known?.gid : UInt32(strictDecimal: field(3))
        else { return nil }
        return Account(
            name: String(decoding: name, as: UTF8.self), uid: uid, gid: gid,
            home: field(5).isEmpty ? known?.home ?? "" : String(decoding: field(5), as: UTF8.self),
            shell: known?.shell ?? "/bin/sh", isSystems: known?.uid == uid)
    }
}

extension Configuration {
    package var systemAccounts: SystemAccounts { SystemAccounts(userSource) }
    package var accounts: AccountDatabase { AccountDatabase(systemAccounts, usersFile: usersFile) }

    package func mailboxPath(of account: Account) -> String {
        mailboxPath(user: account.name, home: account.home)
    }
}
