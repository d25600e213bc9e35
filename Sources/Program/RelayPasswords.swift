import Bytes
import Unix

/// The file of relay-passwords: at which host we log in as whom. A line is `host login password`; the host may have a port, and
/// then it is for that port alone; the password goes on to the end of the line, without blanks around it. Lines that begin with
/// `#`, and empty ones, say nothing.
package struct RelayPasswords {
    package struct Login: Equatable {
        package let user: [UInt8]
        package let password: [UInt8]
    }

    private struct Line {
        let host: [UInt8]
        let port: UInt16?
        let login: Login
    }

    private var lines: [Line] = []

    private static let longest = 1 << 20

    /// Fails where the file is not there, is open to others than its owner, or has a line that is none.
    package static func read(_ path: String) throws(ConfigurationError) -> RelayPasswords {
        let mode: UInt32
        let bytes: [UInt8]?
        do throws(SystemError) {
            let file = try Path.openFile(path)
            mode = try file.status().mode
            bytes = try file.readAll(limit: longest)
        } catch {
            throw ConfigurationError(file: path, line: 0, message: "cannot be read: \(error)")
        }
        guard mode & 0o077 == 0 else {
            throw ConfigurationError(
                file: path, line: 0,
                message: "others may read or change the passwords in it: chmod 0600 \(path)")
        }
        guard let bytes else { throw ConfigurationError(file: path, line: 0, message: "is too large") }
        return try RelayPasswords(bytes, file: path)
    }

    package init(_ bytes: [UInt8], file: String) throws(ConfigurationError) {
        for (index, text) in bytes.split(separator: .lf, omittingEmptySubsequences: false).enumerated() {
            var rest = text.trimmed()
            guard let first = rest.first, first != .ascii("#") else { continue }
            let host = Self.word(&rest)
            let user = Self.word(&rest)
            guard !user.isEmpty, !rest.isEmpty, !rest.contains(where: { $0.isControl }),
                let relay = RelayHost(String(decoding: host, as: UTF8.self)), relay.login == nil,
                !RelayHost.hasScheme(host)
            else {
                throw ConfigurationError(
                    file: file, line: index + 1,
                    message: "expected `host login password`, or `host:port login password`")
            }
            lines.append(
                Line(host: relay.host, port: relay.port, login: Login(user: user, password: Array(rest))))
        }
    }

    private static func word(_ rest: inout ArraySlice<UInt8>) -> [UInt8] {
        let word = rest.prefix { !$0.isWhitespace }
        rest = rest[word.endIndex...].trimmed()
        return Array(word)
    }

    /// The first line for this host, its port and its login. `standardPort`: the one that holds where the relay names none.
    package func login(at relay: RelayHost, standardPort: UInt16) -> Login? {
        let port = relay.port ?? (relay.scheme == .smtps ? RelayHost.submissionsPort : standardPort)
        return lines.first { line in
            line.host == relay.host && line.port.map { $0 == port } ?? true
                && relay.login.map { $0 == line.login.user } ?? true
        }?.login
    }
}
