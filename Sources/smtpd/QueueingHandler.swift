import Accounts
import Bytes
import Front
import Mail
import Program
import Queue
import Reception
import Recipients
import SMTP
import Unix

/// What happens to a client's mail: who may send to whom, and the way into the queue.
final class QueueingHandler: MailHandler {
    /// What the client calls itself and speaks, for the trace field and the log.
    var greeting: (helo: [UInt8], protocolName: StaticString) = ([], "SMTP")
    /// What TLS was agreed on, if any.
    var tls: String?
    /// Who has logged in, and how.
    private var login: (user: [UInt8], mechanism: StaticString)?

    private let source: ConfigurationSource
    private var configuration: Configuration
    private let log: Log
    private let client: Client
    /// Whether clients log in, and are nobody before.
    private let isSubmission: Bool
    private var rules: RecipientRules
    private let filters: [any Filter]
    private lazy var reception = doors()
    private var message: IncomingMessage?
    /// For the message that is about to come.
    private var blank: Blank?
    private lazy var bootID = try? Host.bootID()
    /// A line of the log that the client need not wait for.
    private var unlogged: String?
    /// What the log is to hear of the message that was just taken, and the runner.
    private var committed: (id: MessageID, messageID: [UInt8])?
    /// Our own end of the connection; asked for where an address literal may name it.
    private lazy var ownAddress = SocketAddress.own(of: 0).ip

    /// `filters`: besides those that every client's mail goes through.
    init(
        _ source: ConfigurationSource, _ log: Log, _ client: Client, isSubmission: Bool = false,
        filters: [any Filter] = []
    ) {
        self.source = source
        self.log = log
        self.client = client
        self.isSubmission = isSubmission
        self.filters = filters
        configuration = source.current
        rules = RecipientRules(source.current)
        rules.mayRelay = isOurs
    }

    /// Whether the client is one of our own, by its address or by a password.
    private var isOurs: Bool { isSubmission ? login != nil : client.mayRelay }

    /// From here on the mail is `user`'s.
    func loggedIn(as user: [UInt8], by mechanism: StaticString) {
        login = (user, mechanism)
        rules.mayRelay = true
        reception = doors()
    }

    /// RFC 5321 §6.4, RFC 6409 §8: what a client of our own hands in is completed; a stranger's message is his.
    private func doors() -> Reception {
        let configuration = configuration
        var all: [any Filter] = [FreeSpace(configuration)]
        if isOurs { all.append(Completion { Self.author(of: $0, configuration) }) }
        if let login { all.append(senderCheck(login.user)) }
        all.append(HopLimit())
        return Reception(configuration, from: .client(client.address), through: all + filters)
    }

    private func senderCheck(_ user: [UInt8]) -> SenderCheck {
        let rights = SenderRights(
            of: user, rules, configuration.accounts, table: configuration.senderLoginsFile)
        return SenderCheck(of: user.escaped(limit: 64)) { address throws(Rejection) in
            do throws(LookupFailure) { return try rights.include(address) } catch {
                throw Rejection(
                    451, EnhancedStatus(4, 3, 0), "Sender lookup failed, try again later", cause: error.text)
            }
        }
    }

