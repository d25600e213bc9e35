import Bytes
package import Unix

/// One message for one destination: what the queue-runner hands to a deliverer. The message itself goes
/// along as an open, read-only file; a job says which parts of that file are the message.
package struct Job: Equatable {
    package enum Destination: Hashable {
        /// A domain, or the next hop that the configuration names for it.
        case remote([UInt8])
        /// The local part that all recipients of the connection share, folded and without its extension; with their domain, where
        /// it may tell one user from another.
        case local([UInt8])
    }

    package struct Recipient: Equatable {
        /// The forward-path without its angle brackets.
        package var address: [UInt8]
        /// The parameters of RCPT as they came: `NOTIFY=NEVER ORCPT=…`.
        package var parameters: [UInt8]
        /// The number that the runner knows this recipient by: its place in the envelope.
        package var index: Int

        package init(address: [UInt8], parameters: [UInt8] = [], index: Int) {
            self.address = address
            self.parameters = parameters
            self.index = index
        }
    }

    /// The message's id in the queue.
    package var id: [UInt8]
    package var arrival: Time
    /// Without its angle brackets; empty for the null reverse-path.
    package var reversePath: [UInt8]
    /// The parameters of MAIL as they came: `BODY=8BITMIME RET=HDRS`.
    package var parameters: [UInt8]
    package var destination: Destination
    /// Where the content is in the file that goes along; behind it is what stands on top of it.
    package var contentOffset: Int
    package var contentLength: Int
    package var topLength: Int
    package var recipients: [Recipient]

    package init(
        id: [UInt8], arrival: Time, reversePath: [UInt8], parameters: [UInt8] = [],
        destination: Destination, contentOffset: Int, contentLength: Int, topLength: Int = 0,
        recipients: [Recipient]
    ) {
        self.id = id
        self.arrival = arrival
        self.reversePath = reversePath
        self.parameters = parameters
        self.destination = destination
        self.contentOffset = contentOffset
        self.contentLength = contentLength
        self.topLength = topLength
        self.recipients = recipients
    }

    /// The message, in the file that came along.
    package func text(of file: CInt) -> Extents {
        var text = Extents()
        text.append(file: file, offset: contentOffset + contentLength, count: topLength)
        text.append(file: file, offset: contentOffset, count: contentLength)
        return text
    }

    /// Most recipients of one job; a message with more of them in one domain becomes several jobs.
    package static let mostRecipients = 1000
    /// Most jobs of one connection: each carries an open file.
    package static let mostInBatch = 100
    /// Longest path, with what SMTPUTF8 and odd quoting can make of one (RFC 5321 §4.5.3.1.3 says 256).
    package static let longestPath = 512
    /// Longest parameter text of a MAIL or RCPT command: as long as smtpd takes a command, and what the queue adds.
    package static let longestParameters = 4096 + 1024
    /// No valid job has more bytes on the wire, so that a sender within the limits above never fails.
    static let longestRecord = mostRecipients * (longestPath + longestParameters + 40) + 8192
}

extension Job {
    static let kind: StaticString = "job2"
    static let endOfBatch: StaticString = "end1"

    /// Whether a deliverer would take it.
    package var isWithinLimits: Bool {
        !recipients.isEmpty && recipients.count <= Self.mostRecipients
            && reversePath.count <= Self.longestPath && parameters.count <= Self.longestParameters
            && recipients.allSatisfy {
                $0.address.count <= Self.longestPath && $0.parameters.count <= Self.longestParameters
            }
    }

    func framed() -> [UInt8] {
        var record = RecordWriter(Self.kind)
        record.add(id)
        record.add(arrival.microseconds)
        record.add(reversePath)
        record.add(parameters)
        switch destination {
        case .remote(let domain):
            record.add([UInt8]("remote"))
            record.add(domain)
        case .local(let user):
            record.add([UInt8]("local"))
            record.add(user)
        }
        record.add(contentOffset)
        record.add(contentLength)
        record.add(topLength)
        record.add(recipients.count)
        for recipient in recipients {
            record.add(recipient.address)
            record.add(recipient.parameters)
            record.add(recipient.index)
        }
        return record.framed()
    }

    /// Reads what follows the kind of a job's record.
    init(_ record: inout RecordReader) throws(SyntaxError) {
        id = try record.line(limit: 64, "id")
        guard !id.isEmpty, id.allSatisfy({ $0.isDigit || $0.isLower }) else {
            throw SyntaxError("id", at: 0)
        }
        arrival = Time(microseconds: Int64(try record.number("arrival")))
        reversePath = try record.line(limit: Self.longestPath, "reverse-path")
        parameters = try record.line(limit: Self.longestParameters, "mail-parameters")
        let kind = try record.bytes(limit: 8, "destination")
        let name = try record.line(limit: Self.longestPath, "destination")
        if kind.elementsEqual([UInt8]("remote")) {
            destination = .remote(name)
        } else if kind.elementsEqual([UInt8]("local")) {
            destination = .local(name)
        } else {
            throw SyntaxError("destination", at: 0)
        }
        contentOffset = try record.number("content-offset")
        contentLength = try record.number("content-length")
        topLength = try record.number("top-length")
        let (end, isBeyond) = contentOffset.addingReportingOverflow(contentLength)
        guard !isBeyond, !end.addingReportingOverflow(topLength).overflow else {
            throw SyntaxError("content-length", at: 0)
        }
        let count = try record.number(upTo: Self.mostRecipients, "recipients")
        guard count > 0 else { throw SyntaxError("recipients", at: 0) }
        recipients = []
        for _ in 0..<count {
            let address = try record.line(limit: Self.longestPath, "forward-path")
            guard !address.isEmpty else { throw SyntaxError("forward-path", at: 0) }
            let parameters = try record.line(limit: Self.longestParameters, "rcpt-parameters")
            let index = try record.number(upTo: Int(Int32.max), "index")
            recipients.append(Recipient(address: address, parameters: parameters, index: index))
        }
        try record.end("job")
    }
}
