// mxlookup: who receives mail for a domain, in the words of `host -t mx`, or by which road (--route).

import Bytes
import Program
import Resolver
import Unix

@main
struct Main {
    static let tool = Tool(
        "mxlookup",
        synopsis:
            "[-46aACdDilnrsTUvVw] [-c class] [-m flag] [-N dots] [-p port] [-R tries] [-t type] [-W seconds] name [server]",
        summary: "Ask the domain name system who receives mail for a name.",
        options: [
            .flag("4", "ipv4", "talk to name servers over IPv4 only"),
            .flag("6", "ipv6", "talk to name servers over IPv6 only"),
            .flag("a", "all", "the same as -v -t any"),
            .flag("A", "almost-all", "the same without RRSIG, NSEC and NSEC3"),
            .value("c", "class", "class", "the class of records to ask for (IN)"),
            .flag("C", "compare", "show the SOA record of each of a zone's name servers"),
            .value(nil, "config", "file", "with --route: read this instead of the host's relais.conf"),
            .flag("d", "debug", "the same as -v"),
            .flag("D", "own-debug", "not heeded"),
            .flag("i", "ip6-int", "not heeded"),
            .flag("l", "list", "list the hosts of a zone, by a zone transfer"),
            .value("m", "memory", "flag", "not heeded"),
            .flag("n", "nibbles", "not heeded"),
            .value("N", "dots", "dots", "not heeded: names are absolute"),
            .value("p", "port", "port", "the name server's port (53)"),
            .value("R", "retries", "tries", "how often to ask again (1)"),
            .flag("r", "no-recursion", "ask for what the server itself knows"),
            .flag(nil, "route", "say which hosts mail would be sent to, and in which order"),
            .flag("s", "servfail-stops", "do not ask the next server after SERVFAIL"),
            .flag("T", "tcp", "ask over TCP"),
            .value("t", "type", "type", "the type of record to ask for (mx)"),
            .flag("U", "udp", "ask over UDP first (as without it)"),
            .flag("v", "verbose", "show the whole answer"),
            .flag("V", "say-version", "say the version and exit"),
            .value("W", "wait", "seconds", "how long a server may take (5)"),
            .flag("w", "wait-forever", "wait for a server as long as it takes"),
        ])

    static func main() {
        StandardDescriptors.fillHoles()
        StandardDescriptors.ignoreBrokenPipes()
        Environment.keepOnly([])
        let arguments = tool.arguments()
        if arguments.has("say-version") {
            try? File.writeAll(1, "mxlookup (relais) \(Tool.version)\n".utf8)
            ExitStatus.ok.leave()
        }
        do {
            let lookup = try Lookup(arguments)
            let outcome =
                if arguments.has("route") {
                    lookup.route()
                } else if arguments.has("compare") {
                    lookup.compare()
                } else {
                    lookup.isTransfer ? lookup.transfer() : lookup.records()
                }
            outcome.leave()
        } catch {
            tool.wrong(error.message)
        }
    }
}
