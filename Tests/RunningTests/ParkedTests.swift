import Bytes
import Jobs
import Queue
import Testing
import Unix

@testable import Running

/// More messages for a destination than are kept in hand: they are let go, and claimed again in their turn.
@Suite struct ParkedTests {
    private static let many = 450
    /// One session of 100; 200 in hand behind it; the others are parked.
    private static let keys = ["destination-concurrency": "1"]

    private static func answer(_ connection: Connection, after delay: Duration) {
        for job in connection.jobs.indices { connection.report(job, .delivered, after: delay) }
        connection.finish()
    }

    /// How many are locked.
    private func claimed(_ queue: TemporaryQueue, in place: Place = .incoming) throws -> Int {
        try queue.queue.names(in: place).ids.count { try queue.claim($0, in: place) == nil }
    }

    @Test("each of them goes, once, and no more are in hand than there is room for")
    func all() throws {
        let queue = try TemporaryQueue(Self.keys)
        queue.world.behaviour = { Self.answer($0, after: .seconds(2)) }
        let ids = try (0..<Self.many).map { try queue.inject(to: "u\($0)@one.example") }
        var locked = 0
        queue.world.after(.seconds(1)) { locked = try claimed(queue) }
        try queue.run()
        #expect(locked == 300)
        #expect(try queue.isEmpty)
        #expect(
            queue.world.jobs.map { $0.id }.sorted { $0.lexicographicallyPrecedes($1) }
                == ids.map { $0.bytes }.sorted { $0.lexicographicallyPrecedes($1) })
    }

    @Test(
        "a message with destinations that have no room goes to each in its turn, once, whatever becomes of the others meanwhile"
    )
    func several() throws {
        let queue = try TemporaryQueue(Self.keys)
        let names = ["one.example", "two.example", "three.example"]
        let delays = [3, 1, 7]
        queue.world.behaviour = { connection in
            let number = names.firstIndex { connection.jobs[0].destination.name == Array($0.utf8) } ?? 0
            for job in connection.jobs.indices {
                connection.report(job, .deferred, "full", after: .seconds(delays[number]))
            }
            connection.finish()
        }
        for number in 0..<Self.many { try queue.inject(to: names.map { "u\(number)@\($0)" }) }
        try queue.run()
        for (index, name) in names.enumerated() {
            let jobs = queue.world.jobs.filter { $0.destination.name == Array(name.utf8) }
            #expect(jobs.count == Self.many && Set(jobs.map { $0.id }).count == Self.many)
            #expect(jobs.allSatisfy { $0.recipients.map { $0.index } == [index + 1] })
        }
        #expect(try queue.names("incoming").isEmpty && queue.names("deferred").count == Self.many)
    }

    @Test(
        "what is parked at a destination that fails waits with the others, and has been to its other destination"
    )
    func failing() throws {
        let queue = try TemporaryQueue(Self.keys)
        queue.world.behaviour = { connection in
            if connection.jobs[0].destination.name == Array("gone.example".utf8) {
                for job in connection.jobs.indices {
                    connection.report(job, .deferred, "down", isOfDestination: true, after: .seconds(5))
                }
                connection.finish()
            } else {
                Self.answer(connection, after: .seconds(1))
            }
        }
        for number in 0..<Self.many {
            try queue.inject(to: "u\(number)@gone.example", "u\(number)@one.example")
        }
        try queue.run()
        let jobs = queue.world.jobs
        #expect(jobs.filter { $0.destination.name == Array("one.example".utf8) }.count == Self.many)
        #expect(
            queue.world.connections.count { $0.jobs[0].destination.name == Array("gone.example".utf8) } == 1)
        #expect(try queue.names("incoming").isEmpty)
        // One has had its attempt, which was no other's.
        let bucket = try #require(queue.failing("gone.example")?.bucket)
        #expect(try queue.queue.names(in: .deferred(minute: bucket)).ids.count == Self.many)
        #expect(queue.logged("(delivery temporarily suspended: down)").count == Self.many - 1)
    }

    @Test("a parked message that the operator moves is found where it is; one that he removes is forgotten")
    func moved() throws {
        let queue = try TemporaryQueue(Self.keys)
        queue.world.behaviour = { $0.answerAll(.deferred, "full") }
        let ids = try (0..<Self.many).map { try queue.inject(to: "u\($0)@one.example") }
        try queue.run()
        let place = queue.bucket(in: 5)
        #expect(try queue.queue.names(in: place).ids.count == Self.many)
        queue.world.goOn(.seconds(300))
        let old = Place.deferred(minute: queue.world.now.seconds / 60)
        queue.world.behaviour = { Self.answer($0, after: .seconds(2)) }
        var moved: [MessageID] = []
        var removed: [MessageID] = []
        queue.world.after(.seconds(1)) {
            for id in ids {
                guard let message = try queue.claim(id, in: old) else { continue }
                if moved.count < 50 {
                    try queue.queue.move(message, to: .incoming)
                    moved.append(id)
                } else {
                    try queue.queue.move(message, to: .hold)
                    removed.append(id)
                }
            }
        }
        let before = queue.world.jobs.count
        try queue.run()
        #expect(moved.count == 50 && removed.count == Self.many - 350)
        let after = queue.world.jobs.dropFirst(before).map { $0.id }
        #expect(after.count == 350 && Set(after).isSuperset(of: moved.map { $0.bytes }))
        #expect(try queue.names("incoming").isEmpty && queue.names("deferred").isEmpty)
        #expect(try queue.names("hold").count == removed.count)
    }

    private static let (one, two) = (
        Job.Destination.remote(Array("one.example".utf8)), Job.Destination.remote(Array("two.example".utf8))
    )
    private static let joe = Job.Destination.local(Array("joe".utf8))

    /// A message for one.example and others that waits at all of these, in hand since it is that one's turn.
    private func unparked(
        _ runner: Runner, _ queue: TemporaryQueue, _ other: String, _ destination: Job.Destination
    ) throws
        -> ParkedMessage
    {
        let id = try queue.inject(to: "x@one.example", other)
        let parked = ParkedMessage(try #require(try queue.claim(id)))
        parked.destinations = [Self.one, destination]
        let assignments = runner.unpark(parked, for: Self.one)
        #expect(assignments.map { $0.recipients } == [[1]] && !parked.destinations.contains(Self.one))
        return parked
    }

    @Test("where a message waits already it does not wait twice, though it is in hand for another")
    func onceEach() throws {
        let queue = try TemporaryQueue()
        let runner = try queue.runner()
        let parked = try unparked(runner, queue, "y@two.example", Self.two)
        #expect(parked.destinations == [Self.two] && runner.dispatcher.lanes.count == 0)
        #expect(parked.rest == [2])
        #expect(runner.unpark(parked, for: Self.two).map { $0.recipients } == [[2]])
        // Nobody comes to him again when the message is claimed for others.
        #expect(parked.rest.isEmpty)
    }

    @Test("a message that ends waits nowhere any more, whatever it was found to have waited for")
    func ended() throws {
        let queue = try TemporaryQueue()
        let runner = try queue.runner()
        let parked = ParkedMessage(try #require(try queue.claim(try queue.inject(to: "x@one.example"))))
        // What relais.conf says of the second destination may be another thing by now.
        parked.destinations = [Self.one, Self.two]
        let assignment = try #require(runner.unpark(parked, for: Self.one).first)
        let work = assignment.work
        work.parked = parked
        runner.act(on: [.completed(work)])
        #expect(parked.destinations.isEmpty && parked.work == nil)
    }

    @Test("a message does not wait any more where it was found, in another's turn, that nothing can be tried")
    func void() throws {
        let queue = try TemporaryQueue()
        let runner = try queue.runner()
        let now = queue.world.now
        DestinationMemory(queue: queue.path)[Array("two.example".utf8)] = FailingDestination(
            since: now, failures: 1, next: now + .seconds(300), text: "down")
        #expect(try unparked(runner, queue, "y@two.example", Self.two).destinations.isEmpty)
        queue.world.absence = ["queue/local": .noEntry]
        var happened: [Happening] = []
        _ = try? runner.dispatcher.services.connect(for: Self.joe, &happened)
        #expect(try unparked(runner, queue, "joe@example.org", Self.joe).destinations.isEmpty)
    }

    @Test("no more messages are locked than there are files for, and what is beyond that waits for its turn")
    func files() throws {
        let queue = try TemporaryQueue(["remote-concurrency": "4"])
        queue.world.behaviour = { Self.answer($0, after: .milliseconds(300)) }
        for number in 0..<60 { try queue.inject(to: "u@d\(number).example") }
        let runner = try queue.runner()
        runner.mostClaimed = 10
        var most = 0
        queue.world.after(.milliseconds(100)) { most = try claimed(queue) }
        try runner.run()
        try queue.world.check()
        #expect((10...11).contains(most))
        #expect(try queue.isEmpty && queue.world.jobs.count == 60)
    }
}
