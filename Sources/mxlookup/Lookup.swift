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

    let name: String
    let server: String?
    let configurationPath: String?
    private let type: RecordType
    private let port: UInt16
    private let usesIPv4: Bool
    private let usesIPv6: Bool
    /// How to ask; whom is decided when it is time to.
    private let resolver: Resolver

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

    /// Longest that all servers of `resolver` together may take.
    func deadline(for resolver: Resolver) -> Deadline {
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
        let reply = resolver.ask([question], by: deadline(for: resolver)) { say(HostWording.text(of: $0)) }[0]
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

    /// The resolver with the servers that the command line names, else `configured`, else the host's; nil,
    /// and it was said, when there is none.
    func resolverWithServers(_ configured: [SocketAddress] = []) -> Resolver? {
        var resolver = self.resolver
        if let server {
            resolver.servers = addresses(ofServer: server)
            if resolver.servers.isEmpty {
                complain("couldn't get address for '\(shown(server))': not found")
                return nil
            }
        } else {
            let standard = configured.isEmpty ? NameServers.ofHost(port: port) : configured
            resolver.servers = standard.filter(isUsable)
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
        let answers = host.lookUp(
            [Question(name, .a), Question(name, .aaaa)], by: deadline(for: host))
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

    func say(_ text: String) {
        do throws(SystemError) {
            try File.writeAll(1, text.utf8)
        } catch {
            Main.tool.fail("\(error)", .inputOutput)
        }
    }

    /// An operand as `host` shows it, backslashes as they are; but nothing raw that steers a terminal.
    func shown(_ operand: String) -> String {
        operand.utf8.split(separator: .backslash, omittingEmptySubsequences: false)
            .map { Array($0).escaped() }.joined(separator: "\\")
    }

    func complain(_ text: String) {
        try? File.writeAll(2, "\(Main.tool.name): \(text)\n".utf8)
    }
}
