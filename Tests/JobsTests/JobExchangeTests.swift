import Bytes
import Mail
import Testing
import Unix

@testable import Jobs

/// A job with everything in it.
private let job = Job(
    id: [UInt8]("06f8xyz1abc"), arrival: Time(microseconds: 1_700_000_000_123_456),
    reversePath: [UInt8]("a@example.org"), parameters: [UInt8]("BODY=8BITMIME RET=HDRS"),
    destination: .remote([UInt8]("example.net")), contentOffset: 512, contentLength: 1024, topLength: 77,
    recipients: [
        Job.Recipient(address: [UInt8]("b@example.net"), parameters: [UInt8]("NOTIFY=NEVER"), index: 3),
        Job.Recipient(address: [UInt8]("\"c d\"@example.net"), index: 7),
    ])

private let delivered = EnhancedStatus(2, 0, 0)

@Suite struct JobExchangeTests {
    /// Both ends of a connection, and a file to pass.
    final class Ends {
        let sender: JobSender
        var far: Descriptor
        let file: Descriptor

        init() throws {
            let pair = try DescriptorPair.sockets()
            far = try pair.second.duplicate()
            sender = JobSender(adopting: pair.keepFirst(), patience: .seconds(5))
            file = try Path.openForReading("/dev/null")
        }

        var receiver: JobReceiver { JobReceiver(over: far.raw, patience: .seconds(5)) }
    }

    @Test("jobs arrive as they were sent, each with its file, and reports come back")
    func round() throws {
        let ends = try Ends()
        var local = job
        local.destination = .local([UInt8]("bob"))
        local.reversePath = []
        try ends.sender.send(job, file: ends.file)
        try ends.sender.send(local, file: ends.file)
        try ends.sender.endBatch()

        let receiver = ends.receiver
        let batch = try receiver.receiveAll()
        #expect(batch.map(\.job) == [job, local])
        #expect(!receiver.runnerIsGone)
        let reports = [
            Report(job: 1, recipient: 7, .delivered, delivered, [UInt8]("delivered to maildir")),
            Report(
                job: 0, recipient: 3, .failed, EnhancedStatus(5, 1, 1),
                [UInt8]("said: no\r\n such\u{1b} user"),
                relay: [UInt8]("mx.example.net[192.0.2.1]:25"), connecting: 12, transmitting: 3456),
            Report(
                job: 0, recipient: 7, .forwarded, delivered, [UInt8]("forwarded"),
                forward: Report.Forward(
                    copies: [
                        .init(
                            reversePath: [],
                            recipients: [Successor([UInt8]("x@example.com")), Successor([UInt8]("y"))])
                    ],
                    header: [UInt8]("Delivered-To: b@example.net\n"))),
        ]
        for report in reports { try receiver.report(report) }
        try receiver.finish()
        #expect(ends.sender.receive() == JobSender.Progress(reports: reports, isOver: true))
        #expect(ends.sender.outstanding.map(\.job) == [1])
        #expect(ends.sender.outstanding.map(\.recipient) == [3])
        #expect(reports[1].text == [UInt8]("said: no\\x0d\\x0a such\\x1b user"))
    }

    @Test("a deliverer that cannot work gives everything back, and says that it is about itself")
    func incapacity() throws {
        let ends = try Ends()
        try ends.sender.send(job, file: ends.file)
        try ends.sender.endBatch()
        ends.receiver.refuseAll("it is not root")
        let progress = ends.sender.receive()
        #expect(progress.isOver && progress.failure == nil && ends.sender.outstanding.isEmpty)
        #expect(progress.reports.map(\.recipient) == [3, 7])
        for report in progress.reports {
            #expect(report.isOfDeliverer && !report.isOfDestination && report.verdict == .deferred)
            #expect("\(report.status)" == "4.3.5")
        }
    }

    @Test("a job cut short at any byte is refused as a whole")
    func cut() throws {
        let frame = job.framed() + RecordWriter(Job.endOfBatch).framed()
        for length in 0..<frame.count {
            let ends = try Ends()
            if length > 0 {
                try DescriptorPassing.send(
                    Array(frame.prefix(length)), with: [ends.file.raw], over: ends.sender.raw)
            }
            Socket.endWriting(ends.sender.raw)
            #expect(throws: ExchangeError.ended) { try ends.receiver.receiveAll() }
        }
    }

