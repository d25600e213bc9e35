import Bytes
import Jobs
import Queue
import Testing
import Unix

@testable import Running

/// Destinations that fail: whose attempt counts, who waits until when, and what brings all of it back.
@Suite struct DestinationTests {
    private static let gone = Array("gone.example".utf8)

    /// A domain that takes no mail, and others that do.
    private static func refuse(_ connection: Connection) {
        if connection.jobs[0].destination == .remote(gone) {
            connection.answerAll(.deferred, "refuses connections", isOfDestination: true)
        } else {
            connection.deliverAll()
        }
    }

    private func failing(_ count: Int, _ keys: [String: String] = [:]) throws -> (TemporaryQueue, [MessageID])
    {
        let queue = try TemporaryQueue(keys)
        queue.world.behaviour = Self.refuse
        let ids = try (0..<count).map { try queue.inject(to: "u\($0)@gone.example") }
        try queue.run()
        return (queue, ids)
    }

    @Test("where a destination fails the first message has had its attempt, and the others wait without one")
    func firstJob() throws {
        let (queue, ids) = try failing(5)
        #expect(queue.world.connections.count == 1 && queue.world.jobs.count == 5)
        #expect(try queue.names("log") == [ids[0].text])
        #expect(try queue.history(of: ids[0]) == ["1 Z 4.2.0 refuses connections"])
        // All of them together, where the first one's own time comes, too.
        #expect(try queue.queue.names(in: queue.bucket(in: 5)).ids == ids)
        #expect(queue.logged("status=deferred").count == 5)
        #expect(queue.logged("delivery temporarily suspended: refuses connections").count == 4)
        let state = try #require(queue.failing("gone.example"))
        let now = queue.world.now
        #expect(state.failures == 1 && state.since == now && state.next == now + .seconds(300))
        #expect(state.bucket == now.seconds / 60 + 5 && state.text == "refuses connections")
    }

