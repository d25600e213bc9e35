import Bytes
import Program
import Resolver
import Unix

/// One run of mxlookup: what the command line asks for, and the answer on stdout.
struct Lookup {
    /// Why a name that is no name, or an answer that is none, ends the program.
    enum Outcome: Int32 {
        case found = 0
        case notFound = 1

        func leave() -> Never { terminate(rawValue) }
    }

    private let name: String
    private let type: RecordType
    private let port: UInt16
    private let server: String?
    private let configurationPath: String?
    private let usesIPv4: Bool
    private let usesIPv6: Bool
    private var resolver: Resolver

    init(_ arguments: Arguments) throws(UsageError) {
        switch arguments.operands.count {
        case 1: server = nil
        case 2: server = arguments.operands[1]
        case 0: throw UsageError("which name?")
        default: throw UsageError("too many operands")
        }
        name = arguments.operands[0]
        let typeName = arguments.value("type") ?? "mx"
        guard let type = RecordType(named: Array(typeName.utf8)) else {
            throw UsageError("no such type: \(Array(typeName.utf8).escaped(limit: 60))")
        }
        self.type = type
        let (only4, only6) = (arguments.has("ipv4"), arguments.has("ipv6"))
        if only4, only6 { throw UsageError("either -4 or -6") }
        usesIPv4 = !only6
        usesIPv6 = !only4
        port = UInt16(try arguments.number("port", 1...65535) ?? Int(NameServers.port))
        let wait = try arguments.number("wait", 1...3600) ?? 5
        // As `host` counts: never fewer than two rounds.
        let rounds = max(2, (try arguments.number("retries", 0...100) ?? 1) + 1)
        configurationPath = arguments.value("config")
        resolver = Resolver(
            servers: [], patience: .seconds(wait), rounds: rounds, byTCP: arguments.has("tcp"))
    }

    /// Longest that all servers together may take.
    private var deadline: Deadline {
        .after(resolver.patience * (resolver.rounds * max(1, resolver.servers.count)))
    }

    // MARK: - Records

    func records() -> Outcome {
        let question: Question
        do {
            question = Question(try domainName(), type)
        } catch {
            complain("'\(shown(name))' is not a legal name (\(error))")
            return .notFound
        }
        guard let resolver = resolverWithServers() else { return .notFound }
        let reply = resolver.ask([question], by: deadline) { say(HostWording.text(of: $0)) }[0]
        switch reply {
        case .failure(.malformed): return .notFound
        case .failure:
            say(HostWording.nobodyReached)
            return .notFound
        case .success(let reply):
            if let server { say(HostWording.heading(server: server, reply.server)) }
            say(HostWording.text(of: reply.message, to: question, asked: name))
            return reply.message.code == .noError ? .found : .notFound
        }
    }

    /// The name asked about; an address stands for its name in the reverse tree.
    private func domainName() throws(DNSName.Illegal) -> DNSName {
        if let address = IPAddress(name) { return DNSName(reverseOf: address.bytes) }
        return try DNSName(name)
    }

    /// The resolver with the servers that the command line or the host names; nil, and it was said, when
    /// there is none.
    private func resolverWithServers() -> Resolver? {
        var resolver = self.resolver
        if let server {
            resolver.servers = addresses(ofServer: server)
            if resolver.servers.isEmpty {
                complain("couldn't get address for '\(shown(server))': not found")
                return nil
            }
        } else {
            resolver.servers = NameServers.ofHost(port: port).filter(isUsable)
        }
        return resolver
    }

    private func addresses(ofServer server: String) -> [SocketAddress] {
        if let address = IPAddress(server) { return [.ip(address, port: port)].filter(isUsable) }
        guard let name = try? DNSName(server) else { return [] }
        // RFC 6761 §6.3: nobody is asked for localhost.
        if name == (try? DNSName("localhost")) {
            return ["127.0.0.1", "::1"].compactMap { IPAddress($0) }.map { .ip($0, port: port) }
                .filter(isUsable)
        }
        var host = self.resolver
        host.servers = NameServers.ofHost().filter(isUsable)
        let limit = Deadline.after(host.patience * (host.rounds * host.servers.count))
        let answers = host.lookUp([Question(name, .a), Question(name, .aaaa)], by: limit)
        return answers.flatMap { answer -> [SocketAddress] in
            guard case .records(let records) = answer else { return [] }
            return records.compactMap {
                if case .address(let address) = $0.data { .ip(address, port: port) } else { nil }
            }
        }.filter(isUsable)
    }

    private func isUsable(_ server: SocketAddress) -> Bool {
        guard case .ip(let address, _) = server else { return false }
        if case .v4 = address { return usesIPv4 }
        return usesIPv6
    }

    // MARK: - Output

    private func say(_ text: String) {
        do throws(SystemError) {
            try File.writeAll(1, text.utf8)
        } catch {
            Main.tool.fail("\(error)", .inputOutput)
        }
    }

    /// An operand as `host` shows it, backslashes as they are; but nothing raw that steers a terminal.
    private func shown(_ operand: String) -> String {
        operand.utf8.split(separator: .backslash, omittingEmptySubsequences: false)
            .map { Array($0).escaped() }.joined(separator: "\\")
    }

    private func complain(_ text: String) {
        try? File.writeAll(2, "\(Main.tool.name): \(text)\n".utf8)
    }

    // MARK: - Route

    /// The road that remote-deliver would take with the same configuration.
    func route() -> Outcome {
        guard let destination = Destination(route: name) else {
            complain("'\(shown(name))' is neither a domain nor a host")
            return .notFound
        }
        guard let resolver = resolverWithServers() else { return .notFound }
        var random = Randomness()
        do throws(NoRoute) {
            let route = try Route.find(destination, in: surroundings(), random: &random) {
                resolver.lookUp($0, by: deadline)
            }
            for host in route.hosts {
                let addresses = host.addresses.map { "\($0)" }.joined(separator: " ")
                say("\(host.preference.map { "\($0) " } ?? "")\(host.name) \(addresses)\n")
            }
            return .found
        } catch {
            say("\(error)\n")
            return .notFound
        }
    }

    private func surroundings() -> Surroundings {
        do {
            let configuration = try Configuration.load(configurationPath)
            return Surroundings.ofHost(
                names: [configuration.hostname] + configuration.localDomains,
                permitted: configuration.permittedNetworks,
                usesIPv4: configuration.ipVersion != .ipv6, usesIPv6: configuration.ipVersion != .ipv4)
        } catch {
            Main.tool.fail("\(error)", .configuration)
        }
    }
}
