import Bytes
import Program
import Resolver
import Unix

extension Lookup {
    /// `host -C`: what each server that the zone names says of its SOA record, so that one sees which are behind.
    func compare() -> Outcome {
        guard let asked = ask(.ns) else { return .notFound }
        let (question, reply) = (asked.question, asked.reply)
        let names = reply.message.nameServers
        let isZone = reply.message.code == .noError && !names.isEmpty
        if !isZone {
            sayHeading(server, reply.server)
            say(HostWording.text(of: reply.message, to: question, asked: asked.name, by: reply.server))
        }
        sayReceived(reply, since: asked.start)
        return isZone ? compare(names, Question(question.name, .soa), asked: asked.name) : .notFound
    }

    private func compare(_ names: [DNSName], _ question: Question, asked: String) -> Outcome {
        let servers = names.flatMap { name in
            let addresses = addresses(ofServer: name.description)
            if addresses.isEmpty { say("couldn't get address for '\(name)': not found\n") }
            return addresses.map { (name: name, address: $0) }
        }
        guard !servers.isEmpty else {
            Main.tool.complain("couldn't get address for '\(names[0])': no more")
            return .notFound
        }
        if isVerbose { say(HostWording.trying(question)) }
        var isReached = false
        var outcome = Outcome.found
        for server in servers {
            var resolver = asking([server.address])
            // Once is enough to see who is silent, and it is his own knowledge that counts.
            resolver.rounds = 1
            resolver.wantsRecursion = false
            let start = Deadline.monotonicMicroseconds()
            let result = resolver.ask([question], by: deadline(for: resolver)) {
                say(HostWording.text(of: $0))
            }[0]
            guard case .success(let reply) = result else { continue }
            if !isReached { sayHeading(self.server.map { _ in server.name.description }, reply.server) }
            isReached = true
            if reply.message.code != .noError { outcome = .notFound }
            let isWhole = isVerbose && reply.message.code == .noError
            say(
                isWhole
                    ? HostWording.whole(reply.message, shows: { _ in true }, showsQuestions: true)
                    : HostWording.text(of: reply.message, to: question, asked: asked, by: reply.server))
            sayReceived(reply, since: start)
        }
        if !isReached { say(HostWording.noneReached) }
        return isReached ? outcome : .notFound
    }
}

extension DNSMessage {
    /// Those of the zone, or those that it was handed down to.
    fileprivate var nameServers: [DNSName] {
        let names = [answers, authorities].map { section in
            section.compactMap { record -> DNSName? in
                guard record.type == .ns, case .name(let name) = record.data else { return nil }
                return name
            }
        }
        return names[0].isEmpty ? names[1] : names[0]
    }
}

extension HostWording {
    static let noneReached = ";; NS servers could not be reached\n"

    /// The same as without `server`, with who said it in front.
    fileprivate static func text(
        of message: DNSMessage, to question: Question, asked: String, by server: SocketAddress
    ) -> String {
        guard case .ip(let address, _) = server else { return "" }
        let front = "Nameserver \(address):\n\t"
        if message.code != .noError {
            let name = message.code == .noSuchDomain ? asked : question.name.description
            return "\(front)\(name) not found: \(message.code.number)(\(message.code))\n"
        }
        let answers = message.related(to: question)
        if answers.isEmpty { return "\(question.name) has no \(question.type) record\n" }
        return answers.map { front + line($0) }.joined()
    }
}
