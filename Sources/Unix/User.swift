import Bytes
import CSystem

/// An account of this host.
package struct User: Equatable {
    package let name: String
    package let uid: UInt32
    package let gid: UInt32
    /// In whatever charset.
    package let gecos: [UInt8]
    package let home: String
    package let shell: String

    /// A line of passwd(5); nil if it is not one.
    init?(passwdLine line: ArraySlice<UInt8>) {
        let fields = line.split(separator: .ascii(":"), omittingEmptySubsequences: false)
        guard fields.count == 7, !fields[0].isEmpty,
            let uid = UInt32(strictDecimal: fields[2]), let gid = UInt32(strictDecimal: fields[3])
        else { return nil }
        func text(_ index: Int) -> String { String(decoding: fields[index], as: UTF8.self) }
        self.uid = uid
        self.gid = gid
        gecos = Array(fields[4])
        (name, home, shell) = (text(0), text(5), text(6))
    }

    /// The part of GECOS that is the person's name; `&` stands for the login name.
    package var fullName: [UInt8] {
        var login = Array(name.utf8)
        if let first = login.first { login[0] = first.uppercased }
        return gecos.prefix { $0 != .ascii(",") }.flatMap { $0 == .ascii("&") ? login : [$0] }
    }
}

/// Where accounts come from: passwd and group, read by ourselves, because a static program's getpwnam
/// loads plug-ins and dies of it; or the output of `getent`, where the configuration asks for it.
package struct UserDatabase {
    package enum Source: Equatable { case files, getent }

    private let source: Source
    private let passwdPath: String
    private let groupPath: String

    package init(_ source: Source = .files, passwd: String = "/etc/passwd", group: String = "/etc/group") {
        self.source = source
        passwdPath = passwd
        groupPath = group
    }

    package func user(named name: String) throws(SystemError) -> User? {
        let key = Array(name.utf8)
        guard !key.isEmpty, !key.contains(.ascii(":")), !key.contains(.lf) else { return nil }
        let start = key + [.ascii(":")]
        return try line(of: passwdPath, database: "passwd", key: name) { $0.starts(with: start) }.flatMap {
            User(passwdLine: $0)
        }
    }

    package func user(withID uid: UInt32) throws(SystemError) -> User? {
        try line(of: passwdPath, database: "passwd", key: String(uid)) { User(passwdLine: $0)?.uid == uid }
            .flatMap { User(passwdLine: $0) }
    }

    /// The numeric id of a group.
    package func group(named name: String) throws(SystemError) -> UInt32? {
        let start = Array(name.utf8) + [.ascii(":")]
        return try line(of: groupPath, database: "group", key: name) { $0.starts(with: start) }
            .flatMap { groupFields($0)?.gid }
    }

    /// The groups whose member list names the user, and the user's own.
    package func groups(of user: User) throws(SystemError) -> [UInt32] {
        var groups = [user.gid]
        let name = Array(user.name.utf8)
        for line in try contents(of: groupPath, database: "group", key: nil).split(separator: .lf) {
            guard let (gid, members) = groupFields(line), !groups.contains(gid) else { continue }
            if members.split(separator: .ascii(",")).contains(where: { $0.elementsEqual(name) }) {
                groups.append(gid)
            }
        }
        return groups
    }

    private func groupFields(_ line: ArraySlice<UInt8>) -> (gid: UInt32, members: ArraySlice<UInt8>)? {
        let fields = line.split(separator: .ascii(":"), omittingEmptySubsequences: false)
        guard fields.count == 4, let gid = UInt32(strictDecimal: fields[2]) else { return nil }
        return (gid, fields[3])
    }

    private func line(
        of path: String, database: String, key: String, where matches: (ArraySlice<UInt8>) -> Bool
    ) throws(SystemError) -> ArraySlice<UInt8>? {
        let bytes = try contents(of: path, database: database, key: key)
        var start = bytes.startIndex
        while start < bytes.endIndex {
            let end = bytes[start...].firstIndex(of: .lf) ?? bytes.endIndex
            let line = bytes[start..<end]
            if matches(line) { return line }
            start = end + 1
        }
        return nil
    }

    private func contents(of path: String, database: String, key: String?) throws(SystemError) -> [UInt8] {
        switch source {
        case .files: return try Path.contents(path) ?? []
        case .getent:
            let arguments = ["getent", database] + (key.map { ["--", $0] } ?? [])
            let (output, status) = try ChildProcess.output(of: "/usr/bin/getent", arguments: arguments)
            // 2: no such key.
            if status == .exited(0) || status == .exited(2) { return output }
            throw SystemError("getent", .inputOutput, database)
        }
    }
}
