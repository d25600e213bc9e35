import Bytes
package import Unix

/// A user's own instructions, `~/.forward`: lists of targets, `#` begins a comment line. Read as the user,
/// and believed only if nobody else can have written it (T60).
package enum ForwardFile {
    package enum Failure: Error, Equatable, CustomStringConvertible {
        case system(SystemError)
        /// Somebody else may have written it; or it is no file, or too large: what, for the log.
        case unsafe(String)
        case malformed(line: Int)

        /// Whether it stays so until the user does something: nothing is gained by waiting.
        package var isUsersToMend: Bool {
            if case .system(let error) = self { error.code == .accessDenied } else { true }
        }

        package var description: String {
            switch self {
            case .system(let error): error.description
            case .unsafe(let text): text
            case .malformed(let line): "line \(line): no list of targets"
            }
        }
    }

    package static let largest = 65536

    /// The targets of the file `name` in a home directory; nil if there is no such file. One that says
    /// nothing has no targets, and means the mailbox.
    package static func targets(
        _ name: String, in home: borrowing Directory, owner: UInt32?
    ) throws(Failure) -> [Target]? {
        let file: Descriptor
        do throws(SystemError) {
            guard let opened = try home.openIfPresent(name, .read) else { return nil }
            file = opened
        } catch {
            if error.code == .tooManyLinks { throw .unsafe("is a symbolic link") }
            // A socket cannot be opened.
            if error.code == .noSuchDevice || error.code == .notSupported { throw .unsafe("is not a file") }
            throw .system(error)
        }
        return try targets(of: file, owner: owner)
    }

    /// What is wrong with such a list, whoever owns it; nil also where whoever asks cannot see it.
    static func fault(ofListAt path: [UInt8]) -> String? {
        do throws(Failure) {
            _ = try targets(atPath: String(decoding: path, as: UTF8.self), owner: nil)
            return nil
        } catch {
            guard case .system(let cause) = error else { return error.description }
            if cause.code == .noEntry { return "there is no such file" }
            return cause.code == .accessDenied ? nil : error.description
        }
    }

    /// Those of the file at a path; none there is an error.
    package static func targets(atPath path: String, owner: UInt32?) throws(Failure) -> [Target] {
        let (parent, name) = Path.split(path)
        let directory: Directory
        do throws(SystemError) { directory = try Directory(parent) } catch { throw .system(error) }
        guard let targets = try targets(name, in: directory, owner: owner) else {
            throw .system(SystemError("open", .noEntry, path))
        }
        return targets
    }

    private static func targets(
        of file: borrowing Descriptor, owner: UInt32?
    ) throws(Failure) -> [Target] {
        let status: FileStatus
        let bytes: [UInt8]?
        do throws(SystemError) {
            status = try file.status()
            bytes = status.kind == .regular ? try file.readAll(limit: largest) : []
        } catch { throw .system(error) }
        guard status.kind == .regular else { throw .unsafe("is not a file") }
        guard owner == nil || status.user == owner || status.user == 0 else {
            throw .unsafe("belongs to somebody else")
        }
        guard status.mode & 0o022 == 0 else { throw .unsafe("can be written by group or others") }
        guard let bytes else { throw .unsafe("is larger than \(largest) bytes") }
        return try parse(bytes)
    }

    package static func parse(_ bytes: [UInt8]) throws(Failure) -> [Target] {
        var targets: [Target] = []
        for (index, raw) in bytes.split(separator: .lf, omittingEmptySubsequences: false).enumerated() {
            let line = (raw.last == .cr ? raw.dropLast() : raw).trimmed()
            if line.isEmpty || line.first == .ascii("#") { continue }
            var cursor = Cursor(line)
            guard let found = try? cursor.targets(), targets.count + found.count <= Target.most else {
                throw .malformed(line: index + 1)
            }
            targets += found
        }
        return targets
    }

    /// Which files to look for, the first that is there counts: `.forward+EXTENSION`, `.forward`. An
    /// extension that could lead elsewhere has no file of its own.
    package static func names(for detail: [UInt8]?) -> [String] {
        guard let detail, !detail.isEmpty, detail.count <= 64, detail.first != .dot,
            detail.allSatisfy({ $0.isAlphanumeric || "-_.+=".utf8.contains($0) })
        else { return [".forward"] }
        return [".forward+" + String(decoding: detail.folded(), as: UTF8.self), ".forward"]
    }
}
