import Bytes
import Delivery
import Mail
import Program
import Queue
import SMTP
import Unix

/// What happens to a client's mail: who may send to whom, and the way into the queue.
final class Reception: MailHandler {
    /// What the client calls itself and speaks, for the trace field and the log.
    var greeting: (helo: [UInt8], protocolName: StaticString) = ([], "SMTP")
    /// What TLS was agreed on, if any.
    var tls: String?

    private let configuration: Configuration
    private let log: Log
    private let client: Client
    private let rules: RecipientRules
    private var injection: Injection?
    /// For the message that is about to come.
    private var blank: Blank?
    private lazy var bootID = try? Host.bootID()
    /// A line of the log that the client need not wait for.
    private var unlogged: String?
    /// What the log is to hear of the message that was just taken, and the runner.
    private var committed: (id: MessageID, messageID: [UInt8])?
    private var failure: QueueError?
    /// The front of the content, until the whole header is surely in it.
    private var front: [UInt8] = []

    private static let frontLimit = 1 << 16
    /// RFC 5321 §6.3 asks for a large number; by then it is a loop.
    private static let mostHops = 100
    private static let fewestInodes: UInt64 = 100

    init(_ configuration: Configuration, _ log: Log, _ client: Client) {
        self.configuration = configuration
        self.log = log
        self.client = client
        var rules = RecipientRules(configuration)
        rules.mayRelay = client.mayRelay
        self.rules = rules
    }

    // MARK: The envelope

    func refuseSender(_ sender: Address?, _ parameters: MailParameters) -> Reply? {
        let needed = UInt64(configuration.minimumFreeSpace) + (parameters.size ?? 0)
        do throws(SystemError) {
            let free = try Path.freeSpace(configuration.queueDirectory + "/incoming")
            if free.bytes >= needed, !free.hasInodes || free.inodes >= Self.fewestInodes { return nil }
            log.warning(
                "not enough free space in \(configuration.queueDirectory): \(free.bytes) bytes, \(free.inodes) inodes"
            )
            return Reply(452, EnhancedStatus(4, 3, 1), "Insufficient system storage")
        } catch {
            log.error("\(error)")
            return Reply(451, EnhancedStatus(4, 3, 0), "Local problem, try again later")
        }
    }

    func judgeRecipient(_ recipient: Address) -> Reply {
        let decision = rules.decide(
            localPart: recipient.unquotedLocalPart, domain: recipient.domain.isEmpty ? nil : recipient.domain)
        switch decision.outcome {
        case .user, .alias, .rootMailbox, .relay: return Reply(250, EnhancedStatus(2, 1, 5), "Ok")
        case .refused(let status, let text):
            return Reply(550, status, text.prefix(1).uppercased() + text.dropFirst())
        case .deferred(let status, let text, let cause):
            log.error("\(recipient.text.escaped()): \(cause)")
            return Reply(451, status, text.prefix(1).uppercased() + text.dropFirst())
        }
    }

    // MARK: The content

    func begin(_ transaction: Transaction) -> Reply? {
        let envelope = Envelope(
            reversePath: transaction.sender?.text ?? [], parameters: transaction.parameters.raw.text,
            recipients: transaction.recipients.map {
                Envelope.Recipient(completed($0.address).text, parameters: $0.parameters.raw.text)
            })
        front = []
        failure = nil
        do throws(QueueError) {
            let now = Time.now()
            let injection = try Injection(
                queue: configuration.queueDirectory, envelope: envelope, arrival: now, blank: blank.take())
            self.injection = injection
            unlogged = "\(injection.id): client=\(client.name)"
            try injection.append(
                TraceField.received(
                    helo: greeting.helo, hostName: nil, address: client.address?.description,
                    by: configuration.hostname, with: greeting.protocolName, tls: tls, id: injection.id.text,
                    recipient: envelope.recipients.count == 1 ? envelope.recipients[0].address : nil,
                    at: DateTime(seconds: now.seconds)))
            return nil
        } catch { return refusal(error) }
    }

