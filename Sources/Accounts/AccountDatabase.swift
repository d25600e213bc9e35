import Bytes
package import Program
package import Unix

/// Who is who on this host: the system's accounts, and those of the users file (Dovecot's passwd-file). Whoever asks who
/// somebody is asks here, and carries the answer on.
package struct AccountDatabase {
    /// Why it cannot be said who somebody is.
    package enum Failure: Error, Equatable, CustomStringConvertible {
        case system(SystemError)
        /// The line of the users file that would say so says too little, or nonsense.
        case malformed(String)

        package var description: String {
            switch self {
            case .system(let error): error.description
            case .malformed(let text): text
            }
        }
    }

    private let system: SystemAccounts
    /// Empty: there is none.
    package let usersFile: String
    private let users: LatestFile?
    /// Beside the users file: the passwords, if those who only want to know who is there are to read the former.
    package var usersShadow: String { "\(usersFile).shadow" }

    package init(_ system: SystemAccounts, usersFile: String = "") {
        self.system = system
        self.usersFile = usersFile
        users = usersFile.isEmpty ? nil : LatestFile(usersFile)
    }

    // MARK: Mail

    /// Whose mail it is that is for `localPart`, in whatever case, at `domain` (nil: at any of local-domains): of who has a
    /// line with that domain, of who has one without, of the system's account. At a virtual domain the first alone counts.
    package func account(
        for localPart: [UInt8], at domain: [UInt8]?, isVirtual: Bool = false
    ) throws(Failure) -> Account? {
        guard Self.isName(localPart) else { return nil }
        if let line = try line(for: localPart, at: domain, alone: isVirtual) {
            let account: Account?
            do throws(SystemError) { account = try line.account(completedBy: system) } catch {
                throw .system(error)
            }
            guard let account else { throw .malformed("\(usersFile): \(line.fault)") }
            return account
        }
        do throws(SystemError) { return isVirtual ? nil : try systemAccount(for: localPart) } catch {
            throw .system(error)
        }
    }

    private func line(
        for localPart: [UInt8], at domain: [UInt8]?, alone: Bool
    ) throws(Failure) -> UserLine? {
        do throws(SystemError) {
            return try readUsersFile()?.user(localPart, at: domain, alone: alone)
        } catch {
            // Passwords are in it: who may not read it sees the system's accounts.
            if error.code == .accessDenied, !alone { return nil }
            throw .system(error)
        }
    }

    /// As it is written or in lower case.
    private func systemAccount(for localPart: [UInt8]) throws(SystemError) -> Account? {
        if let found = try system.account(named: String(decoding: localPart, as: UTF8.self)) { return found }
        let folded = localPart.folded()
        return folded == localPart ? nil : try system.account(named: String(decoding: folded, as: UTF8.self))
    }

    // MARK: Login

    /// The users file as it is now, with what it says of passwords; nil: there is none, and the system says who logs in.
    package func readUsersFile() throws(SystemError) -> PasswordFile? { try users?.read() }

    /// Who has that name at login: in `file`, which is the users file, or in the system where there is none. A line that
    /// says too little is nobody's.
    package func account(named name: [UInt8], in file: PasswordFile?) throws(SystemError) -> Account? {
        guard Self.isName(name) else { return nil }
        // Looked up whatever the file says, so that the time tells nothing.
        let known = try system.account(named: String(decoding: name, as: UTF8.self))
        guard let file else { return known }
        return file.user(named: name)?.account(completedBy: known)
    }

    /// Whose mailbox it is that has this name, whether or not it can be logged in to: by the users file, if this process may read
    /// it, and then by the system. Nobody is let in by this.
    package func owner(named name: [UInt8]) throws(SystemError) -> Account? {
        do throws(SystemError) {
            if let users = try readUsersFile(), let found = try account(named: name, in: users) {
                return found
            }
        } catch { guard error.code == .accessDenied else { throw error } }
        return try account(named: name, in: nil)
    }

    // MARK: Looking

    /// What `queue-runner --check` wants to know of the users file.
    package struct UsersFileReport {
        package fileprivate(set) var holdsPasswords = false
        /// Whether somebody in it is not the system's: it has to be read for their mail.
        package fileprivate(set) var hasOthers = false
        package fileprivate(set) var domains: Set<[UInt8]> = []
        /// What is wrong with lines, for people.
        package fileprivate(set) var faults: [String] = []
    }

    package func lookAtUsersFile() throws(SystemError) -> UsersFileReport {
        var report = UsersFileReport()
        for line in try readUsersFile()?.users ?? [] {
            if line.holdsPassword { report.holdsPasswords = true }
            guard let account = try line.account(completedBy: system) else {
                report.faults.append(line.fault)
                continue
            }
            if !account.isSystems { report.hasOthers = true }
            if let domain = account.domain { report.domains.insert(domain.folded()) }
        }
        return report
    }

    /// What a line can begin with.
    package static func isName(_ name: [UInt8]) -> Bool {
        !name.isEmpty && name.count <= 320 && name.first != .ascii("#")
            && name.allSatisfy { $0.isVisible && $0 != .ascii(":") && $0 != .ascii("/") }
    }
}

extension Configuration {
    package var systemAccounts: SystemAccounts { SystemAccounts(userSource) }
    package var accounts: AccountDatabase {
        AccountDatabase(systemAccounts, usersFile: usersFile)
    }

    package func mailboxPath(of account: Account) -> String {
        mailboxPath(user: account.name, home: account.home)
    }
}
