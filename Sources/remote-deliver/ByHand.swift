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
    let destination: Destination
    let sender: [UInt8]
    let recipients: [[UInt8]]

    init(
        _ settings: Settings, log: Log, dialect: ClientSession.Dialect, operands: [String]
    ) throws(UsageError) {
        guard operands.count >= 3 else { throw UsageError("a host, a sender and recipients are expected") }
        guard let destination = Destination(route: operands[0]) else {
            throw UsageError("no such host: \(Array(operands[0].utf8).escaped(limit: 100))")
        }
        self.settings = settings
        self.log = log
        self.dialect = dialect
        self.destination = destination
        sender = operands[1] == "<>" ? [] : Array(operands[1].utf8)
        recipients = operands[2...].map { Array($0.utf8) }
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
            .deliver([letter], to: destination)
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
        try? File.writeAll(1, "\(recipient.escaped()) \(word) \(report.status) \(relay) \(text)\n".utf8)
    }

    /// `-n`: where the message would go.
    static func explain(_ settings: Settings, _ operands: [String]) -> ExitStatus {
        guard operands.count >= 1, let destination = Destination(route: operands[0]) else {
            Main.tool.wrong("a host is expected")
        }
        do throws(NoRoute) {
            let route = try settings.find(destination)
            let port = route.port ?? settings.port
            for host in route.hosts {
                let addresses = host.addresses.map { "\(SocketAddress.ip($0, port: port))" }
                    .joined(separator: " ")
                let preference = host.preference.map { "\($0) " } ?? ""
                try? File.writeAll(1, "\(preference)\(host.name) \(addresses)\n".utf8)
            }
            return .ok
        } catch {
            Main.tool.fail("\(error)", error.isTemporary ? .temporaryFailure : .noHost)
        }
    }
}
