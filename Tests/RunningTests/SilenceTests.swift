import Bytes
import Jobs
import Queue
import Testing
import Unix

@testable import Running

/// Deliverers that say nothing for long: in whose way they are, and when they are taken for dead.
@Suite struct SilenceTests {
    private static func seconds(_ world: World, since begin: Int64) -> Double {
        Double(world.monotonic - begin) / 1_000_000
    }

    @Test(
        "a deliverer that outlives all its own deadlines hangs: its mail is deferred, and nothing is known of the destination"
    )
    func hanging() throws {
        let queue = try TemporaryQueue([
            "delivery-limit": "100s", "lookup-timeout": "10s", "data-timeout": "90s",
        ])
        queue.world.behaviour = { _ in }
        let id = try queue.inject(to: "x@one.example")
        let begin = queue.world.monotonic
        try queue.run()
        #expect((200..<203).contains(Self.seconds(queue.world, since: begin)))
        #expect(try queue.history(of: id) == ["1 Z 4.3.0 the deliverer gave no sign for too long"])
        #expect(queue.failing("one.example") == nil)
    }

    @Test("a deliverer that reports now and then does not hang, however long all of it takes")
    func alive() throws {
        let queue = try TemporaryQueue([
            "delivery-limit": "100s", "lookup-timeout": "10s", "data-timeout": "90s",
        ])
        queue.world.behaviour = { connection in
            for job in connection.jobs.indices {
                connection.report(job, .delivered, after: .seconds(150 * (job + 1)))
            }
            connection.finish()
        }
        for number in 0..<3 { try queue.inject(to: "u\(number)@one.example") }
        let begin = queue.world.monotonic
        try queue.run()
        #expect(try queue.isEmpty)
        #expect(queue.world.connections.count == 1 && Self.seconds(queue.world, since: begin) >= 450)
    }

    @Test("nobody is in anybody's way where no session is: who was slow goes with the others again")
    func forgotten() throws {
        let queue = try TemporaryQueue()
        let runner = try queue.runner()
        var taken: [String] = []
        queue.world.behaviour = { connection in
            self.note(runner, of: "one.example", connection, &taken)
            connection.deliverAll()
        }
        runner.dispatcher.lanes.suspect(.remote(Array("one.example".utf8)))
        _ = try runner.goRound()
        try queue.inject(to: "x@one.example")
        runner.intake.invalidate()
        try runner.run()
        #expect(taken == ["remote"])
    }

    @Test(
        "destinations that are slow, and have all the sessions, give them up; their mail goes on beside the others"
    )
    func slow() throws {
        // Three for all, and one for those who are in the way.
        let queue = try TemporaryQueue(["remote-concurrency": "4"])
        var lasted: [Double] = []
        var came = queue.world.monotonic
        queue.world.behaviour = { [world = queue.world] connection in
            guard connection.jobs[0].destination.name.starts(with: "slow".utf8) else {
                lasted.append(Self.seconds(world, since: came))
                return connection.deliverAll()
            }
            // Called off, it stops before the next message, and says so.
            connection.whenCalledOff = { $0.stop() }
            connection.report(0, .delivered, after: .seconds(100))
            connection.finish()
        }
        for number in 0..<6 { try queue.inject(to: "x@slow\(number).example") }
        for number in 0..<9 {
            queue.world.after(.seconds(5 + 10 * number)) { [world = queue.world] in
                came = world.monotonic
                try queue.inject(to: "x@quick\(number).example")
            }
        }
        try queue.run()
        // While the first of the slow are found out it takes a moment, and then none.
        #expect(lasted.count == 9 && lasted.allSatisfy { $0 < 3 }, "\(lasted)")
        #expect(lasted.dropFirst(3).allSatisfy { $0 <= 1 }, "\(lasted)")
        #expect(try queue.isEmpty)
        #expect(queue.logged("status=sent").count == 15 && queue.logged("status=deferred").isEmpty)
    }

    @Test(
        "one that does not even end when it is called off gives up its place ten seconds later, and keeps its messages"
    )
    func deaf() throws {
        let queue = try TemporaryQueue(["remote-concurrency": "4"])
        var begun: Double?
        var beside: Int?
        let begin = queue.world.monotonic
        let runner = try queue.runner()
        queue.world.behaviour = { [world = queue.world] connection in
            if connection.jobs[0].destination.name.starts(with: "slow".utf8) {
                connection.report(0, .delivered, after: .seconds(60))
                connection.finish()
            } else {
                begun = Self.seconds(world, since: begin)
                beside = runner.dispatcher.lanes.suspects.running
                connection.deliverAll()
            }
        }
        for number in 0..<3 { try queue.inject(to: "x@slow\(number).example") }
        try queue.inject(to: "x@quick.example")
        try runner.run()
        #expect(begun.map { (10..<14).contains($0) } == true, "\(String(describing: begun))")
        #expect(try queue.isEmpty)
        // One is asked to give way for one, and it counts where it has gone.
        #expect(queue.world.connections.filter { $0.isCalledOff }.count == 1 && beside == 1)
        // Each message once: what was called off went on, after all.
        #expect(queue.world.jobs.count == 4)
    }

