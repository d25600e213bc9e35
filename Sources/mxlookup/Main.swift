// mxlookup: who receives mail for a domain, in the words of `host -t mx`, or by which road (--route).

import Bytes
import Program
import Resolver
import Unix

@main
struct Main {
    static let tool = Tool(
        "mxlookup",
        synopsis: "[-46T] [-p port] [-R tries] [-t type] [-W seconds] name [server]",
        summary: "Ask the domain name system who receives mail for a name.",
        options: [
            .flag("4", "ipv4", "talk to name servers over IPv4 only"),
            .flag("6", "ipv6", "talk to name servers over IPv6 only"),
            .config,
            .value("p", "port", "port", "the name server's port (53)"),
            .value("R", "retries", "tries", "how often to ask again (1)"),
            .flag("r", "route", "say which hosts mail would be sent to, and in which order"),
            .flag("T", "tcp", "ask over TCP"),
            .value("t", "type", "type", "the type of record to ask for (mx)"),
            .value("W", "wait", "seconds", "how long a server may take (5)"),
        ])

    static func main() {
        StandardDescriptors.fillHoles()
        StandardDescriptors.ignoreBrokenPipes()
        Environment.keepOnly([])
        let arguments = tool.arguments()
        do {
            let lookup = try Lookup(arguments)
            (arguments.has("route") ? lookup.route() : lookup.records()).leave()
        } catch {
            tool.wrong(error.message)
        }
    }
}
