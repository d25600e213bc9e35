import Accounts
import Bytes
import Mail
import Program
import Queue
import Reception
import Unix

/// One message from stdin into the queue. Of the message only the header is held; the content is streamed.
/// Until the queue has it durably nothing is left behind, however this ends.
struct Submission {
    private let invocation: Invocation
    private let configuration: Configuration
    private let arrival = Time.now()
    private let id: MessageID
    private let input: CInt
    private let filters: [any Filter]
    private var text: SubmittedText
    private var sawEnd = false
    /// How much was read, kept or not.
    private var octets = 0

    init(
        _ invocation: Invocation, _ configuration: Configuration, reading input: CInt = 0,
        through filters: [any Filter] = []
    ) {
        self.input = input
        self.filters = filters
        self.invocation = invocation
        self.configuration = configuration
        id = MessageID.new(at: arrival)
        text = SubmittedText(dotEnds: !invocation.dotIsContent)
    }

    private static let chunk = 65536

    mutating func run() -> ExitStatus {
        guard invocation.takesRecipientsFromHeader || !invocation.recipients.isEmpty else {
            fail("no recipients", .usage)
        }
        var author = self.author()
        let reversePath = self.reversePath(author)
        if !reversePath.isEmpty, reversePath != author.address {
            // Who speaks for somebody else has the message say so; the caller's name is not that one's.
            author.address = reversePath
            if invocation.fullName == nil { author.fullName = [] }
        }
        let named = invocation.recipients.flatMap(addresses)

        let (front, header) = readFront()
        guard let submitted = SubmittedHeader(header) else { fail("header has too many fields", .dataError) }
        let found = invocation.takesRecipientsFromHeader ? submitted.recipients : nil
        refuse(found?.unclear ?? [])
        let envelope = Envelope(
            reversePath: reversePath,
            parameters: parameters.text,
            recipients: recipients(named + (found?.addresses ?? [])))

        let reception = Reception(
            configuration, from: .program(user: Identity.user),
            through: [Completion { [author] _ in author }] + filters)
        do throws(ReceptionFailure) {
            let message = try reception.take(
                envelope, id: id, at: arrival, headerLimit: SubmittedHeader.longest)
            let log = configuration.openLog("pickup")
            log.info("\(id): uid=\(Identity.user) from=<\(reversePath.escapedInAngles())>")
            message.append(trace: received(author))
            forEachPart(front) { message.append($0) }
            message.end()
            let messageID = message.header.first("Message-ID")?.value ?? []
            log.info("\(id): message-id=\(messageID.escaped(limit: 200))")
            try message.commit()
        } catch {
            switch error {
            case .queue(let error) where error.isMissingRight:
                let top = received(author) + submitted.completed(by: author) + [.lf]
                handOver(envelope, top, Array(front[header.size...]))
            case .queue(let error): fail(error.description, Self.status(of: error))
            case .rejected(let rejection):
                configuration.openLog("pickup").warning(
                    "refused from uid=\(Identity.user): \(rejection.cause ?? rejection.text)")
                fail(rejection.text, rejection.isPermanent ? .unavailable : .temporaryFailure)
            }
        }
        if invocation.isVerbose { try? File.writeAll(1, "queued as \(id)\n".utf8) }
        return .ok
    }

    private func fail(_ message: String, _ status: ExitStatus) -> Never {
        Main.tool.fail(message, status)
    }

    private static func status(of error: QueueError) -> ExitStatus {
        error.cause == nil ? .dataError : .temporaryFailure
    }

    /// Where we may not add to the queue (`no_new_privs`, jails), the host's SMTP server may.
    private mutating func handOver(_ envelope: Envelope, _ top: [UInt8], _ first: [UInt8]) {
        do throws(LoopbackServer.Refusal) {
            let server = try LoopbackServer(
                envelope, hostname: configuration.hostname, size: top.count + first.count,
                over: try LoopbackServer.connect())
            try server.append(top)
            try forEachPart(first) { part throws(LoopbackServer.Refusal) in
                try server.append(part)
            }
            try server.commit()
        } catch {
            let what = "may not add to the queue, and \(error.text)"
            fail(what, error.isPermanent ? .unavailable : .temporaryFailure)
        }
    }

    // MARK: - Who and to whom

    private func author() -> SubmittedHeader.Author {
        let user = (try? configuration.systemAccounts.account(withID: Identity.user)) ?? nil
        let hostname = Array(configuration.hostname.utf8)
        // An account that is in no file (a container's) still has its number.
        let login = user?.name ?? "uid\(Identity.user)"
        return SubmittedHeader.Author(
            address: Array(login.utf8) + [.ascii("@")] + hostname,
            fullName: invocation.fullName ?? user?.fullName ?? [], hostname: hostname,
            date: DateTime(seconds: arrival.seconds),
            messageID: Array(id.text.utf8) + [.ascii("@")] + hostname)
    }

    private func reversePath(_ author: SubmittedHeader.Author) -> [UInt8] {
        guard let sender = invocation.sender else { return author.address }
        if sender.isEmpty || sender == "<>" { return [] }
        let addresses = addresses(sender)
        guard addresses.count == 1 else {
            fail("several senders: \(Array(sender.utf8).escaped())", .dataError)
        }
        return qualified(addresses[0])
    }

