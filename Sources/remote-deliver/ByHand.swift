import Bytes
import Jobs
import Program
import Resolver
import SMTP
import Unix

/// `remote-deliver HOST SENDER RECIPIENT… <message`: one message, a line for each recipient, an exit status.
struct ByHand {
    let settings: Settings
    let log: Log
    let dialect: ClientSession.Dialect
    let hop: NextHop
    let sender: [UInt8]
    let recipients: [[UInt8]]

    init(
        _ settings: Settings, log: Log, dialect: ClientSession.Dialect, operands: [String]
    ) throws(UsageError) {
        guard operands.count >= 3 else { throw UsageError("a host, a sender and recipients are expected") }
        hop = try Self.nextHop(operands[0], settings)
        self.settings = settings
        self.log = log
        self.dialect = dialect
        sender = operands[1] == "<>" ? [] : Array(operands[1].utf8)
        recipients = operands[2...].map { Array($0.utf8) }
    }

    private static func nextHop(_ text: String, _ settings: Settings) throws(UsageError) -> NextHop {
        let bytes = Array(text.utf8)
        let isRelay = RelayHost.hasScheme(bytes)
        if isRelay, RelayHost(text) != nil {
            do throws(NextHop.Unusable) { return try NextHop(relay: text, settings) } catch {
                Main.tool.fail(error.reason, .configuration)
            }
        }
        guard !isRelay, let destination = Destination(route: text) else {
            throw UsageError("no such host: \(bytes.escaped(limit: 100))")
        }
        return NextHop(destination, isRoute: false)
    }

    func run() -> ExitStatus {
        let message: Descriptor
        let length: Int
        do throws(SystemError) {
            message = try Extents.seekableInput(upTo: settings.sizeLimit)
            length = try message.status().size
        } catch {
            Main.tool.fail("message cannot be read: \(error)", .inputOutput)
        }
        let transaction = ClientTransaction(
            reversePath: sender,
            recipients: recipients.map { ClientTransaction.Recipient(address: $0) })
        let letter = OutgoingMessage(transaction, Extents(file: message.raw, count: length))
        RemoteDelivery(settings, log: log, dialect: dialect, for: Asker(socket: nil))
            .deliver([letter], to: hop)
        var verdicts: Set<Report.Verdict> = []
        for (index, result) in letter.results.enumerated() {
            guard let report = result?.report(job: 0, recipient: index) else { continue }
            verdicts.insert(report.verdict)
            say(report, recipients[index])
        }
        if verdicts.contains(.deferred) { return .temporaryFailure }
        return verdicts.contains(.failed) ? .unavailable : .ok
    }

    private func say(_ report: Report, _ recipient: [UInt8]) {
        let word =
            switch report.verdict {
            case .delivered, .relayed: "delivered"
            case .failed: "failed"
            case .deferred, .forwarded: "deferred"
            }
        let relay = String(decoding: report.relay, as: UTF8.self)
        let text = String(decoding: report.text, as: UTF8.self)
        Self.say("\(recipient.escaped()) \(word) \(report.status) \(relay) \(text)\n")
    }

    // MARK: - Without sending

    /// `-n HOST`, or `-n RECIPIENT [SENDER]`: where the message would go, and what says so.
    static func explain(_ settings: Settings, _ table: RelayTable, _ operands: [String]) throws(UsageError)
        -> ExitStatus
    {
        guard let operand = operands.first, operands.count <= 2 else {
            throw UsageError("a host is expected, or a recipient and perhaps a sender")
        }
        let bytes = Array(operand.utf8)
        guard let at = bytes.lastIndex(of: .ascii("@")), !RelayHost.hasScheme(bytes) else {
            guard operands.count == 1 else { throw UsageError("a sender goes with a recipient") }
            return explain(try nextHop(operand, settings), settings)
        }
        let domain = bytes[(at + 1)...]
        if settings.isLocal(domain) {
            say("\(domain.escaped()) is a domain of this host\n")
            return .ok
        }
        let sender = operands.count == 2 && operands[1] != "<>" ? Array(operands[1].utf8) : []
        let line = table.line(for: domain, from: sender)
        say("relay-host: \(line.map { Array($0.text.utf8).escaped() } ?? "no line is for this")\n")
        let name = line?.host?.name ?? Array(domain)
        return explain(try nextHop(String(decoding: name, as: UTF8.self), settings), settings)
    }

    private static func explain(_ hop: NextHop, _ settings: Settings) -> ExitStatus {
        if let login = hop.login { say("login: \(login.user.escaped())\n") }
        do throws(NoRoute) {
            let route = try settings.find(hop.destination)
            let port = route.port ?? hop.port(settings)
            for host in route.hosts {
                let addresses = host.addresses.map { "\(SocketAddress.ip($0, port: port))" }
                    .joined(separator: " ")
                let preference = host.preference.map { "\($0) " } ?? ""
                say("\(preference)\(host.name) \(addresses)\n")
            }
            return .ok
        } catch {
            Main.tool.fail("\(error)", error.isTemporary ? .temporaryFailure : .noHost)
        }
    }

    private static func say(_ line: String) { try? File.writeAll(1, line.utf8) }
}
