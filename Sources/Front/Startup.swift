package import Program
package import Sandbox
import Unix

/// The first instructions of a program that inetd starts, before anything that others wrote is read.
package enum Startup {
    /// Descriptors, signals, the command line, the environment but for `variables`, and the way to new rights. The command line
    /// comes out; `--help`, `--version` and mistakes in it are answered, and end the program.
    package static func begin(_ tool: Tool, keeping variables: [String]) -> Arguments {
        StandardDescriptors.fillHoles()
        StandardDescriptors.ignoreBrokenPipes()
        let arguments = tool.arguments()
        Environment.keepOnly(variables)
        do throws(SystemError) { try Sandbox.renounceNewRights() } catch { tool.fail("\(error)", .osError) }
        return arguments
    }

    /// Under inetd standard error is the client's socket: nothing but protocol goes there.
    package static func silenceError() {
        if StandardDescriptors.isSocket(0) { StandardDescriptors.silenceError() }
    }

    /// relais.conf, for a program that reads it once.
    package static func configuration(
        _ tool: Tool, _ arguments: Arguments, of service: ServedProtocol
    ) -> Configuration {
        do throws(ConfigurationError) { return try Configuration.load(arguments.value("config")) } catch {
            fail(error, tool, service)
        }
    }

    /// relais.conf, for one that looks at it again.
    package static func source(
        _ tool: Tool, _ arguments: Arguments, of service: ServedProtocol
    ) -> ConfigurationSource {
        do throws(ConfigurationError) { return try ConfigurationSource(arguments.value("config")) } catch {
            fail(error, tool, service)
        }
    }

    /// Behind the configuration: gives up what the role never needs.
    package static func enter(_ role: Sandbox.Role, _ tool: Tool) {
        do throws(SystemError) { try Sandbox.enter(role) } catch { tool.fail("\(error)", .osError) }
    }

    /// `Tool.fail` says farewell to who is on a socket.
    private static func fail(_ error: ConfigurationError, _ tool: Tool, _ service: ServedProtocol) -> Never {
        if service.isStartedByPrograms, !StandardDescriptors.isSocket(0) {
            try? File.writeAll(1, service.unavailable.utf8)
        }
        tool.fail("\(error)", .configuration)
    }
}
