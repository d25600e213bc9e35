import Reception
import Program
import Unix

/// Another program of ours, in the same directory.
enum Sibling {
    /// Becomes it. Our group goes along only to a program that nobody but root can have put there: our own
    /// path may lead to a link that the caller made.
    static func become(
        _ name: String, _ arguments: [String], _ invocation: Invocation, keepingGroup: Bool
    ) -> Never {
        let directory: String
        do throws(SystemError) { directory = Path.split(try Path.ofThisProgram()).directory } catch {
            Main.tool.fail(error.description, .osError)
        }
        let path = "\(directory)/\(name)"
        if !keepingGroup || !isRootsAlone(directory) || !isRootsAlone(path) { Main.giveUpGroup() }
        var words = [name] + arguments
        if let configuration = invocation.configuration { words += ["-C", configuration] }
        let failure = ChildProcess.replaceSelf(with: path, arguments: words, environment: [])
        Main.tool.fail(failure.description, .unavailable)
    }

    private static func isRootsAlone(_ path: String) -> Bool {
        guard let status = (try? Path.status(path)) ?? nil else { return false }
        return status.user == 0 && status.mode & 0o022 == 0
    }
}