    @Test("a new message for a destination that fails waits with the others, and no session is opened for it")
    func newMessage() throws {
        let (queue, _) = try failing(1)
        queue.world.goOn(.seconds(100))
        let id = try queue.inject(to: "new@gone.example")
        try queue.run()
        #expect(queue.world.connections.count == 1)
        #expect(try queue.history(of: id) == [])
        #expect(try queue.names("deferred").count == 2)
        #expect(try queue.claim(id, in: .deferred(minute: queue.failing("gone.example")?.bucket ?? 0)) != nil)
        #expect(
            queue.logged(
                "\(id): to=<new@gone.example>", "status=deferred (delivery temporarily suspended: refuses"
            ).count == 1)
    }

    @Test(
        "a destination is probed with one message, by the schedule of its failures, and half an hour on at the latest"
    )
    func probes() throws {
        let (queue, ids) = try failing(3)
        var sessions = 1
        for (failures, minutes) in [(2, 15), (3, 30), (4, 30)] {
            let before = try #require(queue.failing("gone.example"))
            queue.world.goOn(before.next - queue.world.now)
            try queue.run()
            let state = try #require(queue.failing("gone.example"))
            #expect(state.failures == failures && state.since == before.since)
            #expect(state.next == queue.world.now + .seconds(minutes * 60))
            sessions += 1
            #expect(queue.world.connections.count == sessions)
            #expect(queue.world.connections.last?.jobs.count == 1)
        }
        // An attempt of a message's own is none of the others'.
        let attempts = try ids.map { try queue.history(of: $0).count }
        #expect(attempts.reduce(0, +) == 4)
    }

    @Test("one message that gets through brings all the others at once, whatever their minute")
    func recovery() throws {
        let (queue, ids) = try failing(30)
        let (sessions, jobs) = (queue.world.connections.count, queue.world.jobs.count)
        queue.world.behaviour = { $0.deliverAll() }
        queue.world.goOn(.seconds(245))
        // The operator asks the destination.
        let memory = DestinationMemory(queue: queue.path)
        memory[Self.gone]?.next = queue.world.now
        try queue.inject(to: "new@gone.example")
        try queue.run()
        #expect(try queue.isEmpty)
        #expect(queue.failing("gone.example") == nil)
        #expect(queue.logged("gone.example: takes mail again").count == 1)
        let after = queue.world.connections.dropFirst(sessions).map { $0.jobs.count }
        #expect(after.first == 1 && after.reduce(0, +) == 31)
        #expect(Set(queue.world.jobs.dropFirst(jobs).map { $0.id }).isSuperset(of: ids.map { $0.bytes }))
    }

    @Test(
        "a destination that took a message of the session is not failing: what it refused is tried again at once",
        arguments: [Report.Verdict.delivered, .relayed])
    func partly(verdict: Report.Verdict) throws {
        let queue = try TemporaryQueue()
        queue.world.behaviour = { connection in
            guard connection.raw == 10_000 else { return connection.deliverAll() }
            connection.report(0, verdict)
            connection.report(1, .deferred, "421 enough", isOfDestination: true)
            connection.finish()
        }
        for number in 0..<2 { try queue.inject(to: "u\(number)@one.example") }
        try queue.run()
        #expect(try queue.isEmpty)
        #expect(queue.failing("one.example") == nil)
        #expect(queue.world.connections.map { $0.jobs.count } == [2, 1])
    }

    @Test("a session that is refused while another one gets on says nothing of the destination")
    func besideAnother() throws {
        let queue = try TemporaryQueue(["destination-concurrency": "2"])
        queue.world.behaviour = { connection in
            switch connection.raw {
            case 10_000:
                for job in connection.jobs.indices { connection.report(job, .delivered, after: .seconds(3)) }
                connection.finish()
            case 10_001: connection.answerAll(.deferred, "421 too many", isOfDestination: true)
            default: connection.deliverAll()
            }
        }
        for number in 0..<30 { try queue.inject(to: "u\(number)@one.example") }
        try queue.run()
        #expect(queue.world.connections.count > 2)
        #expect(try queue.isEmpty)
        #expect(queue.failing("one.example") == nil && queue.logged("status=deferred").isEmpty)
    }

    @Test(
        "a message that has waited for its destination for all its life fails with what the destination said")
    func life() throws {
        let (queue, ids) = try failing(2, ["queue-lifetime": "1d", "delay-warning": "0"])
        let memory = DestinationMemory(queue: queue.path)
        queue.world.goOn(.seconds(86400))
        memory[Self.gone]?.next = queue.world.now + .seconds(60)
        try queue.run()
        #expect(queue.world.connections.count == 1)
        let last = "delivery temporarily suspended: refuses connections"
        for id in ids { #expect(queue.logged("\(id):", "dsn=5.4.7", "last: \(last)").count == 1) }
        #expect(try queue.names("incoming").count == 2 && queue.names("deferred").isEmpty)
    }

    @Test("who is asked for before its own time waits, where its destination fails, for that and no longer")
    func ownTime() throws {
        let queue = try TemporaryQueue(["retry-intervals": "3h"])
        queue.world.behaviour = { $0.answerAll(.deferred, "full") }
        let id = try queue.inject(to: "u@gone.example")
        try queue.run()
        #expect(try queue.queue.names(in: queue.bucket(in: 180)).ids == [id])
        // Meanwhile the destination fails, and the operator wants this one tried.
        let now = queue.world.now
        DestinationMemory(queue: queue.path)[Self.gone] = FailingDestination(
            since: now, failures: 1, next: now + .seconds(1200), text: "down")
        let message = try #require(try queue.claim(id, in: queue.bucket(in: 180)))
        try queue.queue.move(message, to: .incoming)
        _ = consume message
        try queue.run()
        #expect(try queue.queue.names(in: queue.bucket(in: 20)).ids == [id])
        #expect(queue.world.connections.count == 1)
        queue.world.behaviour = { $0.deliverAll() }
        queue.world.goOn(.seconds(1200))
        try queue.run()
        #expect(try queue.isEmpty)
    }
}
