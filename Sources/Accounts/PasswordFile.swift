import Bytes
package import Unix

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
