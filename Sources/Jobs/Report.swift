import Bytes
package import Mail

/// What became of one recipient of one job: what a deliverer answers to the queue-runner.
package struct Report: Equatable {
    package enum Verdict: UInt8 {
        /// Done: `K`. Said only after what was delivered is durable.
        case delivered = 0x4B
        /// Handed to a host that will not report deliveries: `L`. Done; a sender who wants to hear of success
        /// hears it from us.
        case relayed = 0x4C
        /// Try again later: `Z`.
        case deferred = 0x5A
        /// Never: `D`.
        case failed = 0x44
        /// Send it to `forward` instead: `R`. Done once the runner has put that into the queue.
        case forwarded = 0x52
    }

    /// The job's place in the batch, counted from 0, and the recipient's index in that job.
    package var job: Int
    package var recipient: Int
    package var verdict: Verdict
    package var status: EnhancedStatus
    /// For the log and the DSN: printable ASCII, one line.
    package private(set) var text: [UInt8]
    /// Who took it, for the log line: `mx.example.org[192.0.2.1]:25`, `local`, `command`.
    package private(set) var relay: [UInt8]
    /// Microseconds until there was a session, and from then to the answer.
    package var connecting: Int
    package var transmitting: Int
    /// For `deferred`: it was the destination that failed, not this message; others for it would fare the same.
    package var isOfDestination: Bool
    /// For `deferred`: it was the deliverer itself that is not as it must be. Nothing was tried, for anybody.
    package var isOfDeliverer = false
    /// For `forwarded`.
    package var forward: Forward?
    /// For `failed`, where it is a fault of this host's own files: who answers for them and is to hear of it besides
    /// the sender; empty for the postmaster.
    package var answerable: [UInt8]?

    package struct Forward: Equatable {
        package var copies: [Copy]
        /// Header lines to put on top of the message, each with its LF.
        package var header: [UInt8]

        package struct Copy: Equatable {
            /// To use instead of the message's own; nil: that one.
            package var reversePath: [UInt8]?
            package var recipients: [Successor]

            package init(reversePath: [UInt8]? = nil, recipients: [Successor]) {
                self.reversePath = reversePath
                self.recipients = recipients
            }
        }

        package init(copies: [Copy], header: [UInt8] = []) {
            self.copies = copies
            self.header = header
        }
    }

    /// `text` and `relay` may hold what a stranger said: they are escaped and cut here.
    package init(
        job: Int, recipient: Int, _ verdict: Verdict, _ status: EnhancedStatus,
        _ text: some Collection<UInt8>,
        relay: some Collection<UInt8> = [UInt8]("local"), connecting: Int = 0, transmitting: Int = 0,
        isOfDestination: Bool = false, forward: Forward? = nil, answerable: [UInt8]? = nil
    ) {
        self.job = job
        self.recipient = recipient
        self.verdict = verdict
        self.status = status
        self.text = Self.presentable(text, limit: Self.longestText)
        self.relay = Self.presentable(relay, limit: Self.longestRelay)
        self.connecting = max(0, connecting)
        self.transmitting = max(0, transmitting)
        self.isOfDestination = isOfDestination
        self.forward = forward
        self.answerable = answerable
    }

    private static func presentable(_ bytes: some Collection<UInt8>, limit: Int) -> [UInt8] {
        if bytes.allSatisfy({ $0.isPrintable }) { return Array(bytes.prefix(limit)) }
        return Array(bytes.escaped(limit: limit).utf8.prefix(limit))
    }

    package static let longestText = 1024
    package static let longestRelay = 320
    package static let longestHeader = 4096
    /// Most addresses that one recipient can be forwarded to; a longer list is refused where it is read.
    package static let mostAddresses = 10_000
    static let longestRecord = mostAddresses * (2 * Job.longestPath + 24) + 16384
}

extension Report {
    static let kind: StaticString = "report2"
    static let endOfReports: StaticString = "end1"

    func framed() -> [UInt8] {
        var record = RecordWriter(Self.kind)
        record.add(job)
        record.add(recipient)
        record.add([verdict.rawValue])
        record.add(Array(status.description.utf8))
        record.add(text)
        record.add(relay)
        record.add(connecting)
        record.add(transmitting)
        record.add(isOfDeliverer ? 3 : isOfDestination ? 1 : 0)
        record.add(answerable == nil ? 0 : 1)
        record.add(answerable ?? [])
        if let forward {
            record.add(forward.header)
            for copy in forward.copies { copy.add(to: &record) }
        }
        return record.framed()
    }