    @Test("a report cut short at any byte leaves its recipient outstanding")
    func cutReport() throws {
        let frame = Report(job: 0, recipient: 3, .delivered, delivered, [UInt8]("ok")).framed()
        for length in 0..<frame.count {
            let ends = try Ends()
            try ends.sender.send(job, file: ends.file)
            try ends.sender.endBatch()
            if length > 0 { try ends.far.write(frame.prefix(length)) }
            // Unread jobs would make this a reset; the runner must not care.
            ends.far = try Path.openForReading("/dev/null")
            var progress = ends.sender.receive()
            if !progress.isOver { progress = ends.sender.receive() }
            #expect(progress == JobSender.Progress(isOver: true, failure: .ended))
            #expect(ends.sender.outstanding.count == 2)
        }
    }

    /// Records as their fields; what must be refused, and as what.
    static let badJobs: [([String], String)] = {
        let good = [
            "job2", "abc1", "1", "a@b", "", "remote", "b.example", "0", "10", "0", "1", "x@b.example", "",
            "0",
        ]
        func with(_ place: Int, _ value: String) -> [String] {
            var fields = good
            fields[place] = value
            return fields
        }
        return [
            ([], "kind"), (["job1"] + good.dropFirst(), "kind"), (["job2"], "id"),
            (with(1, ""), "id"), (with(1, "ABC"), "id"), (with(1, "../x"), "id"),
            (with(1, String(repeating: "a", count: 65)), "id"),
            (with(2, "-1"), "arrival"), (with(2, "0x10"), "arrival"), (with(2, ""), "arrival"),
            (with(2, "99999999999999999999"), "arrival"), (with(2, "9223372036854775808"), "arrival"),
            (with(3, "a\nb"), "reverse-path"), (with(3, "a\0b"), "reverse-path"),
            (with(3, String(repeating: "a", count: 513)), "reverse-path"),
            (with(4, "SIZE=1\r"), "mail-parameters"),
            (with(4, String(repeating: "a", count: Job.longestParameters + 1)), "mail-parameters"),
            (with(5, "elsewhere"), "destination"), (with(5, ""), "destination"),
            (with(6, "b\u{1b}"), "destination"),
            (with(7, "-1"), "content-offset"), (with(8, "+1"), "content-length"),
            (with(7, "9223372036854775807"), "content-length"),
            (with(9, "-1"), "top-length"), (with(9, "9223372036854775807"), "content-length"),
            (with(10, "0"), "recipients"), (with(10, "1001"), "recipients"), (with(10, "2"), "forward-path"),
            (with(11, ""), "forward-path"), (with(11, "a\r\nDATA"), "forward-path"),
            (with(12, "A=\u{7f}"), "rcpt-parameters"), (with(13, "2147483648"), "index"),
            (with(13, "x"), "index"), (good + [""], "job"), (Array(good.dropLast()), "index"),
            (["end1", ""], "end"),
        ]
    }()

    @Test("a job that breaks a rule is refused, and nothing is delivered", arguments: badJobs)
    func badJob(fields: [String], rule: String) throws {
        let ends = try Ends()
        var record: [UInt8] = []
        for field in fields { Netstring.append(field.utf8, to: &record) }
        var frame: [UInt8] = []
        Netstring.append(record, to: &frame)
        try DescriptorPassing.send(frame, with: [ends.file.raw], over: ends.sender.raw)
        let failure = #expect(throws: ExchangeError.self) { try ends.receiver.receiveAll() }
        guard case .malformed(let production) = failure else {
            Issue.record("\(String(describing: failure))")
            return
        }
        #expect(production.description == rule)
    }

    @Test(
        "bytes that are no record are refused at once",
        arguments: [
            "x", "-1:", "+3:abc,", "3:abcd", " 3:abc,", "99999999999:", "18446744073709551616:", "3;abc,",
            "3:abc,", "1:a,", "5:2:ab,x", "00000000000000000000003:abc,", "\n", "\0",
        ])
    func noRecord(text: String) throws {
        let ends = try Ends()
        try ends.far.write(text.utf8)
        let receiver = JobReceiver(over: ends.sender.raw, patience: .seconds(5))
        #expect(throws: ExchangeError.self) { try receiver.receiveAll() }
        try ends.sender.send(job, file: ends.file)
        #expect(ends.sender.outstanding.count == 2)
    }

