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
    /// Whether the whole answer is shown, in the form of a master file.
    let isVerbose: Bool
    /// Whether a whole zone is asked for, and what of it is shown.
    let isTransfer: Bool
    let listed: Listed
    private let type: RecordType
    private let recordClass: UInt16
    private let port: UInt16
    private let usesIPv4: Bool
    private let usesIPv6: Bool
    /// How to ask; whom is decided when it is time to.
    private let resolver: Resolver

    enum Listed: Equatable {
        /// Addresses, name servers and reverse names.
        case hosts
        case only(RecordType)
        case everything
        /// Without what signs the rest.
        case almostEverything
    }

    init(_ arguments: Arguments) throws(UsageError) {
        switch arguments.operands.count {
        case 1: server = nil
        case 2: server = arguments.operands[1]
        case 0: throw UsageError("which name?")
        default: throw UsageError("too many operands")
        }
        name = arguments.operands[0]
        if arguments.has("compare") {
            for option in ["all", "almost-all", "class", "list", "route", "type"] where arguments.has(option)
            {
                throw UsageError("-C asks for the SOA records of a zone: it goes without --\(option)")
            }
        }
        var type = RecordType.mx
        var listed = Listed.hosts
        if let typeName = arguments.value("type") {
            guard let known = RecordType(named: Array(typeName.utf8)) else {
                throw UsageError("no such type: \(Array(typeName.utf8).escaped(limit: 60))")
            }
            type = known
            // With -l, `any` changes nothing but that name servers are left out: `host` has it so.
            listed = known == .axfr ? .everything : .only(known == .any ? .a : known)
        }
        let takesAll = arguments.has("all") || arguments.has("almost-all")
        if takesAll {
            type = .any
            listed = arguments.has("almost-all") ? .almostEverything : .everything
        }
        isTransfer = arguments.has("list") || type == .axfr
        isVerbose = takesAll || arguments.has("verbose") || arguments.has("debug") || type == .axfr
        self.type = type
        self.listed = listed
        recordClass = try Self.recordClass(arguments.value("class"))
        let (only4, only6) = (arguments.has("ipv4"), arguments.has("ipv6"))
        if only4, only6 { throw UsageError("either -4 or -6") }
        usesIPv4 = !only6
        usesIPv6 = !only4
        port = UInt16(try arguments.number("port", 1...65535) ?? Int(NameServers.port))
        let wait = try arguments.number("wait", 1...3600) ?? 5
        _ = try arguments.number("dots", 0...255)
        // As `host` counts: never fewer than two rounds.
        let rounds = max(2, (try arguments.number("retries", 0...100) ?? 1) + 1)
        configurationPath = arguments.value("config")
        var resolver = Resolver(
            servers: [], patience: .seconds(arguments.has("wait-forever") ? 86400 : wait), rounds: rounds,
            byTCP: arguments.has("tcp") && !arguments.has("udp"))
        if !arguments.has("route") {
            // What `host` asks, so that the answer is what `host` gets.
            resolver.usesEDNS = false
            resolver.wantsRecursion = !arguments.has("no-recursion")
            resolver.stopsAtFailure = arguments.has("servfail-stops")
        }
        self.resolver = resolver
    }

    private static func recordClass(_ name: String?) throws(UsageError) -> UInt16 {
        guard let name else { return Question.internetClass }
        let bytes = Array(name.utf8)
        if let known = HostWording.classes.first(where: { bytes.equalsFolded($0.1) }) { return known.0 }
        guard bytes.hasPrefixFolded("CLASS"), let number = UInt16(strictDecimal: bytes.dropFirst(5)) else {
            throw UsageError("no such class: \(bytes.escaped(limit: 60))")
        }
        return number
    }

    /// Longest that all servers of `resolver` together may take.
    func deadline(for resolver: Resolver) -> Deadline {
        .after(resolver.patience * (resolver.rounds * max(1, resolver.servers.count)))
    }

    // MARK: - Records

    /// What was asked, under which name, and what was answered.
    struct Asked {
        let question: Question
        let name: String
        let start: Int64
        let reply: Resolver.Reply
    }

    /// Asks for the name's records of a type; nil, and it was said, where there is nothing to be had.
    func ask(_ type: RecordType) -> Asked? {
        guard let (question, name) = question(type), let resolver = resolverWithServers() else { return nil }
        if isVerbose { say(HostWording.trying(question)) }
        let start = Deadline.monotonicMicroseconds()
        let reply = resolver.ask([question], by: deadline(for: resolver)) { say(HostWording.text(of: $0)) }[0]
        switch reply {
        case .success(let reply): return Asked(question: question, name: name, start: start, reply: reply)
        case .failure(.malformed): return nil
        case .failure:
            say(HostWording.nobodyReached)
            return nil
        }
    }

    func records() -> Outcome {
        guard let asked = ask(type) else { return .notFound }
        let (question, reply) = (asked.question, asked.reply)
        let message = reply.message
        if message.code == .noError, !message.answers.isEmpty, question.type != .any,
            message.related(to: question).isEmpty
        {
            say(HostWording.unrelated)
            return .notFound
        }
        // The answer did not fit, and was asked for once more.
        if isVerbose, reply.wasTruncated { say(HostWording.trying(question)) }
        sayHeading(server, reply.server)
        if isVerbose, message.code == .noError {
            say(HostWording.whole(message, shows: shows, showsQuestions: true))
        } else {
            say(HostWording.text(of: message, to: question, asked: asked.name))
        }
        sayReceived(reply, since: asked.start)
        return message.code == .noError ? .found : .notFound
    }

    func sayHeading(_ server: String?, _ address: SocketAddress) {
        if let server { say(HostWording.heading(server: shown(server), address)) }
    }

    func sayReceived(_ reply: Resolver.Reply, since start: Int64) {
        guard isVerbose else { return }
        let took = (Deadline.monotonicMicroseconds() - start) / 1000
        let line = HostWording.received(reply.size, from: reply.server, after: took)
        // `host` says so once more where its search list is at its end.
        let isRepeated = reply.message.code == .noSuchDomain && IPAddress(name) == nil
        say(isRepeated ? line + line : line)
    }

    private func shows(_ record: ResourceRecord) -> Bool {
        listed != .almostEverything || !HostWording.isSignature(record.type)
    }

    /// What is asked and under which name it was asked for; nil, and it was said, when it is no name. An address
    /// stands for its name in the reverse tree, whatever type was named.
    func question(_ type: RecordType) -> (Question, asked: String)? {
        do throws(DNSName.Illegal) {
            if let address = IPAddress(name) {
                let reverse = DNSName(reverseOf: address.bytes)
                return (Question(reverse, .ptr, recordClass), reverse.absoluteDescription)
            }
            return (Question(try DNSName(name), type, recordClass), shown(name))
        } catch {
            complain("'\(shown(name))' is not a legal name (\(error))")
            return nil
        }
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
            let standard = configured.isEmpty ? hostServers(port) : configured
            resolver.servers = standard.filter(isUsable)
        }
        return resolver
    }

    /// The resolver with these servers.
    func asking(_ servers: [SocketAddress]) -> Resolver {
        var resolver = self.resolver
        resolver.servers = servers
        return resolver
    }

    func addresses(ofServer server: String) -> [SocketAddress] {
        if let address = IPAddress(server) { return [.ip(address, port: port)].filter(isUsable) }
        guard let name = try? DNSName(server) else { return [] }
        // RFC 6761 §6.3: nobody is asked for localhost.
        if name == (try? DNSName("localhost")) {
            return ["127.0.0.1", "::1"].compactMap { IPAddress($0) }.map { .ip($0, port: port) }
                .filter(isUsable)
        }
        var host = self.resolver
        host.servers = hostServers(NameServers.port).filter(isUsable)
        let answers = host.lookUp(
            [Question(name, .a), Question(name, .aaaa)], by: deadline(for: host))
        return answers.flatMap { answer -> [SocketAddress] in
            guard case .records(let records) = answer else { return [] }
            return records.compactMap {
                if case .address(let address) = $0.data { .ip(address, port: port) } else { nil }
            }
        }.filter(isUsable)
    }

    private func hostServers(_ port: UInt16) -> [SocketAddress] {
        NameServers.ofHost(port: port) { Main.tool.complain("\($0)") }
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

    func complain(_ text: String) { Main.tool.complain(text) }
}
