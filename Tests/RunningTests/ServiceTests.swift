import Bytes
import Jobs
import Queue
import Testing
import Unix

@testable import Running

/// Deliverers that cannot be had, or cannot work: mail waits where it is, it is no attempt, and each is asked with one
/// message until it works.
@Suite struct ServiceTests {
    /// What the runner says of its deliverers, for who looks at the queue.
    private func sign(_ queue: TemporaryQueue) throws -> String {
        String(decoding: try Path.contents("\(queue.path)/runner.\(Host.bareName)") ?? [], as: UTF8.self)
    }

    @Test("mail for a deliverer that nobody answers for stays due, without an attempt; the other one's goes")
    func missing() throws {
        let queue = try TemporaryQueue(["queue-lifetime": "1d", "delay-warning": "0"])
        queue.world.absence = ["queue/local": .connectionRefused]
        let ids = try (0..<3).map { try queue.inject(to: "u\($0)@example.org", arrived: .seconds(90000)) }
        try queue.inject(to: "x@one.example")
        try queue.run()
        #expect(
            try queue.queue.names(in: .incoming).ids.sorted() == ids.sorted() && queue.names("log").isEmpty)
        #expect(queue.world.jobs.map { $0.destination } == [.remote(Array("one.example".utf8))])
        // Once, however many wait.
        #expect(queue.logged("error: ", "is there a line for it in inetd.conf").count == 1)
        #expect(queue.logged("dsn=4.3.5", "status=deferred").count == 1)
        #expect(try sign(queue).contains("is there a line for it in inetd.conf"))
        queue.world.absence = [:]
        try queue.run()
        #expect(try queue.isEmpty)
    }

    @Test("a deliverer that cannot do its work has its jobs taken back, and is asked with one until it can")
    func incapable() throws {
        let queue = try TemporaryQueue()
        let begin = queue.world.monotonic
        // How many at what time, by tens of seconds.
        var asked: [Int] = []
        var last = -1
        queue.world.behaviour = { [world = queue.world] connection in
            let time = Int((world.monotonic - begin) / 1_000_000)
            if time > last { asked.append(0) }
            last = time
            asked[asked.count - 1] += 1
            if world.monotonic - begin > 25_000_000 { return connection.deliverAll() }
            connection.answerAll(.deferred, "not root", isOfDeliverer: true)
        }
        for number in 0..<5 { try queue.inject(to: "u\(number)@example.org") }
        let runner = try queue.runner(.watch, kicks: try queue.listen())
        while queue.world.monotonic - begin < 20_000_000 { _ = try runner.goRound() }
        #expect(try queue.names("incoming").count == 5 && queue.names("log").isEmpty)
        #expect(
            queue.logged("error: not root").count == 1 && queue.logged("dsn=4.3.5", "(not root)").count >= 1)
        #expect(try sign(queue).contains("not root"))
        while queue.world.monotonic - begin < 40_000_000 { _ = try runner.goRound() }
        #expect(try queue.isEmpty)
        // All of them before anything was known; then one, every ten seconds; when that is delivered, those that are left.
        #expect(asked == [5, 1, 1, 5])
        #expect(try !sign(queue).contains("not root"))
    }

    @Test(
        "what waits for a deliverer that was missing goes with the first report that shows it there, in the same run"
    )
    func mended() throws {
        let queue = try TemporaryQueue()
        queue.world.absence = ["queue/remote": .noEntry]
        var times: [Int64] = []
        queue.world.behaviour = { [world = queue.world] connection in
            times.append(world.monotonic)
            for job in connection.jobs.indices { connection.report(job, .delivered) }
            // The first goes on, with nothing to do.
            connection.finish(after: connection.jobs.count == 1 ? .seconds(60) : .zero)
        }
        let begin = queue.world.monotonic
        queue.world.after(.seconds(10)) { [world = queue.world] in world.absence = [:] }
        for number in 0..<150 { try queue.inject(to: "u\(number)@one.example") }
        let runner = try queue.runner(.watch, kicks: try queue.listen())
        while queue.world.monotonic - begin < 11_900_000 { _ = try runner.goRound() }
        #expect(try queue.isEmpty)
        // The one that it is asked with, each second; and then all at once.
        #expect(queue.world.connections.first?.jobs.count == 1 && queue.world.jobs.count == 150)
        #expect(times.count > 1 && times[1] - times[0] < 500_000)
        #expect(queue.world.attempts <= 12 + queue.world.connections.count)
    }

    @Test("the sender is warned of what waits for a deliverer that cannot be had")
    func warned() throws {
        let queue = try TemporaryQueue(["delay-warning": "4h"])
        queue.world.absence = ["queue/local": .noEntry]
        let id = try queue.inject(from: "ann@far.example", to: "joe@example.org", arrived: .seconds(5 * 3600))
        try queue.run()
        try queue.run()
        #expect(queue.logged("\(id): sender delay notification").count == 1)
        #expect(queue.world.jobs.map { $0.recipients[0].address } == [Array("ann@far.example".utf8)])
        #expect(try queue.names("incoming") == [id.text])
    }

    @Test(
        "what the operator wants tried now stays so until there is a deliverer, though its own time is later")
    func askedFor() throws {
        let queue = try TemporaryQueue()
        queue.world.behaviour = { $0.answerAll(.deferred, "full") }
        let id = try queue.inject(to: "joe@example.org")
        try queue.run()
        let message = try #require(try queue.claim(id, in: queue.bucket(in: 5)))
        try queue.queue.move(message, to: .incoming)
        _ = consume message
        queue.world.absence = ["queue/local": .noEntry]
        try queue.run()
        #expect(try queue.names("incoming") == [id.text] && queue.world.jobs.count == 1)
        queue.world.absence = [:]
        queue.world.behaviour = { $0.deliverAll() }
        try queue.run()
        #expect(try queue.isEmpty)
    }

    @Test("a job that the deliverer may have, though its sending failed on the way, was an attempt")
    func sentInPart() throws {
        let queue = try TemporaryQueue()
        queue.world.whenConnected = { connection in
            connection.failsOnTheWay = .ended
            connection.die(after: .milliseconds(1))
        }
        queue.world.behaviour = { _ in }
        let id = try queue.inject(to: "x@one.example")
        try queue.run()
        #expect(try queue.history(of: id) == ["1 Z 4.3.0 the deliverer went away"])
    }

    @Test("a deliverer that ends without a report was there: its trouble is over")
    func wordless() throws {
        let queue = try TemporaryQueue()
        queue.world.absence = ["queue/remote": .noEntry]
        queue.world.behaviour = { $0.die(after: .milliseconds(1)) }
        queue.world.after(.seconds(2)) { [world = queue.world] in world.absence = [:] }
        try queue.inject(to: "x@one.example")
        let runner = try queue.runner(.watch, kicks: try queue.listen())
        let begin = queue.world.monotonic
        while queue.world.monotonic - begin < 5_000_000 { _ = try runner.goRound() }
        #expect(queue.world.connections.count == 1)
        #expect(runner.dispatcher.services.allowance(for: .remote(Array("one.example".utf8))).count == .max)
    }

    @Test("what waits for a deliverer is there once, however many minutes it waits")
    func waitingOnce() throws {
        let queue = try TemporaryQueue()
        queue.world.absence = ["queue/local": .noEntry]
        for number in 0..<3 { try queue.inject(to: "u\(number)@example.org") }
        let runner = try queue.runner(.watch, kicks: try queue.listen())
        let begin = queue.world.monotonic
        while queue.world.monotonic - begin < 600_000_000 {
            _ = try runner.goRound()
            #expect(runner.dispatcher.services.waitingCount <= 3)
        }
        #expect(runner.dispatcher.services.waitingCount > 0)
    }

    @Test(
        "jobs that nobody reads for half a minute are taken back, it is no attempt, and one at a time goes from then on"
    )
    func untaken() throws {
        let queue = try TemporaryQueue()
        queue.world.behaviour = { $0.isTaken = false }
        let ids = try (0..<3).map { try queue.inject(to: "x@d\($0).example") }
        let begin = queue.world.monotonic
        let runner = try queue.runner(.watch, kicks: try queue.listen())
        while queue.world.monotonic - begin < 29_000_000 { _ = try runner.goRound() }
        #expect(queue.logged("status=deferred").isEmpty && queue.world.connections.count == 3)
        while queue.world.monotonic - begin < 55_000_000 { _ = try runner.goRound() }
        #expect(try queue.queue.names(in: .incoming).ids == ids && queue.names("log").isEmpty)
        #expect(queue.logged("error: ", "nobody takes what is handed over").count == 1)
        #expect(queue.logged("status=deferred", "dsn=4.3.5").count == 3)
        // A silence of its own does not say that it works.
        #expect(queue.world.connections.count == 5)
    }

    @Test("a deliverer that has no room for a job holds up the others that go to it, but for one")
    func blocked() throws {
        let queue = try TemporaryQueue()
        queue.world.whenConnected = { $0.fails = .timedOut }
        let ids = try (0..<3).map { try queue.inject(to: "u\($0)@\($0).example") }
        try queue.run()
        #expect(queue.world.connections.count == 1)
        #expect(try queue.queue.names(in: .incoming).ids == ids && queue.names("log").isEmpty)
        queue.world.whenConnected = { _ in }
        try queue.run()
        #expect(try queue.isEmpty)
    }

    @Test(
        "in `incoming/` stays what is due for nobody else: a message with a recipient who waits goes to the next minute"
    )
    func withOthers() throws {
        let queue = try TemporaryQueue()
        queue.world.absence = ["queue/local": .connectionRefused]
        queue.world.behaviour = { $0.answerAll(.deferred, "full") }
        let id = try queue.inject(to: "joe@example.org", "x@one.example")
        try queue.run()
        #expect(try queue.history(of: id) == ["2 Z 4.2.0 full"])
        #expect(try queue.queue.names(in: queue.bucket(in: 1)).ids == [id])
        queue.world.absence = [:]
        queue.world.behaviour = { $0.deliverAll() }
        queue.world.goOn(.seconds(60))
        try queue.run()
        // His own time has not come.
        #expect(queue.world.jobs.map { $0.recipients[0].index } == [2, 1])
        #expect(try queue.queue.names(in: queue.bucket(in: 4)).ids == [id])
    }

    @Test("what is too long for any deliverer has its attempts, and its sender hears of it in the end")
    func tooLong() throws {
        let queue = try TemporaryQueue(["queue-lifetime": "1d", "delay-warning": "0"])
        let longest = "ORCPT=rfc822;" + String(repeating: "x", count: Job.longestParameters - 13)
        let id = try queue.inject(
            from: "ann@far.example", to: "x@one.example \(longest)", "y@two.example \(longest)x")
        try queue.run()
        #expect(queue.world.jobs.map { $0.recipients[0].index } == [1])
        let reason = "an address or its parameters are longer than a deliverer takes"
        #expect(try queue.history(of: id).contains("2 Z 4.3.0 \(reason)"))
        queue.world.goOn(.seconds(86400))
        try queue.run()
        #expect(queue.logged("\(id): to=<y@two.example>", "dsn=5.4.7", reason).count == 1)
        #expect(try queue.names("deferred").isEmpty && queue.names("log").isEmpty)
    }

    @Test("a job that was never handed over is no attempt")
    func unsent() throws {
        let queue = try TemporaryQueue()
        queue.world.whenConnected = { connection in
            connection.fails = .ended
            connection.die(after: .milliseconds(1))
        }
        let id = try queue.inject(to: "x@one.example")
        try queue.run()
        #expect(try queue.names("incoming") == [id.text] && queue.names("log").isEmpty)
        #expect(queue.logged("\(id): ", "dsn=4.3.5", "(the deliverer takes no more)").count == 1)
    }
}