    @Test(
        "records with bytes changed, dropped or doubled are refused or read, and never more", arguments: 1...8
    )
    func mutated(seed: Int) throws {
        var random = Generator(state: UInt64(seed) &* 0x9E37_79B9_7F4A_7C15)
        let whole = job.framed() + RecordWriter(Job.endOfBatch).framed()
        for _ in 0..<250 {
            var frame = whole
            for _ in 0...Int.random(in: 0...3, using: &random) {
                let place = Int.random(in: 0..<frame.count, using: &random)
                switch Int.random(in: 0..<4, using: &random) {
                case 0: frame[place] = UInt8.random(in: 0...255, using: &random)
                case 1: frame.remove(at: place)
                case 2: frame.insert(frame[place], at: place)
                default: frame[place] = UInt8.random(in: 0x2C...0x3A, using: &random)
                }
            }
            let ends = try Ends()
            try DescriptorPassing.send(frame, with: [ends.file.raw], over: ends.sender.raw)
            Socket.endWriting(ends.sender.raw)
            guard let batch = try? ends.receiver.receiveAll() else { continue }
            for received in batch {
                #expect(received.job.isWithinLimits && received.job.contentLength >= 0)
                #expect(received.job.recipients.allSatisfy { !$0.address.contains(where: \.isControl) })
            }
        }
    }

    /// Numbers that are the same in every run.
    struct Generator: RandomNumberGenerator {
        var state: UInt64

        mutating func next() -> UInt64 {
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            return state
        }
    }

    @Test("a job needs exactly one file")
    func files() throws {
        for count in [0, 2, 4] {
            let ends = try Ends()
            let files = Array(repeating: ends.file.raw, count: count)
            try DescriptorPassing.send(job.framed(), with: files, over: ends.sender.raw)
            try ends.sender.endBatch()
            #expect(throws: ExchangeError.malformed("file")) { try ends.receiver.receiveAll() }
        }
    }

    @Test("a report that was not due ends the exchange; the reports before it count")
    func unexpected() throws {
        func report(_ job: Int, _ recipient: Int) -> Report {
            Report(job: job, recipient: recipient, .delivered, delivered, [UInt8]("ok"))
        }
        for wrong in [report(0, 3), report(0, 4), report(1, 7), report(99, 7)] {
            let ends = try Ends()
            try ends.sender.send(job, file: ends.file)
            try ends.sender.endBatch()
            _ = try ends.receiver.receiveAll()
            try ends.far.write(report(0, 3).framed() + wrong.framed() + report(0, 7).framed())
            let progress = ends.sender.receive()
            #expect(progress.reports == [report(0, 3)])
            #expect(progress.isOver)
            #expect(progress.failure == .malformed("recipient that is waiting"))
            #expect(ends.sender.outstanding.map(\.recipient) == [7])
        }
    }

    static let badReports: [([String], String)] =
        [
            (["report1"], "kind"), (["report2"], "job"), (["report2", "101"], "job"),
            (["report2", "0", "-3"], "recipient"),
            (["report2", "0", "3", "k", "2.0.0", "", "", "0", "0"], "verdict"),
            (["report2", "0", "3", "", "2.0.0", "", "", "0", "0"], "verdict"),
            (["report2", "0", "3", "KK", "2.0.0", "", "", "0", "0"], "verdict"),
            // A verdict and a code that contradict each other.
            (["report2", "0", "3", "K", "4.0.0", "", "", "0", "0"], "status"),
            (["report2", "0", "3", "Z", "5.0.0", "", "", "0", "0"], "status"),
            (["report2", "0", "3", "D", "2.0.0", "", "", "0", "0"], "status"),
            (["report2", "0", "3", "D", "5.7.2 x", "", "", "0", "0"], "status"),
            (["report2", "0", "3", "D", "", "", "", "0", "0"], "status"),
            (["report2", "0", "3", "K", "2.0.0", "a\nb", "", "0", "0"], "text"),
            (["report2", "0", "3", "K", "2.0.0", "é", "", "0", "0"], "text"),
            (["report2", "0", "3", "K", "2.0.0", String(repeating: "x", count: 1025), "", "0", "0"], "text"),
            (["report2", "0", "3", "K", "2.0.0", "", "a\tb", "0", "0"], "relay"),
            (["report2", "0", "3", "K", "2.0.0", "", "", "x", "0"], "connecting"),
            (["report2", "0", "3", "K", "2.0.0", "", "", "0"], "transmitting"),
            (["report2", "0", "3", "Z", "4.0.0", "", "", "0", "0"], "is-of-destination"),
            (["report2", "0", "3", "Z", "4.0.0", "", "", "0", "0", "2"], "is-of-destination"),
            (["report2", "0", "3", "Z", "4.0.0", "", "", "0", "0", "0"], "has-answerable"),
            (["report2", "0", "3", "Z", "4.0.0", "", "", "0", "0", "0", "2", ""], "has-answerable"),
            (["report2", "0", "3", "Z", "4.0.0", "", "", "0", "0", "0", "1", "a\nb"], "answerable"),
            (
                [
                    "report2", "0", "3", "K", "2.0.0", "", "", "0", "0", "0", "0", "", "", "0", "", "1", "0",
                    "a@b",
                ], "report"
            ),
        ]
        + badForwards.map { (["report2", "0", "3", "R", "2.0.0", "", "", "0", "0", "0", "0", ""] + $0, $1) }