    @Test(
        "a slow destination for which more waits gives way by one session, and what waits for it goes with the slow"
    )
    func ownWaiting() throws {
        let queue = try TemporaryQueue(["remote-concurrency": "4"])
        queue.world.behaviour = { connection in
            guard connection.jobs[0].destination.name.starts(with: "slow".utf8) else {
                return connection.deliverAll()
            }
            connection.whenCalledOff = { $0.stop() }
            for job in connection.jobs.indices {
                connection.report(job, .delivered, after: .seconds(100))
            }
            connection.finish()
        }
        for number in 0..<3 { try queue.inject(to: "x@slow\(number).example") }
        // More for each of those that are at work: all of them are ready for another session when they are silent.
        queue.world.after(.milliseconds(100)) {
            for number in 0..<3 { try queue.inject(to: "y@slow\(number).example") }
        }
        let runner = try queue.runner()
        while queue.world.connections.allSatisfy({ !$0.isCalledOff }) { _ = try runner.goRound() }
        // Each that goes takes what waits for it along: two places are enough for three.
        #expect(queue.world.connections.filter { $0.isCalledOff }.count == 2)
        try runner.run()
        #expect(try queue.isEmpty)
    }

    @Test("users whose commands take long are in nobody's way, and nobody calls them off")
    func commands() throws {
        let queue = try TemporaryQueue(["local-concurrency": "4"])
        var done: [Double] = []
        let begin = queue.world.monotonic
        queue.world.behaviour = { [world = queue.world] connection in
            if connection.jobs[0].destination.name.starts(with: "sleeper".utf8) {
                connection.report(0, .delivered, after: .seconds(100))
                connection.finish()
            } else {
                done.append(Self.seconds(world, since: begin))
                connection.deliverAll()
            }
        }
        for number in 0..<6 { try queue.inject(to: "sleeper\(number)@example.org") }
        for number in 0..<3 { try queue.inject(to: "quick\(number)@example.org") }
        try queue.run()
        #expect(done.count == 3 && done.allSatisfy { $0 < 10 }, "\(done)")
        #expect(try queue.isEmpty)
        #expect(!queue.world.connections.contains { $0.isCalledOff })
        #expect(queue.world.jobs.count == 9)
    }

    @Test(
        "a destination whose session has been silent for a while gets another beside it for what has come since"
    )
    func beside() throws {
        let queue = try TemporaryQueue()
        queue.world.behaviour = { connection in
            connection.report(
                0, .delivered, after: connection.raw == 10_000 ? .seconds(30) : .milliseconds(1))
            connection.finish()
        }
        try queue.inject(to: "x@one.example")
        var second: MessageID?
        queue.world.after(.milliseconds(200)) { second = try queue.inject(to: "y@one.example") }
        let begin = queue.world.monotonic
        var end: Double?
        let runner = try queue.runner()
        while try runner.goRound() {
            if end == nil, let second, try queue.claim(second) == nil,
                !queue.logged("\(second): removed").isEmpty
            {
                end = Self.seconds(queue.world, since: begin)
            }
        }
        #expect(end.map { $0 < 5 } == true, "\(String(describing: end))")
        #expect(try queue.isEmpty)
    }

    /// What lane the session with a destination is in, of each as it begins.
    private func note(_ runner: Runner, of name: String, _ connection: Connection, _ all: inout [String]) {
        guard connection.jobs[0].destination.name == Array(name.utf8) else { return }
        let lanes = runner.dispatcher.lanes
        let lane = runner.dispatcher.sessions[connection.raw]?.lane
        all.append(
            lane === lanes.local
                ? "local" : lane === lanes.slowLocal ? "slow" : lane === lanes.remote ? "remote" : "suspects")
    }

    @Test("a user for whom others had to wait has the slow lane, until a command of his was quick")
    func quickAgain() throws {
        let queue = try TemporaryQueue(["local-concurrency": "4"])
        let runner = try queue.runner()
        var taken: [String] = []
        queue.world.behaviour = { [world = queue.world] connection in
            self.note(runner, of: "sleeper0", connection, &taken)
            // One of them, at least, is always at work.
            let isLong = world.connections.count <= 3 || connection.path.hasSuffix("remote")
            for job in connection.jobs.indices {
                connection.report(job, .delivered, after: isLong ? .seconds(20) : .milliseconds(1))
            }
            connection.finish()
        }
        for number in 0..<3 { try queue.inject(to: "sleeper\(number)@example.org") }
        // All three are to give up their places.
        for number in 0..<3 { try queue.inject(to: "quick\(number)@example.org") }
        for second in [10, 25] {
            queue.world.after(.seconds(second)) { try queue.inject(to: "x@d\(second).example") }
        }
        for second in [15, 23, 27, 35] {
            queue.world.after(.seconds(second)) { try queue.inject(to: "sleeper0@example.org") }
        }
        try runner.run()
        try queue.world.check()
        #expect(taken == ["local", "slow", "local", "local", "local"], "\(taken)")
        #expect(try queue.isEmpty)
    }

    @Test(
        "what waits for a destination behind the message that it is probed with goes with the others when that got through"
    )
    func wellAgain() throws {
        let queue = try TemporaryQueue()
        let runner = try queue.runner()
        var taken: [String] = []
        queue.world.behaviour = { connection in
            self.note(runner, of: "one.example", connection, &taken)
            connection.deliverAll()
        }
        let now = queue.world.now
        DestinationMemory(queue: queue.path)[Array("one.example".utf8)] = FailingDestination(
            since: now, failures: 1, next: now, text: "down")
        for number in 0..<3 { try queue.inject(to: "u\(number)@one.example") }
        try runner.run()
        #expect(taken == ["suspects", "remote"])
        #expect(try queue.isEmpty)
    }
}