    /// `<Postmaster>` is the one recipient without a domain (RFC 5321 §4.1.1.3).
    private func completed(_ recipient: Address) -> Address {
        recipient.domain.isEmpty
            ? Address(localPart: recipient.localPart, domain: Array(configuration.hostname.utf8)) : recipient
    }

    func append(_ content: [UInt8]) {
        guard failure == nil, let injection else { return }
        if front.count < Self.frontLimit { front += content.prefix(Self.frontLimit - front.count) }
        do throws(QueueError) { try injection.append(content) } catch { failure = error }
    }

    func commit() -> Reply {
        defer { abandon() }
        // A client that does not wait for its answers.
        announce()
        guard failure == nil, let injection else {
            return refusal(failure ?? .envelope)
        }
        let header = MessageHeader(front)
        guard header.all("Received").count < Self.mostHops else {
            log.warning("\(injection.id): refused: too many hops")
            return Reply(554, EnhancedStatus(5, 4, 6), "Too many hops, this is a mail loop")
        }
        do throws(QueueError) {
            try injection.commit(kick: nil)
            committed = (injection.id, header.first("Message-ID")?.value ?? Array("<>".utf8))
            return Reply(250, EnhancedStatus(2, 0, 0), "Ok: queued as \(injection.id)")
        } catch { return refusal(error) }
    }

    func abandon() {
        injection = nil
        front = []
    }

    // MARK: Between commands

    func rest(in transaction: Transaction?) {
        announce()
        let bootID = bootID
        guard let transaction, !transaction.recipients.isEmpty, blank == nil else { return }
        // Where it cannot be had now, DATA says why.
        do throws(QueueError) {
            blank = try Blank.make(in: configuration.queueDirectory, bootID: bootID)
        } catch {}
    }

    /// Says what was not said yet, and wakes the runner for what was committed. The client has its answer: if this process
    /// died, cron would do.
    func announce() {
        if let line = unlogged {
            unlogged = nil
            log.info(line)
        }
        guard let (id, messageID) = committed else { return }
        committed = nil
        log.info("\(id): message-id=\(messageID.escaped(limit: 200))")
        ServiceSocket.kick(configuration.serviceSocket("kick"), about: id.bytes)
    }

    private func refusal(_ error: QueueError) -> Reply {
        log.error("\(error)")
        return error.isOutOfSpace
            ? Reply(452, EnhancedStatus(4, 3, 1), "Insufficient system storage")
            : Reply(451, EnhancedStatus(4, 3, 0), "Queue file cannot be written, try again later")
    }

    // MARK: The log

    /// Postfix's `reject:` line, which fail2ban and pflogsumm read.
    func note(_ refusal: Refusal) {
        announce()
        let reply = refusal.reply
        var text = "\(injection.map { "\($0.id)" } ?? "NOQUEUE"): reject: "
        text += "\(refusal.verb.isEmpty ? "UNKNOWN" : refusal.verb) from \(client.name): \(reply.code) "
        if let status = reply.status { text += "\(status) " }
        if let recipient = refusal.recipient {
            text += "<\(recipient.text.escapedInAngles())>: "
        } else if !refusal.argument.isEmpty {
            text += "<\(refusal.argument.trimmed().escapedInAngles(limit: 200))>: "
        }
        text += "\(reply.lines[0]); "
        if let transaction = refusal.transaction {
            text += "from=<\((transaction.sender?.text ?? []).escapedInAngles())> "
        }
        if let recipient = refusal.recipient ?? refusal.transaction?.recipients.first?.address {
            text += "to=<\(recipient.text.escapedInAngles())> "
        }
        log.info(text + "proto=\(greeting.protocolName) helo=<\(greeting.helo.escapedInAngles(limit: 255))>")
    }
}
