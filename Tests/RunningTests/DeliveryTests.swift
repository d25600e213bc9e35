import Bytes
import Jobs
import Queue
import Testing
import Unix

@testable import Running

/// A message and its deliverer: what of each report is written down, and where the message is then.
@Suite struct DeliveryTests {
    @Test("a message goes to its deliverers, by destination, and is removed when all of them have it")
    func delivered() throws {
        let queue = try TemporaryQueue()
        try queue.inject(to: "x@one.example", "joe+list@example.org", "y@ONE.example.", "z@two.example")
        try queue.run()
        #expect(try queue.isEmpty)
        let jobs = queue.world.connections.map { connection in
            (connection.path.split(separator: "/").last ?? "", connection.jobs)
        }
        #expect(jobs.count == 3 && jobs.allSatisfy { $0.1.count == 1 })
        let local = try #require(jobs.first { $0.0 == "local" }?.1[0])
        #expect(local.destination == .local(Array("joe".utf8)) && local.recipients.map { $0.index } == [2])
        let remote = jobs.filter { $0.0 == "remote" }.map { $0.1[0] }
        #expect(
            Set(remote.map { $0.destination })
                == [.remote(Array("one.example".utf8)), .remote(Array("two.example".utf8))])
        #expect(Set(remote.map { $0.recipients.map { $0.index } }) == [[1, 3], [4]])
        #expect(queue.world.connections.allSatisfy { $0.contents == [Array("Subject: x\n\nx\n".utf8)] })
        #expect(queue.logged("status=sent").count == 4 && queue.log.last?.hasSuffix(": removed") == true)
    }

    @Test("a message with more recipients than a job holds becomes several, and each recipient is in one")
    func large() throws {
        let queue = try TemporaryQueue()
        let many = Job.mostRecipients + 1
        try queue.inject(to: (1...many).map { "u\($0)@one.example" })
        try queue.run()
        #expect(try queue.isEmpty)
        #expect(queue.world.jobs.map { $0.recipients.count }.sorted() == [1, Job.mostRecipients])
        #expect(queue.world.jobs.flatMap { $0.recipients.map { $0.index } }.sorted() == Array(1...many))
    }

    @Test(
        "a recipient who is to be tried later waits in the bucket of his minute, and nobody else is tried again"
    )
    func deferred() throws {
        let queue = try TemporaryQueue()
        let id = try queue.inject(to: "x@one.example", "y@two.example")
        queue.world.behaviour = { connection in
            let isOne = connection.jobs[0].destination.name == Array("one.example".utf8)
            connection.answerAll(isOne ? .delivered : .deferred, isOne ? "ok" : "greylisted")
        }
        // The interval of each failure, and the last for all further ones.
        for (number, minutes) in [5, 15, 60, 60].enumerated() {
            try queue.run()
            let bucket = queue.bucket(in: Int64(minutes))
            #expect(try queue.queue.names(in: bucket).ids == [id])
            let history = try queue.history(of: id)
            #expect(history.filter { $0 == "1 D 2.0.0 ok" }.count == 1)
            #expect(history.filter { $0 == "2 Z 4.2.0 greylisted" }.count == number + 1)
            #expect(queue.world.jobs.count == number + 2)
            // Not a moment sooner.
            queue.world.goOn(.seconds(minutes * 60 - 61))
            try queue.run()
            #expect(queue.world.jobs.count == number + 2)
            queue.world.goOn(.seconds(61))
        }
        queue.world.behaviour = { $0.deliverAll() }
        try queue.run()
        #expect(try queue.isEmpty)
        #expect(queue.world.jobs.filter { $0.recipients[0].index == 1 }.count == 1)
    }

    @Test("an attempt that fails when the message's life is over is its last, and the sender hears why")
    func expired() throws {
        let queue = try TemporaryQueue(["queue-lifetime": "1d", "delay-warning": "0"])
        queue.world.behaviour = { $0.answerAll(.deferred, "still full") }
        try queue.inject(to: "x@one.example", arrived: .seconds(86399))
        try queue.run()
        #expect(try queue.names("incoming").isEmpty && queue.names("deferred").count == 1)
        queue.world.goOn(.seconds(300))
        try queue.run()
        #expect(try queue.names("deferred").isEmpty && queue.names("log").isEmpty)
        #expect(
            queue.logged(
                "dsn=5.4.7", "status=bounced", "not delivered within the queue lifetime; last: still full"
            )
            .count == 1)
        let report = try queue.only(.incoming)
        #expect(report.envelope.reversePath.isEmpty)
        #expect(report.envelope.recipients.map { $0.address } == [Array("ann@example.org".utf8)])
        #expect(try queue.content(of: report).contains("Status: 5.4.7"))
    }

    @Test(
        "reports that never come, for whatever reason, are a deferral of those that they would have been on",
        arguments: [true, false])
    func silent(dies: Bool) throws {
        let queue = try TemporaryQueue()
        let id = try queue.inject(to: "x@one.example", "y@one.example")
        queue.world.behaviour = { connection in
            connection.report(0, .delivered, "ok", only: [2])
            if dies { connection.die() } else { connection.finish() }
        }
        try queue.run()
        let words = dies ? "the deliverer went away" : "the deliverer did not report on it"
        #expect(try queue.history(of: id) == ["2 D 2.0.0 ok", "1 Z 4.3.0 \(words)"])
        #expect(try queue.queue.names(in: queue.bucket(in: 5)).ids == [id])
        // It is an attempt, and the destination is not to blame.
        #expect(queue.failing("one.example") == nil)
    }

    @Test("what a session reports is on disk before its next report comes")
    func progress() throws {
        let queue = try TemporaryQueue()
        let id = try queue.inject(to: "x@one.example", "y@one.example")
        var before: [String] = []
        queue.world.behaviour = { connection in
            connection.report(0, .delivered, "first", only: [1])
            connection.report(0, .delivered, "second", only: [2], after: .seconds(2))
            connection.finish()
        }
        queue.world.after(.seconds(1)) { before = try queue.history(of: id) }
        try queue.run()
        #expect(before == ["1 D 2.0.0 first"])
        #expect(try queue.isEmpty)
    }

    @Test(
        "a message of which nobody may be tried is left where it is, one whose log ends in its removal is removed"
    )
    func left() throws {
        let queue = try TemporaryQueue()
        let id = try queue.inject(to: "x@one.example", "y@one.example")
        let message = try #require(try queue.claim(id))
        let log = try #require(try MessageLog.open(for: message, in: queue.queue, creating: true))
        let now = queue.world.now
        try log.append([
            LogEvent(time: now, recipient: 1, kind: .delivered),
            LogEvent(time: now, recipient: 2, kind: .delivered),
            LogEvent(time: now, recipient: 0, kind: .removed),
        ])
        _ = consume message
        try queue.run()
        #expect(try queue.isEmpty && queue.world.jobs.isEmpty)
    }

    @Test(
        "a message that is on its way when others end keeps its lock; one that ended has let go of it at once"
    )
    func locks() throws {
        let queue = try TemporaryQueue()
        let first = try queue.inject(to: "x@one.example")
        let second = try queue.inject(to: "y@one.example")
        var claims: [Bool] = []
        queue.world.behaviour = { connection in
            connection.report(0, .deferred, "later")
            connection.report(1, .delivered, after: .seconds(5))
            connection.finish()
        }
        queue.world.after(.seconds(1)) {
            claims = [
                try queue.claim(first, in: queue.bucket(in: 5)) != nil, try queue.claim(second) != nil,
            ]
        }
        try queue.run()
        #expect(claims == [true, false])
    }

    @Test(
        "a line of the log has Postfix's delays: before the claim, before the session, until it stood, and the rest"
    )
    func delays() throws {
        let queue = try TemporaryQueue()
        try queue.inject(to: "x@one.example", arrived: .milliseconds(2500))
        queue.world.behaviour = { connection in
            connection.report(
                0, .delivered, "ok", timing: (connecting: 1_250_000, transmitting: 40_000),
                after: .seconds(2))
            connection.finish()
        }
        try queue.run()
        let lines = queue.logged("to=<x@one.example>")
        #expect(lines.count == 1)
        #expect(
            lines.first?.contains(
                ": to=<x@one.example>, relay=relay[192.0.2.1]:25, delay=4.5, delays=2.5/0/1.25/0.04, "
                    + "dsn=2.0.0, status=sent (ok)") == true, "\(lines)")
    }

    @Test("of a message that its first attempt ends no log is ever made")
    func withoutLog() throws {
        let queue = try TemporaryQueue()
        let id = try queue.inject(to: "x@one.example", "y@one.example")
        queue.world.behaviour = { connection in
            // There is no place for one.
            _ = try? Directory("\(queue.path)/log").makeDirectory(id.text, mode: 0o700)
            connection.deliverAll()
        }
        try queue.run()
        #expect(try queue.names("incoming").isEmpty && queue.names("log") == [id.text])
        #expect(queue.logged("error: ").isEmpty && queue.logged("status=sent").count == 2)
    }
}