    /// The addresses of a word of the command line: at least one, and nothing else.
    private func addresses(_ word: String) -> [Address] {
        let list = AddressList(word.utf8)
        let mailboxes = list.exactMailboxes
        guard !mailboxes.isEmpty, list.unclear.isEmpty else {
            fail("bad address \(Array(word.utf8).escaped(limit: 100))", .dataError)
        }
        return mailboxes.map { $0.address }
    }

    /// Somebody was meant by what is no address. The message is sent to all or to none: the caller is still there
    /// to be told, and a report would say the same to somebody who did not write the address.
    private func refuse(_ unclear: [(field: [UInt8], text: [UInt8])]) {
        guard let first = unclear.first else { return }
        let more = unclear.count > 1 ? ", and \(unclear.count - 1) more" : ""
        let what = "no address in \(first.field.escaped(limit: 20)): \(first.text.escaped(limit: 100))\(more)"
        configuration.openLog("pickup").warning("refused from uid=\(Identity.user): \(what)")
        fail("\(what); nothing was sent", .dataError)
    }

    /// Each address once, complete and of good syntax. A domain has no case (RFC 5321 §2.4).
    private func recipients(_ addresses: [Address]) -> [Envelope.Recipient] {
        var seen: Set<[UInt8]> = []
        var recipients: [Envelope.Recipient] = []
        for address in addresses {
            let path = qualified(address)
            let isNew = seen.insert(address.localPart + [.ascii("@")] + address.domain.folded()).inserted
            guard isNew else { continue }
            recipients.append(Envelope.Recipient(path, parameters: recipientParameters.text))
        }
        guard !recipients.isEmpty else { fail("no recipients in the header", .dataError) }
        return recipients
    }

    /// What MAIL would say of the message in SMTP.
    private var parameters: Parameters {
        var parameters = Parameters()
        if let type = invocation.bodyType { parameters.add("BODY", Array(type.utf8)) }
        if let returning = invocation.returning { parameters.add("RET", returning.text) }
        if let id = invocation.envelopeID { parameters.add("ENVID", XText.encode(id)) }
        return parameters
    }

    /// What RCPT would say of each recipient.
    private var recipientParameters: Parameters {
        var parameters = Parameters()
        if let notify = invocation.notify { parameters.add("NOTIFY", notify.text) }
        return parameters
    }

    private func qualified(_ address: Address) -> [UInt8] {
        var address = address
        if address.domain.isEmpty {
            address = Address(localPart: address.localPart, domain: Array(configuration.hostname.utf8))
        }
        guard Address(address.text) != nil, address.localPart.first != .ascii("-") else {
            fail("bad address \(address.text.escaped(limit: 100))", .dataError)
        }
        return address.text
    }

    private func received(_ author: SubmittedHeader.Author) -> [UInt8] {
        let line =
            "Received: by \(configuration.hostname) (relais, from userid \(Identity.user))\n"
            + "\tid \(id); \(author.date.text)\n"
        return Array(line.utf8)
    }

    // MARK: - The message

    /// Reads on behind `buffer`; false at the end of the message.
    private mutating func read(into buffer: inout [UInt8]) -> Bool {
        guard !sawEnd, !text.hasEnded else { return false }
        do throws(SystemError) {
            let part = try File.read(input, upTo: Self.chunk)
            sawEnd = part.isEmpty
            octets += part.count
            text.push(part, to: &buffer)
        } catch { fail("message cannot be read: \(error)", .inputOutput) }
        // What is dropped counts: a text without end has an end here, whatever it consists of.
        guard octets <= configuration.messageSizeLimit else {
            fail("message is larger than \(configuration.messageSizeLimit) bytes", .unavailable)
        }
        return !sawEnd
    }

    /// What was read until the header was whole, and the header.
    private mutating func readFront() -> (text: [UInt8], header: MessageHeader) {
        var gatherer = HeaderGatherer()
        while !gatherer.isWhole {
            var part: [UInt8] = []
            let isMore = read(into: &part)
            gatherer.push(part)
            if !isMore { gatherer.finish() }
            guard gatherer.isWhole || gatherer.text.count <= SubmittedHeader.longest else {
                fail("header is larger than \(SubmittedHeader.longest) bytes", .dataError)
            }
        }
        return (gatherer.text, gatherer.header)
    }

    /// Calls `body` with what was read already, and then with the rest of the input.
    private mutating func forEachPart<Failure: Error>(
        _ first: [UInt8], _ body: ([UInt8]) throws(Failure) -> Void
    ) throws(Failure) {
        var part = first
        repeat {
            try body(part)
            part.removeAll(keepingCapacity: true)
        } while read(into: &part) || !part.isEmpty
    }
}

extension QueueError {
    /// Noticed before anything was read or written: the message can still go another way.
    fileprivate var isMissingRight: Bool {
        guard case .inject(let error) = self else { return false }
        return error.call == "open" && (error.code == .accessDenied || error.code == .notPermitted)
    }
}
