import Bytes
package import Unix

/// Somebody of this host: who has mail here, may log in, or runs a program.
package struct Account: Hashable {
    /// As passwd(5) or the users file has it, and so at login, in the environment and in the log.
    package let name: String
    package let uid: UInt32
    package let gid: UInt32
    /// Where the mailbox is, unless that is elsewhere.
    package let home: String
    /// Where the account's own instructions are. What the system's users write themselves is in the home of passwd(5), also where
    /// the users file has another for their mail.
    package let forwardHome: String
    package let shell: String
    /// In whatever charset; of the system's accounts only.
    package let gecos: [UInt8]
    /// Whether the system knows it by this name and uid: then it has its groups, and somebody has made its home.
    package let isSystems: Bool

    package init(
        name: String, uid: UInt32, gid: UInt32, home: String, shell: String, gecos: [UInt8] = [],
        forwardHome: String? = nil, isSystems: Bool
    ) {
        self.name = name
        self.uid = uid
        self.gid = gid
        self.home = home
        self.forwardHome = forwardHome ?? home
        self.shell = shell
        self.gecos = gecos
        self.isSystems = isSystems
    }

    /// What it has mail under: at `domain` alone or, where that is nil, at all of local-domains.
    package var localPart: [UInt8] {
        let name = Array(name.utf8)
        return isSystems ? name : Array(name[..<(name.lastIndex(of: .ascii("@")) ?? name.endIndex)])
    }
    package var domain: [UInt8]? {
        let name = Array(name.utf8)
        return isSystems ? nil : name.lastIndex(of: .ascii("@")).map { Array(name[($0 + 1)...]) }
    }

    /// Makes the home, and what is missing above it, as the account, which this process has become: for users of the users
    /// file, for whom nobody else may have done it. Where the account may not, it stays missing.
    package func makeHome() throws(SystemError) {
        guard !isSystems, home.hasPrefix("/"), try Path.status(home) == nil else { return }
        var path = ""
        for name in home.split(separator: "/") {
            let parent = path.isEmpty ? "/" : path
            path += "/\(name)"
            if try Path.status(path) == nil {
                _ = try Directory(parent).makeDirectory(String(name), mode: 0o700)
            }
        }
    }

    /// The part of GECOS that is the person's name; `&` stands for the login name.
    package var fullName: [UInt8] {
        var login = Array(name.utf8)
        if let first = login.first { login[0] = first.uppercased }
        return gecos.prefix { $0 != .ascii(",") }.flatMap { $0 == .ascii("&") ? login : [$0] }
    }
}
