import Accounts
import Auth
import Bytes
import Front
import Program
import Sandbox
import Unix

/// checkpassword(8): verifies one password, becomes that user, and execs the program named on its command line.
@main
enum Main {
    static let tool = Tool(
        "checkpassword", synopsis: "[-C file] [--service] [program [argument ...]]",
        summary: "Verify a password, then run a program with the rights of the user.",
        options: [
            .config,
            .flag(nil, "service", "answer login requests on the Unix socket that is descriptor 0"),
        ], endsWithCommand: true, farewell: "")

    static func main() {
        let arguments = Startup.begin(tool, keeping: [])
        let isService = arguments.has("service")
        if arguments.operands.isEmpty, !isService { tool.wrong("a program to run is missing") }
        if isService { StandardDescriptors.silenceError() }
        let configuration: Configuration
        do throws(ConfigurationError) {
            configuration = try Configuration.load(arguments.value("config"))
        } catch {
            if isService { tool.fail("\(error)", .configuration) }
            // What djb's callers know as trouble that passes.
            tool.complain("\(error)")
            terminate(111)
        }
        Startup.enter(.checkpassword, tool)
        let passwords = PasswordDatabase(
            configuration.accounts, firstUserID: configuration.firstUserID,
            needsHome: configuration.mailbox.hasPrefix("~/"))
        let command = arguments.operands.first.map {
            LoginProgram(program: $0, arguments: arguments.operands, configuration: configuration)
        }
        if isService { PasswordService(configuration, passwords, command).run() }
        if let command { classic(passwords, command) }
    }

    /// djb's interface: name, password and a third word on descriptor 3, each ended by a NUL; status 1 for a wrong
    /// one, 2 for wrong use, 111 for trouble.
    private static func classic(_ passwords: PasswordDatabase, _ command: LoginProgram) -> Never {
        let input = Descriptor(adopting: 3)
        guard let bytes = try? input.readAll(limit: 512) else { terminate(2) }
        let words = bytes.split(separator: .nul, omittingEmptySubsequences: false)
        guard words.count >= 3 else { terminate(2) }
        do throws(SystemError) {
            guard let account = try passwords.verify(name: Array(words[0]), password: Array(words[1])) else {
                terminate(1)
            }
            try command.become(account)
            throw command.execute(as: account)
        } catch {
            tool.complain("\(error)")
            terminate(111)
        }
    }
}
