import Bytes
import Jobs
import Program
import Queue
import Testing
import Unix

@testable import Running

/// Whom the runner tells what became of a message, and that he does it once.
@Suite struct ReportTests {
    @Test("what failed is told the sender in one report, and the message ends")
    func bounce() throws {
        let queue = try TemporaryQueue()
        let id = try queue.inject(to: "x@one.example", "y@one.example", "z@two.example")
        queue.world.behaviour = { connection in
            let isOne = connection.jobs[0].destination.name == Array("one.example".utf8)
            connection.answerAll(isOne ? .failed : .delivered, "no such user")
        }
        try queue.run()
        #expect(try queue.names("log").isEmpty && queue.names("deferred").isEmpty)
        let report = try queue.only(.incoming)
        #expect(report.id != id && report.envelope.reversePath.isEmpty)
        let text = try queue.content(of: report)
        #expect(text.contains("Final-Recipient: rfc822; x@one.example"))
        #expect(text.contains("Final-Recipient: rfc822; y@one.example"))
        #expect(!text.contains("z@two.example\nAction"))
        #expect(queue.logged("\(id): sender non-delivery notification: \(report.id)").count == 1)
        #expect(queue.logged("\(id): removed").count == 1)
    }

    @Test(
        "nothing is told where nobody is to hear of it: a NOTIFY that leaves failures out, and no sender of a report"
    )
    func nobody() throws {
        let queue = try TemporaryQueue(["double-bounce-recipient": ""])
        queue.world.behaviour = { $0.answerAll(.failed) }
        let silent = try queue.inject(to: "x@one.example NOTIFY=NEVER")
        try queue.run()
        #expect(try queue.isEmpty)
        #expect(queue.logged("\(silent): nobody wants to know").count == 1)
        let senderless = try queue.inject(from: "", to: "x@one.example")
        try queue.run()
        // That is all that is left of it.
        #expect(try queue.names("incoming").isEmpty && queue.names("log").isEmpty)
        #expect(try queue.names("trash").map { $0.hasSuffix("/\(senderless)") } == [true])
    }

    @Test("the postmaster hears of a report that failed, and nobody of one to him")
    func doubleBounce() throws {
        let queue = try TemporaryQueue()
        queue.world.behaviour = { $0.answerAll(.failed) }
        try queue.inject(from: "", to: "x@one.example")
        try queue.run()
        let report = try queue.only(.incoming)
        #expect(report.envelope.recipients.map { $0.address } == [Array("postmaster@example.org".utf8)])
        let id = report.id
        _ = consume report
        try queue.run()
        #expect(try queue.names("incoming").isEmpty)
        #expect(try queue.names("trash").map { $0.hasSuffix("/\(id)") } == [true])
    }

    @Test(
        "success is told to who asked for it: of a delivery, and of a host that will not tell",
        arguments: [("joe@example.org", false, "delivered"), ("x@one.example", true, "relayed")])
    func success(recipient: String, isRelayed: Bool, action: String) throws {
        let queue = try TemporaryQueue()
        queue.world.behaviour = { $0.answerAll(isRelayed ? .relayed : .delivered, "250 2.0.0 taken") }
        try queue.inject(to: recipient)
        try queue.run()
        #expect(try queue.isEmpty)
        try queue.inject(to: "\(recipient) NOTIFY=SUCCESS")
        try queue.run()
        #expect(try queue.content(of: queue.only(.incoming)).contains("Action: \(action)\n"))
        // The reply as it was given, in the line of the log as well.
        #expect(queue.logged("status=sent (250 2.0.0 taken)").count == 2)
    }

