import TemporaryPlaces
import Unix

@testable import MailStore

/// A Maildir of its own for a test.
final class TemporaryMaildir {
    let path: String
    private let directory: TemporaryDirectory

    init() throws {
        directory = try TemporaryDirectory()
        path = directory.path + "/Maildir/"
        _ = try MaildirDelivery(path, host: "h")
    }

    /// Runs a program of the system's on files of the test.
    func run(_ words: String...) {
        _ = try? ChildProcess.output(of: "/bin/" + words[0], arguments: words)
    }

    func write(_ name: String, _ text: String) throws {
        let (parent, name) = Path.split(path + name)
        try Directory(parent).open(name, .create(mode: 0o600)).write(Array(text.utf8))
    }

    func read(_ name: String) throws -> String? {
        try Path.contents(path + name).map { String(decoding: $0, as: UTF8.self) }
    }

    func folder(readOnly: Bool = false) throws -> Folder { try Folder(path, readOnly: readOnly) }
}
