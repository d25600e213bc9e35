import Bytes
import Unix

/// A line of the users file, which is Dovecot's passwd-file: `user:{SCHEME}hash:uid:gid:gecos:home:shell:…`. Who has mail in one
/// domain only is called `user@domain`.
package struct UserLine {
    private let fields: [ArraySlice<UInt8>]

    init(_ line: ArraySlice<UInt8>) { fields = PasswordFile.fields(line) }

    package var name: [UInt8] { Array(fields[0]) }
    package var secret: [UInt8] { Array(field(1)) }
    /// Not where none is, or where it is said to be elsewhere.
    var holdsPassword: Bool { secret.count > 1 }
    private var hasDomain: Bool { fields[0].contains(.ascii("@")) }

    private func field(_ index: Int) -> ArraySlice<UInt8> { index < fields.count ? fields[index] : [] }

    /// uid, gid and home are those of the system's account of that name where they are empty. Nil if they are none.
    func account(completedBy system: SystemAccounts) throws(SystemError) -> Account? {
        account(
            completedBy: hasDomain ? nil : try system.account(named: String(decoding: name, as: UTF8.self)))
    }

    func account(completedBy known: Account?) -> Account? {
        guard let uid = field(2).isEmpty ? known?.uid : UInt32(strictDecimal: field(2)),
            let gid = field(3).isEmpty ? known?.gid : UInt32(strictDecimal: field(3)),
            field(5).isEmpty || field(5).first == .ascii("/")
        else { return nil }
        let isSystems = known?.uid == uid
        return Account(
            name: String(decoding: name, as: UTF8.self), uid: uid, gid: gid,
            home: field(5).isEmpty ? known?.home ?? "" : String(decoding: field(5), as: UTF8.self),
            shell: known?.shell ?? "/bin/sh", forwardHome: isSystems ? known?.home : nil,
            isSystems: isSystems)
    }

    /// What keeps it from being an account.
    var fault: String {
        "\(name.escaped(limit: 100)) needs a uid, a gid and a home that begins with /"
    }
}

extension PasswordFile {
    /// The first line for mail to `localPart`: one with that domain, or else one without any; `alone`: the former only.
    func user(_ localPart: [UInt8], at domain: [UInt8]?, alone: Bool) -> UserLine? {
        var shared: ArraySlice<UInt8>?
        for line in lines {
            guard let name = Self.name(line) else { continue }
            if let at = name.lastIndex(of: .ascii("@")) {
                if let domain, name[..<at].equalsFolded(localPart), name[(at + 1)...].equalsFolded(domain) {
                    return UserLine(line)
                }
            } else if !alone, shared == nil, name.equalsFolded(localPart) {
                shared = line
            }
        }
        return shared.map { UserLine($0) }
    }

    /// The line for a login. An address is the same in whatever case, as it is for mail.
    package func user(named name: [UInt8]) -> UserLine? {
        let isAddress = name.contains(.ascii("@"))
        let line = lines.first { line in
            guard let found = Self.name(line) else { return false }
            return isAddress ? found.equalsFolded(name) : found.elementsEqual(name)
        }
        return line.map { UserLine($0) }
    }

    var users: [UserLine] { lines.filter { Self.name($0) != nil }.map { UserLine($0) } }

    /// The name in front of a line; nil for a comment, and for what is no line.
    private static func name(_ line: ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
        guard line.first != .ascii("#"), let end = line.firstIndex(of: .ascii(":")), end > line.startIndex
        else { return nil }
        return line[..<end]
    }
}