    /// Header, then for each copy: whether there is a reverse-path, it, and how many with what meaning.
    private static let badForwards: [([String], String)] = [
        ([], "header"), (["X: y", "0", "", "1", "0", "a@b"], "header"),
        (["X: y\r\n", "0", "", "1", "0", "a@b"], "header"),
        ([""], "copy"), (["", "2", "", "1", "0", "a@b"], "has-reverse-path"),
        (["", "1", "a\nb", "1", "0", "a@b"], "reverse-path"),
        (["", "0", "", "0"], "addresses"), (["", "0", "", "10001", "0", "a@b"], "addresses"),
        (["", "0", "", "1", "4", "a@b"], "meaning"),
        (["", "0", "", "1", "300", "a@b"], "meaning"), (["", "0", "", "1", "0", ""], "address"),
        (["", "0", "", "1", "0", "a\nb"], "address"),
        (["", "0", "", "2", "0", "a@b"], "meaning"),
        (["", "0", "", "1", "0", "a@b", "0", "", "10000", "0", "c@d"], "addresses"),
    ]

    @Test("a report that breaks a rule defers its recipient", arguments: badReports)
    func badReport(fields: [String], rule: String) throws {
        let ends = try Ends()
        try ends.sender.send(job, file: ends.file)
        try ends.sender.endBatch()
        _ = try ends.receiver.receiveAll()
        var record: [UInt8] = []
        for field in fields { Netstring.append(field.utf8, to: &record) }
        var frame: [UInt8] = []
        Netstring.append(record, to: &frame)
        try ends.far.write(frame)
        let progress = ends.sender.receive()
        #expect(progress.isOver && progress.reports.isEmpty)
        #expect(ends.sender.outstanding.count == 2)
        guard case .malformed(let production) = progress.failure else {
            Issue.record("\(String(describing: progress.failure))")
            return
        }
        #expect(production.description == rule)
    }

    @Test("whatever a report says, it says on one short line")
    func presentable() {
        func text(_ bytes: [UInt8]) -> [UInt8] {
            Report(job: 0, recipient: 0, .delivered, delivered, bytes, relay: bytes).text
        }
        #expect(text([UInt8](repeating: 0x61, count: Report.longestText)).count == Report.longestText)
        #expect(text([UInt8](repeating: 0x61, count: Report.longestText + 1)).count == Report.longestText)
        #expect(text([UInt8](repeating: 0x0A, count: 5000)).count == Report.longestText)
        #expect(text([0x5C, 0x41]) == [0x5C, 0x41])
        for byte in UInt8.min...UInt8.max {
            let isPrintable = text([byte]).allSatisfy { $0.isPrintable }
            #expect(isPrintable)
        }
    }

    @Test("a batch is read in bounded time, and no further than its limit")
    func bounds() throws {
        let silent = try Ends()
        #expect(throws: ExchangeError.timedOut) {
            try JobReceiver(over: silent.far.raw, patience: .milliseconds(20)).receiveAll()
        }
        let many = try Ends()
        for _ in 0...Job.mostInBatch {
            try DescriptorPassing.send(job.framed(), with: [many.file.raw], over: many.sender.raw)
        }
        #expect(throws: ExchangeError.malformed("batch")) { try many.receiver.receiveAll() }
    }

    @Test("a batch has at most so many jobs, and a job so many recipients")
    func limits() throws {
        let ends = try Ends()
        for _ in 0..<Job.mostInBatch {
            #expect(ends.sender.hasRoom)
            try ends.sender.send(job, file: ends.file)
            // Nobody else empties the socket while this test fills it.
            let received = try DescriptorPassing.receive(upTo: 65536, over: ends.far.raw)
            received.files.forEach { _ = Descriptor(adopting: $0) }
        }
        #expect(!ends.sender.hasRoom)
        #expect(throws: ExchangeError.tooLarge) { try ends.sender.send(job, file: ends.file) }

        var large = job
        large.recipients = (0..<Job.mostRecipients).map {
            Job.Recipient(address: [UInt8]("x@example.net"), index: $0)
        }
        #expect(large.isWithinLimits)
        large.recipients.append(Job.Recipient(address: [UInt8]("y@example.net"), index: 1_000_000))
        #expect(!large.isWithinLimits)
    }
}