    @Test(
        "a sender is warned once that his message waits, when it has waited long enough, and not where it is bulk"
    )
    func warning() throws {
        let queue = try TemporaryQueue(["delay-warning": "1h", "retry-intervals": "50m"])
        queue.world.behaviour = { $0.answerAll(.deferred, "full") }
        let id = try queue.inject(to: "x@one.example")
        let bulk = try queue.inject(to: "x@one.example", content: "Precedence: bulk\n\nx\n")
        try queue.run()
        #expect(try queue.names("incoming").isEmpty)
        #expect(try queue.queue.names(in: queue.bucket(in: 50)).ids.count == 2)
        queue.world.goOn(.seconds(3000))
        try queue.run()
        // Not at its next attempt, which is too late: when it is due.
        #expect(try queue.queue.names(in: queue.bucket(in: 10)).ids.count == 2)
        for _ in 0..<3 {
            queue.world.goOn(.seconds(600))
            try queue.run()
        }
        #expect(try queue.history(of: id).filter { $0.hasPrefix("1 Z") }.count == 2)
        #expect(queue.logged("\(id): sender delay notification").count == 1)
        #expect(queue.logged("\(bulk): sender delay notification").isEmpty)
        #expect(try queue.history(of: id).filter { $0.hasPrefix("0 W") } == ["0 W - sent"])
        #expect(
            try queue.history(of: bulk).filter { $0.hasPrefix("0 W") } == ["0 W - not sent: nobody reads it"])
    }

    @Test("who answers for an alias hears that it is at fault, besides the sender; nobody hears it twice")
    func owner() throws {
        let queue = try TemporaryQueue()
        queue.world.behaviour = { connection in
            guard connection.path.hasSuffix("local"),
                connection.jobs[0].reversePath == Array("ann@far.example".utf8)
            else { return connection.deliverAll() }
            connection.report(0, .failed, "list is broken", answerable: Array("owner@example.org".utf8))
            connection.finish()
        }
        let id = try queue.inject(from: "ann@far.example", to: "list@example.org")
        try queue.run()
        let told = try queue.queue.names(in: .incoming).ids.map { id in
            try queue.claim(id)?.envelope.recipients.map { String(decoding: $0.address, as: UTF8.self) } ?? []
        }
        #expect(Set(told) == [["owner@example.org"], ["ann@far.example"]])
        #expect(queue.logged("\(id): owner notification").count == 1)
    }

    @Test("reports beyond bounce-limit are put on hold, and the operator hears of it once")
    func storm() throws {
        let queue = try TemporaryQueue(["bounce-limit": "2"])
        queue.world.behaviour = { $0.answerAll(.failed) }
        for number in 1...4 { try queue.inject(to: "x@\(number).example") }
        try queue.run()
        #expect(try queue.names("hold").count == 2)
        #expect(queue.logged("sender non-delivery notification", "(on hold: storm)").count == 2)
        #expect(queue.logged("warning: storm: 2 reports within an hour").count == 1)
        // Two reports, and the alarm.
        #expect(try queue.names("incoming").count == 3)
    }

    @Test("what the operator gives up fails with his words, and the sender is told at once")
    func givenUp() throws {
        let queue = try TemporaryQueue()
        let id = try queue.inject(to: "x@one.example", "y@one.example")
        let message = try #require(try queue.claim(id))
        let log = try #require(try MessageLog.open(for: message, in: queue.queue, creating: true))
        let work = Work(message, log: log, at: queue.world.now)
        var configuration = Configuration()
        (configuration.queueDirectory, configuration.hostname) = (queue.path, "mx.example.org")
        let settlement = Settlement(
            configuration, queue: queue.queue, log: Log(.none, tag: ""), activity: Activity(isVerbose: false),
            clock: queue.world)
        settlement.giveUp(1, of: work, "returned by the administrator")
        try work.writeDown(in: queue.queue)
        #expect(try settlement.tell(work))
        #expect(
            try queue.history(of: id) == [
                "1 F 5.0.0 returned by the administrator", "1 X 5.0.0 returned by the administrator",
            ])
        #expect(work.open == [2] && work.owed.isEmpty)
        let report = try #require(try queue.queue.names(in: .incoming).ids.first { $0 != id })
        #expect(
            try queue.content(of: try #require(try queue.claim(report))).contains(
                "returned by the administrator"))
    }
}
