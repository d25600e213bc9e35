import Bytes

/// Somebody of this host: who has mail here, may log in, or runs a program.
package struct Account: Hashable {
    /// As passwd(5) or the users file has it, and so at login, in the environment and in the log.
    package let name: String
    package let uid: UInt32
    package let gid: UInt32
    package let home: String
    package let shell: String
    /// In whatever charset; of the system's accounts only.
    package let gecos: [UInt8]
    /// Whether the system knows it by this name and uid: then it has its groups.
    package let isSystems: Bool

    package init(
        name: String, uid: UInt32, gid: UInt32, home: String, shell: String, gecos: [UInt8] = [],
        isSystems: Bool
    ) {
        self.name = name
        self.uid = uid
        self.gid = gid
        self.home = home
        self.shell = shell
        self.gecos = gecos
        self.isSystems = isSystems
    }

    /// The part of GECOS that is the person's name; `&` stands for the login name.
    package var fullName: [UInt8] {
        var login = Array(name.utf8)
        if let first = login.first { login[0] = first.uppercased }
        return gecos.prefix { $0 != .ascii(",") }.flatMap { $0 == .ascii("&") ? login : [$0] }
    }
}