    private static func author(
        of message: IncomingMessage, _ configuration: Configuration
    ) -> SubmittedHeader.Author {
        let host = [UInt8](configuration.hostname.utf8)
        let sender = message.envelope.reversePath
        return SubmittedHeader.Author(
            address: sender.isEmpty ? [UInt8]("MAILER-DAEMON@") + host : sender, fullName: [],
            hostname: host, date: DateTime(seconds: message.arrival.seconds),
            messageID: message.id.bytes + [.ascii("@")] + host)
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
            // It may be in another queue.
            blank = nil
            rules = RecipientRules(configuration)
            rules.mayRelay = isOurs
            reception = doors()
        }
    }

    func refuseSender(_ sender: Address?, _ parameters: MailParameters) -> Reply? {
        lookAtConfiguration()
        do throws(Rejection) {
            try reception.sender(sender.map { completed($0).text } ?? [], parameters.raw)
            return nil
        } catch { return reply(to: error) }
    }

    func judgeRecipient(_ recipient: Address, _ parameters: RecipientParameters) -> Reply {
        let recipient = completed(recipient)
        let decision = rules.decide(
            localPart: recipient.unquotedLocalPart, domain: recipient.domain.isEmpty ? nil : recipient.domain)
        switch decision.outcome {
        case .user, .alias, .rootMailbox, .relay: break
        case .refused(let status, let text):
            return Reply(550, status, text.prefix(1).uppercased() + text.dropFirst())
        case .deferred(let status, let text, let cause):
            log.error("\(recipient.text.escaped()): \(cause)")
            return Reply(451, status, text.prefix(1).uppercased() + text.dropFirst())
        }
        do throws(Rejection) {
            try reception.recipient(Envelope.Recipient(recipient.text, parameters: parameters.raw.text))
            return Reply(250, EnhancedStatus(2, 1, 5), "Ok")
        } catch { return reply(to: error) }
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

    // MARK: The content

    func begin(_ transaction: Transaction) -> Reply? {
        let envelope = Envelope(
            reversePath: transaction.sender.map { completed($0).text } ?? [],
            parameters: transaction.parameters.raw.text, recipients: recipients(of: transaction))
        do throws(QueueError) {
            let message = try reception.begin(
                envelope, on: blank.take(),
                headerLimit: isOurs ? SubmittedHeader.longest : Reception.usualHeaderLimit)
            self.message = message
            unlogged = "\(message.id): client=\(client.name)" + submitter
            message.append(
                trace: TraceField.received(
                    helo: greeting.helo, hostName: nil, address: client.address?.description,
                    by: configuration.hostname, with: greeting.protocolName, tls: tls, id: message.id.text,
                    recipient: envelope.recipients.count == 1 ? envelope.recipients[0].address : nil,
                    at: DateTime(seconds: message.arrival.seconds)))
            return nil
        } catch { return reply(to: error) }
    }

    /// As Postfix has it in its line about the client.
    private var submitter: String {
        guard let login else { return "" }
        return ", sasl_method=\(login.mechanism), sasl_username=\(login.user.escaped(limit: 100))"
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

    func append(_ content: [UInt8]) { message?.append(content) }

    func commit() -> Reply {
        defer { abandon() }
        // A client that does not wait for its answers.
        announce()
        guard let message else { return reply(to: QueueError.envelope) }
        do throws(ReceptionFailure) {
            try message.commit(wakes: false)
            committed = (message.id, message.header.first("Message-ID")?.value ?? Array("<>".utf8))
            return Reply(250, EnhancedStatus(2, 0, 0), "Ok: queued as \(message.id)")
        } catch {
            switch error {
            case .queue(let error): return reply(to: error)
            case .rejected(let rejection): return reply(to: rejection, of: message.id)
            }
        }
    }

    func abandon() { message = nil }

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

    private func reply(to rejection: Rejection, of id: MessageID? = nil) -> Reply {
        if let cause = rejection.cause {
            let line = id.map { "\($0): refused: \(cause)" } ?? cause
            if rejection.isFault { log.error(line) } else { log.warning(line) }
        }
        return Reply(rejection.code, rejection.status, rejection.text)
    }

    private func reply(to error: QueueError) -> Reply {
        log.error("\(error)")
        return error.isOutOfSpace
            ? Reply(452, EnhancedStatus(4, 3, 1), "Insufficient system storage")
            : Reply(451, EnhancedStatus(4, 3, 0), "Queue file cannot be written, try again later")
    }

    // MARK: The log

    /// Postfix's `reject:` line, which fail2ban and pflogsumm read.
    func note(_ refusal: RefusedCommand) {
        announce()
        let reply = refusal.reply
        var text = "\(message.map { "\($0.id)" } ?? "NOQUEUE"): reject: "
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
