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

    @Test(
        "destinations that are slow, and have all the sessions, give them up; their mail goes on beside the others"
    )
    func slow() throws {
        // Three for all, and one for those who are in the way.
        let queue = try TemporaryQueue(["remote-concurrency": "4"])
        var done: [String: Double] = [:]
        let begin = queue.world.monotonic
        queue.world.behaviour = { [world = queue.world] connection in
            let isSlow = connection.jobs[0].destination.name.starts(with: "slow".utf8)
            guard isSlow else {
                done["quick"] = Self.seconds(world, since: begin)
                return connection.deliverAll()
            }
            // Called off, it stops before the next message, and says so.
            connection.whenCalledOff = { $0.stop() }
            connection.report(0, .delivered, after: .seconds(20))
            connection.finish()
        }
        for number in 0..<3 { try queue.inject(to: "x@slow\(number).example") }
        try queue.inject(to: "x@quick.example")
        try queue.run()
        #expect(done["quick"].map { $0 < 3 } == true, "\(done)")
        #expect(try queue.isEmpty)
        #expect(queue.world.connections.filter { $0.isCalledOff }.count == 1)
        #expect(queue.logged("status=sent").count == 4 && queue.logged("status=deferred").isEmpty)
    }

    @Test(
        "one that does not even end when it is called off gives up its place ten seconds later, and keeps its messages"
    )
    func deaf() throws {
        let queue = try TemporaryQueue(["remote-concurrency": "4"])
        var begun: Double?
        let begin = queue.world.monotonic
        queue.world.behaviour = { [world = queue.world] connection in
            if connection.jobs[0].destination.name.starts(with: "slow".utf8) {
                connection.report(0, .delivered, after: .seconds(60))
                connection.finish()
            } else {
                begun = Self.seconds(world, since: begin)
                connection.deliverAll()
            }
        }
        for number in 0..<3 { try queue.inject(to: "x@slow\(number).example") }
        try queue.inject(to: "x@quick.example")
        try queue.run()
        #expect(begun.map { (10..<14).contains($0) } == true, "\(String(describing: begun))")
        #expect(try queue.isEmpty)
        // Each message once: what was called off went on, after all.
        #expect(queue.world.jobs.count == 4)
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
}
