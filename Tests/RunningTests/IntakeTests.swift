import Bytes
import Jobs
import Program
import Queue
import Testing
import Unix

@testable import Running

/// What the intake has given out it does not find again, until it is told to.
@Suite struct IntakeTests {
    private let queue: TemporaryQueue
    private let intake: Intake

    init() throws {
        queue = try TemporaryQueue()
        intake = Intake(
            queue: queue.queue, log: Log(.file("\(queue.path)/log.txt"), tag: "t"), kicks: nil,
            horizon: .seconds(3600), clock: queue.world)
    }

    /// Reads the whole queue and takes what is found, without a lock that would keep it from being taken again.
    private func found() throws -> [MessageID] {
        intake.invalidate()
        try intake.look()
        var ids: [MessageID] = []
        while let (message, _) = intake.next() { ids.append(message.id) }
        #expect(intake.isEmpty)
        return ids
    }

    private func parked(_ id: MessageID, in place: Place = .incoming) throws -> ParkedMessage {
        let parked = ParkedMessage(try #require(try queue.claim(id, in: place)))
        parked.destinations = [.remote(Array("one.example".utf8))]
        return parked
    }

    @Test("a message that is in the runner's hands is not found again, until it is let go")
    func known() throws {
        let id = try queue.inject(to: "x@one.example")
        #expect(try found() == [id])
        #expect(try found() == [])
        // Nor in another minute.
        queue.world.goOn(.seconds(60))
        #expect(try found() == [])
        intake.release(id)
        #expect(try found() == [id])
    }

    @Test("one that is left alone is found in another minute, and not before")
    func left() throws {
        let id = try queue.inject(to: "x@one.example")
        #expect(try found() == [id])
        intake.leave(id)
        queue.world.goOn(.seconds(59))
        #expect(try found() == [])
        queue.world.goOn(.seconds(1))
        #expect(try found() == [id])
        queue.world.goOn(.seconds(60))
        #expect(try found() == [])
    }

    @Test(
        "one that was left alone and is called back is in hand again: another minute does not bring it twice")
    func calledBack() throws {
        let id = try queue.inject(to: "x@one.example")
        #expect(try found() == [id])
        intake.leave(id)
        intake.comeBack(Candidate(id: id, place: .incoming))
        #expect(try found() == [id])
        queue.world.goOn(.seconds(60))
        #expect(try found() == [])
    }

    @Test("a parked message that comes back, or whose turn it is, is in hand again: nobody finds it beside")
    func parkedAgain() throws {
        let id = try queue.inject(to: "x@one.example")
        let parked = try parked(id)
        intake.comeBack(Candidate(id: id, place: .incoming, parked: parked))
        #expect(intake.next()?.parked === parked)
        #expect(try found() == [])
        intake.release(id)
        #expect(intake.claimAgain(parked) != nil)
        #expect(try found() == [])
    }

    @Test(
        "a parked message that the operator wants tried now is for all its recipients, though its go had begun"
    )
    func askedFor() throws {
        let id = try queue.inject(to: "x@one.example", "y@two.example")
        let bucket = queue.bucket(in: 0)
        try queue.queue.move(try #require(try queue.claim(id)), to: bucket)
        let parked = try parked(id, in: bucket)
        parked.rest = [2]
        #expect(intake.claimAgain(parked) != nil)
        #expect(parked.rest == [2] && parked.place == bucket)
        try queue.queue.move(try #require(try queue.claim(id, in: bucket)), to: .incoming)
        #expect(intake.claimAgain(parked)?.place == .incoming)
        #expect(parked.rest == [] && parked.place == .incoming)
    }

    @Test("a bucket that is due and empty goes")
    func bucket() throws {
        let deferred = try Directory("\(queue.path)/deferred")
        for minutes in [0, 1] {
            try deferred.makeDirectory("\(queue.world.now.seconds / 60 + Int64(minutes))", mode: 0o700)
        }
        #expect(try found() == [])
        #expect(try deferred.names() == ["\(queue.world.now.seconds / 60 + 1)"])
    }

    @Test("a parked message that is not there any more waits nowhere, and is found where it comes up again")
    func gone() throws {
        let id = try queue.inject(to: "x@one.example")
        #expect(try found() == [id])
        let parked = try parked(id)
        try queue.queue.move(try #require(try queue.claim(id)), to: .hold)
        #expect(intake.claimAgain(parked) == nil && parked.destinations.isEmpty)
        try queue.queue.move(try #require(try queue.claim(id, in: .hold)), to: .incoming)
        #expect(try found() == [id])
    }
}
