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

/// What is spoken with strangers: what it is called, what is said in its words to who is not served, and whose lines its log has.
package enum ServedProtocol {
    /// `hostname` is ours.
    case smtp(hostname: String)
    /// SMTP for who logs in (RFC 6409), on connections that strangers' mail cannot take.
    case submission(hostname: String)
    case pop3
    case imap

    /// What tls-relay is told that is spoken, and the name of the file of slots.
    package var name: String {
        switch self {
        case .smtp: "smtp"
        case .submission: "submission"
        case .pop3: "pop3"
        case .imap: "imap"
        }
    }

    /// There is no configuration that can be used, and so no name of ours.
    package var unavailable: String {
        switch self {
        case .smtp, .submission: "421 4.3.5 Service not available: its configuration is being mended\r\n"
        case .pop3: "-ERR [SYS/TEMP] The service is not available for now\r\n"
        case .imap: "* BYE [UNAVAILABLE] The service is not available for now\r\n"
        }
    }

    /// No slot is left.
    var busy: String {
        switch self {
        case .smtp(let hostname), .submission(let hostname):
            "421 4.3.2 \(hostname) Too many connections, try again later\r\n"
        case .pop3: "-ERR [IN-USE] Too many connections, try again later\r\n"
        case .imap: "* BYE [UNAVAILABLE] Too many connections, try again later\r\n"
        }
    }

    /// A deadline passed.
    var timeout: String {
        switch self {
        case .smtp(let hostname), .submission(let hostname): "421 4.4.2 \(hostname) Timeout\r\n"
        case .pop3: "-ERR Timeout\r\n"
        case .imap: "* BYE Timeout\r\n"
        }
    }

    /// Whether programs of this host start it themselves, on a pipe (`sendmail -bs`). That is no connection, and whoever it is may
    /// not be able to write to the slots; but he reads the answers.
    var isStartedByPrograms: Bool { isSMTP }

    /// Whether its log has Postfix's lines, which say who comes and goes; the login of the others has Dovecot's.
    var isLoggedAsPostfix: Bool { isSMTP }

    private var isSMTP: Bool {
        switch self {
        case .smtp, .submission: true
        case .pop3, .imap: false
        }
    }
}