    /// Reads what follows the kind of a report's record.
    init(_ record: inout RecordReader) throws(SyntaxError) {
        job = try record.number(upTo: Job.mostInBatch, "job")
        recipient = try record.number(upTo: Int(Int32.max), "recipient")
        let letter = try record.bytes(limit: 1, "verdict")
        guard let verdict = letter.first.flatMap(Verdict.init) else { throw SyntaxError("verdict", at: 0) }
        self.verdict = verdict
        guard let status = EnhancedStatus(try record.bytes(limit: 11, "status")), status.suits(verdict)
        else { throw SyntaxError("status", at: 0) }
        self.status = status
        text = try Self.printable(&record, limit: Self.longestText, "text")
        relay = try Self.printable(&record, limit: Self.longestRelay, "relay")
        connecting = try record.number("connecting")
        transmitting = try record.number("transmitting")
        // Two bits; what is of the deliverer is of the destination, too.
        let scope = try record.number(upTo: 3, "is-of-destination")
        guard scope != 2 else { throw SyntaxError("is-of-destination", at: 0) }
        (isOfDestination, isOfDeliverer) = (scope == 1, scope == 3)
        let hasAnswerable = try record.number(upTo: 1, "has-answerable") == 1
        let path = try record.line(limit: Job.longestPath, "answerable")
        answerable = hasAnswerable ? path : nil
        forward = verdict == .forwarded ? try Forward(&record) : nil
        try record.end("report")
    }

    private static func printable(
        _ record: inout RecordReader, limit: Int, _ production: StaticString
    ) throws(SyntaxError) -> [UInt8] {
        let field = try record.bytes(limit: limit, production)
        guard field.allSatisfy({ $0.isPrintable }) else { throw SyntaxError(production, at: 0) }
        return Array(field)
    }
}

extension Report.Forward {
    /// How many addresses there are in all copies.
    package var count: Int { copies.reduce(0) { $0 + $1.recipients.count } }

    fileprivate init(_ record: inout RecordReader) throws(SyntaxError) {
        header = Array(try record.bytes(limit: Report.longestHeader, "header"))
        guard header.isEmpty || header.last == .lf, !header.contains(.nul), !header.contains(.cr) else {
            throw SyntaxError("header", at: 0)
        }
        copies = []
        var room = Report.mostAddresses
        while !record.isAtEnd {
            let copy = try Copy(&record, upTo: room)
            room -= copy.recipients.count
            copies.append(copy)
        }
        guard !copies.isEmpty else { throw SyntaxError("copy", at: 0) }
    }
}

extension Report.Forward.Copy {
    fileprivate func add(to record: inout RecordWriter) {
        record.add(reversePath == nil ? 0 : 1)
        record.add(reversePath ?? [])
        record.add(recipients.count)
        for recipient in recipients {
            record.add(recipient.meaning.rawValue)
            record.add(recipient.address)
        }
    }

    fileprivate init(_ record: inout RecordReader, upTo most: Int) throws(SyntaxError) {
        let hasReversePath = try record.number(upTo: 1, "has-reverse-path") == 1
        let path = try record.line(limit: Job.longestPath, "reverse-path")
        reversePath = hasReversePath ? path : nil
        let count = try record.number(upTo: most, "addresses")
        guard count > 0 else { throw SyntaxError("addresses", at: 0) }
        recipients = []
        for _ in 0..<count {
            let number = try record.number(upTo: 255, "meaning")
            guard let meaning = Successor.Meaning(rawValue: UInt8(number)) else {
                throw SyntaxError("meaning", at: 0)
            }
            let address = try record.line(limit: Job.longestPath, "address")
            guard !address.isEmpty else { throw SyntaxError("address", at: 0) }
            recipients.append(Successor(address, meaning))
        }
    }
}

extension EnhancedStatus {
    /// RFC 3463 §2: class 2 is success, 4 persistent transient failure, 5 permanent failure.
    fileprivate func suits(_ verdict: Report.Verdict) -> Bool {
        switch verdict {
        case .delivered, .relayed, .forwarded: kind == .success
        case .deferred: kind == .persistentTransientFailure
        case .failed: kind == .permanentFailure
        }
    }
}
