import Bytes
import Delivery
import Front
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

    private let source: ConfigurationSource
    private var configuration: Configuration
    private let log: Log
    private let client: Client
    private var rules: RecipientRules
    private var injection: Injection?
    /// For the message that is about to come.
    private var blank: Blank?
    private lazy var bootID = try? Host.bootID()
    /// A line of the log that the client need not wait for.
    private var unlogged: String?
    /// What the log is to hear of the message that was just taken, and the runner.
    private var committed: (id: MessageID, messageID: [UInt8])?
    private var failure: QueueError?
    private var front = MessageFront(limit: 0)
    /// When the message came, and who completes it, where that is for us to do.
    private var date = DateTime(seconds: 0)
    private var sender: [UInt8] = []
    /// Our own end of the connection; asked for where an address literal may name it.
    private lazy var ownAddress = SocketAddress.own(of: 0).ip

    /// The longest header of a stranger's that is held until it is whole.
    private static let frontLimit = 1 << 17
    /// RFC 5321 §6.3 asks for a large number; by then it is a loop.
    private static let mostHops = 100
    private static let fewestInodes: UInt64 = 100

    init(_ source: ConfigurationSource, _ log: Log, _ client: Client) {
        let configuration = source.current
        self.source = source
        self.configuration = configuration
        self.log = log
        self.client = client
        var rules = RecipientRules(configuration)
        rules.mayRelay = client.mayRelay
        self.rules = rules
    }

    /// TLS takes the socket away: what it knows is asked for before.
    func learnOwnAddress() { _ = ownAddress }

    // MARK: The envelope

    /// A message is judged by what relais.conf says when it begins: so will the queue-runner, which may be a newer
    /// process than this one.
    private func lookAtConfiguration() {
        switch source.refresh() {
        case .none: return
        case .damaged(let error): log.error("\(error); what was read before still holds")
        case .changed:
            configuration = source.current
            var rules = RecipientRules(configuration)
            rules.mayRelay = client.mayRelay
            self.rules = rules
        }
    }

    func refuseSender(_ sender: Address?, _ parameters: MailParameters) -> Reply? {
        lookAtConfiguration()
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
        let recipient = completed(recipient)
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
        sender = transaction.sender.map { completed($0).text } ?? []
        let envelope = Envelope(
            reversePath: sender, parameters: transaction.parameters.raw.text,
            recipients: recipients(of: transaction))
        front = MessageFront(limit: client.mayRelay ? SubmittedHeader.longest : Self.frontLimit)
        failure = nil
        do throws(QueueError) {
            let now = Time.now()
            let injection = try Injection(
                queue: configuration.queueDirectory, envelope: envelope, arrival: now, blank: blank.take())
            self.injection = injection
            date = DateTime(seconds: now.seconds)
            unlogged = "\(injection.id): client=\(client.name)"
            try injection.append(
                TraceField.received(
                    helo: greeting.helo, hostName: nil, address: client.address?.description,
                    by: configuration.hostname, with: greeting.protocolName, tls: tls, id: injection.id.text,
                    recipient: envelope.recipients.count == 1 ? envelope.recipients[0].address : nil,
                    at: date))
            return nil
        } catch { return refusal(error) }
    }

    /// `<Postmaster>` has no domain (RFC 5321 §4.1.1.3), nor has what our own clients call `root`; and an address of
    /// this host in brackets (RFC 1123 §5.2.17) that only this connection shows to be one would be somebody else's
    /// to the runner.
    private func completed(_ address: Address) -> Address {
        if !address.domain.isEmpty {
            guard address.isAddressLiteral, let literal = IPAddress(literal: address.domain[...]),
                literal.unmapped == ownAddress, !configuration.isLocal(domain: address.domain)
            else { return address }
        }
        return Address(localPart: address.localPart, domain: Array(configuration.ownDomain.utf8))
    }

    /// Complete; the session has seen to it that each stands there once, as it was written.
    private func recipients(of transaction: Transaction) -> [Envelope.Recipient] {
        var seen: Set<[UInt8]> = []
        let hasShort = transaction.recipients.contains {
            $0.address.domain.isEmpty || $0.address.isAddressLiteral
        }
        return transaction.recipients.compactMap {
            let recipient = Envelope.Recipient(
                completed($0.address).text, parameters: $0.parameters.raw.text)
            let isNew = !hasShort || seen.insert(recipient.address + [.space] + recipient.parameters).inserted
            return isNew ? recipient : nil
        }
    }

    func append(_ content: [UInt8]) {
        guard failure == nil, injection != nil else { return }
        if front.isGivenOut {
            store(content)
        } else if front.append(content) {
            giveOutFront(isAtEnd: false)
        }
    }

    private func giveOutFront(isAtEnd: Bool) {
        guard let injection else { return }
        store(front.giveOut(isAtEnd: isAtEnd, completedBy: client.mayRelay ? author(of: injection.id) : nil))
    }

    private func store(_ content: [UInt8]) {
        do throws(QueueError) { try injection?.append(content) } catch { failure = error }
    }

    /// RFC 5321 §6.4: who completes what a client of our own hands in; a stranger's message is his.
    private func author(of id: MessageID) -> SubmittedHeader.Author {
        let host = [UInt8](configuration.hostname.utf8)
        return SubmittedHeader.Author(
            address: sender.isEmpty ? [UInt8]("MAILER-DAEMON@") + host : sender, fullName: [],
            hostname: host, date: date, messageID: id.bytes + [.ascii("@")] + host)
    }

    func commit() -> Reply {
        defer { abandon() }
        // A client that does not wait for its answers.
        announce()
        if !front.isGivenOut { giveOutFront(isAtEnd: true) }
        guard failure == nil, let injection else {
            return refusal(failure ?? .envelope)
        }
        let header = front.header
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
        front = MessageFront(limit: 0)
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
        // Postfix says what was refused here; the client is told why alone.
        if reply.status == EnhancedStatus(5, 1, 1) { text += "Recipient address rejected: " }
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
