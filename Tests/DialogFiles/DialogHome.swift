import Bytes
import TemporaryPlaces
package import Unix

/// A home of its own for a dialog, and the shell that other programs stand for.
package final class DialogHome {
    private let directory: TemporaryDirectory
    package var path: String { directory.path }
    private let prelude: [UInt8]

    package init() throws(SystemError) {
        directory = try TemporaryDirectory()
        prelude = try Path.contents(Path.split(#filePath).directory + "/prelude.sh") ?? []
    }

    func write(_ name: String, _ text: [UInt8]) throws(SystemError) {
        let (parent, name) = Path.split("\(path)/\(name)")
        let directory = try Directory(parent)
        try directory.removeIfPresent(name)
        try directory.open(name, .createNew(mode: 0o600)).write(text)
    }

    /// What the command says. One that fails has not done what the dialog is about.
    @discardableResult
    func shell(_ command: [UInt8]) throws(SystemError) -> [UInt8] {
        let text = String(decoding: prelude + command, as: UTF8.self)
        let (output, status) = try ChildProcess.output(
            of: "/bin/sh", arguments: ["sh", "-euc", text, "sh", path])
        guard status == .exited(0) else { throw SystemError("sh", .invalid, command.escaped()) }
        return output
    }
}
