import Bytes
import Jobs
import Program
import Queue
import Testing
import Unix

@testable import Running

/// Which lane what waits is in, and what comes out of it when.
@Suite struct LanesTests {
    private let queue: TemporaryQueue
    private let lanes: Lanes
    private let memory: DestinationMemory
    private let quick = Job.Destination.remote(Array("quick.example".utf8))
    private let joe = Job.Destination.local(Array("joe".utf8))

    init() throws {
        queue = try TemporaryQueue()
        memory = DestinationMemory(queue: queue.path)
        var configuration = Configuration()
        (configuration.remoteConcurrency, configuration.localConcurrency) = (8, 4)
        lanes = Lanes(configuration, memory)
    }

    private func add(_ count: Int, to destination: Job.Destination) throws {
        let id = try queue.inject(to: "x@one.example")
        let message = try #require(try queue.claim(id))
        for _ in 0..<count { lanes.add(.parked(ParkedMessage(message)), from: [], to: destination) }
    }

    private func fail(_ destination: Job.Destination) {
        let now = queue.world.now
        memory[destination.name] = FailingDestination(since: now, failures: 1, next: now, text: "down")
    }

    @Test(
        "of the sessions of either kind a quarter is for those who are in the way, and the others have the rest"
    )
    func limits() {
        #expect(lanes.remote.limits.total == 6 && lanes.suspects.limits.total == 2)
        #expect(lanes.local.limits.total == 3 && lanes.slowLocal.limits.total == 1)
        var configuration = Configuration()
        (configuration.remoteConcurrency, configuration.localConcurrency) = (1, 1)
        configuration.messagesPerSession = 7
        lanes.reconfigure(configuration)
        // There is one for each in any case.
        for lane in [lanes.remote, lanes.suspects, lanes.local, lanes.slowLocal] {
            #expect(lane.limits.total == 1)
        }
        #expect(lanes.remote.limits.batch == 7 && lanes.local.limits.batch == Job.mostInBatch)
    }

    @Test("a destination that fails is probed with one; when it is well all of it goes with the others")
    func failing() throws {
        fail(quick)
        try add(5, to: quick)
        let turn = try #require(lanes.nextTurn())
        #expect(turn.lane === lanes.suspects && turn.waiting.count == 1)
        // No other beside it.
        #expect(lanes.nextTurn().map { $0.waiting.count } == nil)
        turn.lane.end(quick, .well)
        memory[quick.name] = nil
        lanes.isWell(quick)
        let next = try #require(lanes.nextTurn())
        #expect(next.lane === lanes.remote && next.waiting.count == 4 && lanes.count == 0)
    }

    @Test("whom one waits for goes with those who are slow, until it is quick again or nobody waits")
    func slow() throws {
        for destination in [quick, joe] {
            let isLocal = destination.isLocal
            let (usual, other) = isLocal ? (lanes.local, lanes.slowLocal) : (lanes.remote, lanes.suspects)
            try add(2, to: destination)
            lanes.suspect(destination)
            #expect(usual.count(of: destination) == 0 && other.count(of: destination) == 2)
            try add(1, to: destination)
            #expect(other.count(of: destination) == 3)
            lanes.isQuick(destination)
            // A host's messages have the session that it has there; a user's go back.
            #expect(usual.count(of: destination) == (isLocal ? 3 : 0))
            try add(1, to: destination)
            #expect(usual.count(of: destination) == (isLocal ? 4 : 1))
            _ = (usual.removeAll(for: destination), other.removeAll(for: destination))
            lanes.suspect(destination)
            lanes.forgetSlow()
            try add(1, to: destination)
            #expect(usual.count(of: destination) == 1)
            _ = usual.removeAll(for: destination)
        }
    }

    @Test("one that is slow does not go with the others because it does not fail any more")
    func slowAndWell() throws {
        lanes.suspect(quick)
        try add(2, to: quick)
        lanes.isWell(quick)
        #expect(lanes.suspects.count(of: quick) == 2)
        // As long as something waits there nobody is forgotten.
        lanes.forgetSlow()
        try add(1, to: quick)
        #expect(lanes.suspects.count(of: quick) == 3)
    }

    @Test("so much is kept in hand for a destination, and no more", arguments: [199, 200])
    func room(count: Int) throws {
        try add(count, to: quick)
        #expect(lanes.hasRoom(for: quick) == (count < 200))
        #expect(lanes.hasRoom(for: joe))
    }
}
