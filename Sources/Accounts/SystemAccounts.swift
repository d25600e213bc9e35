import Bytes
package import Program
package import Unix

/// The system's accounts, from passwd and group: read by ourselves, because a static program's getpwnam loads plug-ins
/// and dies of it; or the output of `getent`, where the configuration asks for it. Services' accounts and people who call a
/// program are these alone.
package struct SystemAccounts {
    private let source: Configuration.UserSource
    private let passwdPath: String
    private let groupPath: String

    package init(
        _ source: Configuration.UserSource = .files, passwd: String = "/etc/passwd",
        group: String = "/etc/group"
    ) {
        self.source = source
        passwdPath = passwd
        groupPath = group
    }

    package func account(named name: String) throws(SystemError) -> Account? {
        let key = Array(name.utf8)
        guard !key.isEmpty, !key.contains(.ascii(":")), !key.contains(.lf) else { return nil }
        let start = key + [.ascii(":")]
        return try line(of: passwdPath, database: "passwd", key: name) { $0.starts(with: start) }.flatMap {
            Account(passwdLine: $0)
        }
    }

    package func account(withID uid: UInt32) throws(SystemError) -> Account? {
        try line(of: passwdPath, database: "passwd", key: String(uid)) { Account(passwdLine: $0)?.uid == uid }
            .flatMap { Account(passwdLine: $0) }
    }

    /// The numeric id of a group.
    package func group(named name: String) throws(SystemError) -> UInt32? {
        let start = Array(name.utf8) + [.ascii(":")]
        return try line(of: groupPath, database: "group", key: name) { $0.starts(with: start) }
            .flatMap { groupFields($0)?.gid }
    }

    /// The groups that a process of the account has: its own and, if it is the system's, those whose member list names it.
    package func groups(of account: Account) throws(SystemError) -> [UInt32] {
        var groups = [account.gid]
        guard account.isSystems else { return groups }
        let name = Array(account.name.utf8)
        for line in try contents(of: groupPath, database: "group", key: nil).split(separator: .lf) {
            guard let (gid, members) = groupFields(line), !groups.contains(gid) else { continue }
            if members.split(separator: .ascii(",")).contains(where: { $0.elementsEqual(name) }) {
                groups.append(gid)
            }
        }
        return groups
    }

    /// Becomes the account for good; see `Identity.become`.
    package func become(_ account: Account, keeping group: UInt32? = nil) throws(SystemError) {
        try Identity.become(
            user: account.uid, group: account.gid, groups: try groups(of: account), keeping: group)
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

extension Account {
    /// A line of passwd(5); nil if it is not one.
    init?(passwdLine line: ArraySlice<UInt8>) {
        let fields = PasswordFile.fields(line)
        guard fields.count == 7, !fields[0].isEmpty,
            let uid = UInt32(strictDecimal: fields[2]), let gid = UInt32(strictDecimal: fields[3])
        else { return nil }
        func text(_ index: Int) -> String { String(decoding: fields[index], as: UTF8.self) }
        self.init(
            name: text(0), uid: uid, gid: gid, home: text(5), shell: text(6), gecos: Array(fields[4]),
            isSystems: true)
    }
}

/// A file with a line an account, its name and what its password became in front: shadow(5), Dovecot's passwd-file.
package struct PasswordFile {
    package let lines: [ArraySlice<UInt8>]

    package init(_ path: String) throws(SystemError) {
        guard let bytes = try Path.contents(path) else { throw SystemError("open", .noEntry, path) }
        lines = bytes.split(separator: .lf)
    }

    /// The fields of the line that begins with `name:`.
    package func fields(of name: [UInt8]) -> [ArraySlice<UInt8>]? {
        let start = name + [.ascii(":")]
        return lines.first { $0.starts(with: start) }.map(Self.fields)
    }

    package static func fields(_ line: ArraySlice<UInt8>) -> [ArraySlice<UInt8>] {
        line.split(separator: .ascii(":"), omittingEmptySubsequences: false)
    }
}

/// Such a file, held for who has many questions, and read again when it has changed: one costs a stat.
final class LatestFile {
    private let path: String
    private var held: (status: FileStatus, file: PasswordFile)?

    init(_ path: String) { self.path = path }

    func read() throws(SystemError) -> PasswordFile {
        // Before it is read: what changes meanwhile is read again.
        let status = try Path.status(path)
        if let held, held.status == status { return held.file }
        let file = try PasswordFile(path)
        held = status.map { ($0, file) }
        return file
    }
}
