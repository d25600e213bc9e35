import Bytes
import Delivery
import Mail
import Program
import Queue
import Unix

/// One message from stdin into the queue. Of the message only the header is held; the content is streamed.
/// Until the queue has it durably nothing is left behind, however this ends.
struct Submission {
    private let invocation: Invocation
    private let configuration: Configuration
    private let arrival = Time.now()
    private let id: MessageID
    private var text: SubmittedText
    private var sawEnd = false

    init(_ invocation: Invocation, _ configuration: Configuration) {
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
        let author = self.author()
        let reversePath = self.reversePath(author)
        let named = invocation.recipients.flatMap(addresses)

        var (gathered, header) = readHeader()
        guard let submitted = SubmittedHeader(header) else { fail("header has too many fields", .dataError) }
        let found = invocation.takesRecipientsFromHeader ? submitted.recipients : []
        let envelope = Envelope(
            reversePath: reversePath,
            parameters: parameters.text,
            recipients: recipients(named + found))

        let complete = submitted.completed(by: author)
        let top = received(author) + complete + [.lf]
        gathered.removeFirst(header.size)
        do throws(QueueError) {
            let injection = try Injection(
                queue: configuration.queueDirectory, envelope: envelope, id: id, arrival: arrival)
            let log = configuration.openLog("pickup")
            log.info("\(id): uid=\(Identity.user) from=<\(reversePath.escapedInAngles())>")
            try injection.append(top)
            try forEachPart(gathered, behind: complete.count) { part throws(QueueError) in
                try injection.append(part)
            }
            let messageID = MessageHeader(complete).first("Message-ID")?.value ?? []
            log.info("\(id): message-id=\(messageID.escaped(limit: 200))")
            try injection.commit(kick: configuration.serviceSocket("kick"))
        } catch {
            guard error.isMissingRight else { fail(error.description, Self.status(of: error)) }
            handOver(envelope, top, gathered, behind: complete.count)
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
    private mutating func handOver(
        _ envelope: Envelope, _ top: [UInt8], _ first: [UInt8], behind headerSize: Int
    ) {
        do throws(LoopbackServer.Refusal) {
            let server = try LoopbackServer(
                envelope, hostname: configuration.hostname, size: top.count + first.count)
            try server.append(top)
            try forEachPart(first, behind: headerSize) { part throws(LoopbackServer.Refusal) in
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
        let user = (try? configuration.users.user(withID: Identity.user)) ?? nil
        let hostname = Array(configuration.hostname.utf8)
        // An account that is in no file (a container's) still has its number.
        let login = user?.name ?? "uid\(Identity.user)"
        let name = invocation.fullName ?? user?.fullName ?? ""
        return SubmittedHeader.Author(
            address: Array(login.utf8) + [.ascii("@")] + hostname, fullName: Array(name.utf8),
            hostname: hostname, date: DateTime(seconds: arrival.seconds),
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
        guard !mailboxes.isEmpty, mailboxes.count == list.mailboxes.count else {
            fail("bad address \(Array(word.utf8).escaped(limit: 100))", .dataError)
        }
        return mailboxes.map { $0.address }
    }

    /// Each address once, complete and of good syntax.
    private func recipients(_ addresses: [Address]) -> [Envelope.Recipient] {
        var seen: Set<[UInt8]> = []
        var recipients: [Envelope.Recipient] = []
        for address in addresses {
            let path = qualified(address)
            guard seen.insert(path).inserted else { continue }
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
            let part = try File.read(0, upTo: Self.chunk)
            sawEnd = part.isEmpty
            text.push(part, to: &buffer)
        } catch { fail("message cannot be read: \(error)", .inputOutput) }
        return !sawEnd
    }

    /// Everything up to the end of the header, and what was read behind it.
    private mutating func readHeader() -> (gathered: [UInt8], header: MessageHeader) {
        var gathered: [UInt8] = []
        var hadSeparator = false
        while true {
            let isMore = read(into: &gathered)
            if !hadSeparator, gathered.starts(with: [UInt8]("From ")), let end = gathered.firstIndex(of: .lf)
            {
                // The line that an mbox puts in front of a message.
                gathered.removeSubrange(...end)
                hadSeparator = true
            }
            let lines = isMore ? gathered[..<((gathered.lastIndex(of: .lf) ?? -1) + 1)] : gathered[...]
            let header = MessageHeader(lines)
            let hasEmptyLine = lines.prefix(header.size).hasEmptyLineAtEnd
            if !isMore || hasEmptyLine || header.size < lines.count { return (gathered, header) }
            if gathered.count > SubmittedHeader.longest {
                // A first line without end is no header.
                if lines.isEmpty { return (gathered, header) }
                fail("header is larger than \(SubmittedHeader.longest) bytes", .dataError)
            }
        }
    }

    /// Calls `body` with what was read behind the header, and then with the rest of the input.
    private mutating func forEachPart<Failure: Error>(
        _ first: [UInt8], behind headerSize: Int, _ body: ([UInt8]) throws(Failure) -> Void
    ) throws(Failure) {
        var part = first
        var size = headerSize
        repeat {
            size += part.count
            guard size <= configuration.messageSizeLimit else {
                fail("message is larger than \(configuration.messageSizeLimit) bytes", .unavailable)
            }
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

extension ArraySlice<UInt8> {
    /// Whether the last line is empty.
    fileprivate var hasEmptyLineAtEnd: Bool {
        last == .lf && (count == 1 || self[endIndex - 2] == .lf)
    }
}
