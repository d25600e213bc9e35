import Bytes
import Jobs
import Queue
import Testing
import Unix

@testable import Running

/// When a runner looks, what it sees of a change, and when it ends.
@Suite struct RunTests {
    private static func seconds(_ world: World, since begin: Int64) -> Int64 {
        (world.monotonic - begin) / 1_000_000
    }

    @Test("a single run ends when nothing due is left, and waits for nothing")
    func once() throws {
        let queue = try TemporaryQueue()
        let begin = queue.world.monotonic
        try queue.run()
        #expect(queue.world.monotonic == begin)
        try queue.inject(to: "x@one.example")
        try queue.run()
        #expect(Self.seconds(queue.world, since: begin) == 0 && queue.world.jobs.count == 1)
    }

    @Test(
        "a run that was kicked lingers three seconds, and three more behind each message that comes meanwhile"
    )
    func kicked() throws {
        let queue = try TemporaryQueue()
        let begin = queue.world.monotonic
        let first = try queue.inject(to: "x@one.example")
        queue.world.after(.seconds(2)) {
            let id = try queue.inject(to: "y@one.example")
            ServiceSocket.kick("\(queue.path)/kick", about: id.bytes)
        }
        try queue.runner(.kicked, kicks: try queue.listen(), knocks: [first.bytes]).run()
        #expect(Self.seconds(queue.world, since: begin) == 5)
        #expect(queue.world.jobs.count == 2)
        #expect(try queue.isEmpty)
    }

    @Test("one that stays looks each minute for what is due, and takes the trash away")
    func watch() throws {
        let queue = try TemporaryQueue(["trash-lifetime": "10m"])
        queue.world.behaviour = { $0.answerAll(.deferred, "full") }
        try queue.inject(to: "x@one.example")
        let removed = try queue.inject(to: "y@one.example")
        try queue.queue.discard(
            try #require(try queue.claim(removed)), until: queue.world.now + .seconds(600))
        let begin = queue.world.monotonic
        let runner = try queue.runner(.watch, kicks: try queue.listen())
        var tried: [Int64] = []
        while Self.seconds(queue.world, since: begin) < 30 * 60 {
            let before = queue.world.jobs.count
            #expect(try runner.goRound())
            if queue.world.jobs.count > before { tried.append(Self.seconds(queue.world, since: begin) / 60) }
        }
        #expect(tried == [0, 5, 20])
        #expect(try queue.names("trash").isEmpty && queue.logged("trash: 1 message gone for good").count == 1)
    }

    @Test("a knock that names a message has that one taken, and the others with the next look at all")
    func knock() throws {
        let queue = try TemporaryQueue()
        queue.world.behaviour = { connection in
            let isBusy = connection.jobs[0].destination == .remote(Array("busy.example".utf8))
            connection.report(0, .delivered, after: isBusy ? .seconds(20) : .milliseconds(1))
            connection.finish()
        }
        let busy = try queue.inject(to: "x@busy.example")
        let runner = try queue.runner(.watch, kicks: try queue.listen())
        _ = try runner.goRound()
        let ids = try (0..<2).map { try queue.inject(to: "u\($0)@one.example") }
        func kick() { ServiceSocket.kick("\(queue.path)/kick", about: ids[1].bytes) }
        kick()
        for _ in 0..<5 { _ = try runner.goRound() }
        #expect(queue.world.jobs.map { $0.id } == [busy.bytes, ids[1].bytes])
        // Perhaps more came and found no room in the socket.
        for _ in 0..<8 { kick() }
        for _ in 0..<5 { _ = try runner.goRound() }
        #expect(queue.world.jobs.map { $0.id } == [busy.bytes, ids[1].bytes, ids[0].bytes])
    }

    @Test("relais.conf is read again between two messages, and what is damaged changes nothing")
    func reload() throws {
        let queue = try TemporaryQueue()
        let runner = try queue.runner(.watch, kicks: try queue.listen())
        func destination() throws -> Job.Destination? {
            let id = try queue.inject(to: "joe@new.example")
            ServiceSocket.kick("\(queue.path)/kick", about: id.bytes)
            for _ in 0..<3 { _ = try runner.goRound() }
            return queue.world.jobs.last { $0.id == id.bytes }?.destination
        }
        #expect(try destination() == .remote(Array("new.example".utf8)))
        try queue.configure(["local-domains": "example.org new.example"])
        #expect(try destination() == .local(Array("joe".utf8)))
        #expect(queue.logged("relais.conf has changed and was read again").count == 1)
        try queue.configure(["local-domains": "example.org", "nonsense": "1"])
        #expect(try destination() == .local(Array("joe".utf8)))
        #expect(try destination() == .local(Array("joe".utf8)))
        #expect(queue.logged("error: ", "what was read before still holds").count == 1)
    }

    @Test("new retry-intervals and limits hold from the next attempt and session on")
    func limits() throws {
        let queue = try TemporaryQueue(["messages-per-session": "1"])
        queue.world.behaviour = { $0.answerAll(.deferred, "full") }
        let runner = try queue.runner(.watch, kicks: try queue.listen())
        for number in 0..<2 { try queue.inject(to: "u\(number)@one.example") }
        for _ in 0..<5 { _ = try runner.goRound() }
        #expect(queue.world.connections.map { $0.jobs.count } == [1, 1])
        #expect(try queue.names("deferred").count == 2)
        try queue.configure(["messages-per-session": "10", "retry-intervals": "2h"])
        queue.world.goOn(.seconds(240))
        while queue.world.connections.count < 3 { _ = try runner.goRound() }
        let bucket = queue.bucket(in: 120)
        _ = try runner.goRound()
        #expect(queue.world.connections.dropFirst(2).map { $0.jobs.count } == [2])
        #expect(try queue.queue.names(in: bucket).ids.count == 2)
    }

    @Test("what waits longer than the longest of the old intervals is not looked at each minute for that")
    func longerIntervals() throws {
        let queue = try TemporaryQueue(["retry-intervals": "5m"])
        queue.world.behaviour = { $0.answerAll(.deferred, "down", isOfDestination: true) }
        let runner = try queue.runner(.watch, kicks: try queue.listen())
        _ = try runner.goRound()
        try queue.configure(["retry-intervals": "1h"])
        for number in 0..<2 { try queue.inject(to: "u\(number)@gone.example") }
        let begin = queue.world.monotonic
        while Self.seconds(queue.world, since: begin) < 29 * 60 { _ = try runner.goRound() }
        // It was never tried: nothing but its bucket says when that is to be.
        #expect(
            try queue.queue.names(in: .deferred(minute: queue.failing("gone.example")?.bucket ?? 0)).ids.count
                == 1)
        #expect(queue.logged("(delivery temporarily suspended: down)").count == 1)
    }

    @Test(
        "a runner that had nothing to do reads all of the queue when it is woken, whatever the knock is about"
    )
    func woken() throws {
        let queue = try TemporaryQueue()
        let runner = try queue.runner(.watch, kicks: try queue.listen())
        let begin = queue.world.monotonic
        var ids: [MessageID] = []
        queue.world.after(.seconds(5)) {
            ids = try (0..<2).map { try queue.inject(to: "u\($0)@one.example") }
            ServiceSocket.kick("\(queue.path)/kick", about: ids[1].bytes)
        }
        while queue.world.jobs.count < 2 { _ = try runner.goRound() }
        #expect(Set(queue.world.jobs.map { $0.id }) == Set(ids.map { $0.bytes }))
        #expect(Self.seconds(queue.world, since: begin) == 5)
    }

    @Test("a runner whose queue is another by now settles what it has in hand, takes nothing more, and ends")
    func anotherQueue() throws {
        let queue = try TemporaryQueue()
        queue.world.behaviour = { connection in
            connection.report(0, .delivered, after: .seconds(5))
            connection.finish()
        }
        try queue.inject(to: "x@one.example")
        queue.world.after(.seconds(1)) {
            try queue.configure(["service-directory": "/nowhere"])
            let id = try queue.inject(to: "y@one.example")
            ServiceSocket.kick("\(queue.path)/kick", about: id.bytes)
        }
        try queue.runner(.watch, kicks: try queue.listen()).run()
        #expect(queue.world.jobs.count == 1)
        #expect(try queue.names("incoming").count == 1)
    }

    @Test("a bucket that lies further ahead than any of ours is due: the clock was wrong when it was made")
    func farBucket() throws {
        let queue = try TemporaryQueue()
        queue.world.behaviour = { $0.answerAll(.deferred, "full") }
        let now = queue.world.now
        queue.world.setClock(now + .seconds(86400 * 365))
        try queue.inject(to: "x@one.example")
        try queue.run()
        queue.world.setClock(now)
        queue.world.behaviour = { $0.deliverAll() }
        try queue.run()
        // The recipient's own time, too, is that of the wrong clock.
        #expect(queue.world.jobs.count == 1)
    }

    @Test("what is no message is set aside, and what nobody finished or lets go of is news after an hour")
    func strange() throws {
        let queue = try TemporaryQueue()
        let incoming = try Directory("\(queue.path)/incoming")
        try incoming.open("README", .createNew(mode: 0o600)).write(Array("x".utf8))
        let unfinished = MessageID.new(at: queue.world.now)
        try incoming.open(unfinished.text, .createNew(mode: 0o600)).write(Array("half".utf8))
        let held = try queue.inject(to: "x@one.example")
        let lock = try #require(try queue.claim(held))
        try queue.run()
        #expect(try queue.names("corrupt") == ["README"] && queue.world.jobs.isEmpty)
        #expect(queue.logged("error: README: moved to corrupt/: its name is no id").count == 1)
        #expect(try queue.names("incoming").sorted() == [unfinished.text, held.text].sorted())
        #expect(queue.logged("warning").isEmpty)
        queue.world.goOn(.seconds(3700))
        try queue.run()
        #expect(try queue.names("incoming") == [held.text])
        #expect(
            queue.logged("warning: \(unfinished): removed: never finished, never acknowledged").count == 1)
        #expect(queue.logged("warning: \(held): locked by its injector for over an hour").count == 1)
        _ = consume lock
    }

    @Test("a message of which nothing can be known is left alone for its minute, and then looked at again")
    func unreadable() throws {
        let queue = try TemporaryQueue()
        let id = try queue.inject(to: "x@one.example")
        let logs = try Directory("\(queue.path)/log")
        try logs.makeDirectory(id.text, mode: 0o700)
        let runner = try queue.runner(.watch, kicks: try queue.listen())
        let begin = queue.world.monotonic
        while Self.seconds(queue.world, since: begin) < 59 {
            ServiceSocket.kick("\(queue.path)/kick")
            _ = try runner.goRound()
            queue.world.goOn(.seconds(5))
        }
        #expect(queue.world.jobs.isEmpty && queue.logged("error: \(id): ").count == 1)
        try logs.removeDirectory(id.text)
        for _ in 0..<3 { _ = try runner.goRound() }
        #expect(try queue.isEmpty && queue.world.jobs.count == 1)
    }

    @Test("how long hosts take to answer at all is learned: the patience with them grows, within bounds")
    func patience() throws {
        let queue = try TemporaryQueue()
        let runner = try queue.runner()
        #expect(runner.dispatcher.patience == .seconds(1))
        queue.world.behaviour = { connection in
            connection.report(0, .delivered, after: .seconds(4))
            connection.finish()
        }
        for number in 0..<40 { try queue.inject(to: "x@d\(number).example") }
        try runner.run()
        #expect(runner.dispatcher.patience == .seconds(10))
    }

    @Test(
        "a message that cannot go where it is to wait stays, is left alone for its minute, and then tried again"
    )
    func unmovable() throws {
        let queue = try TemporaryQueue()
        queue.world.behaviour = { $0.answerAll(.deferred, "full") }
        let id = try queue.inject(to: "x@one.example")
        let root = try Directory(queue.path)
        try root.removeDirectory("deferred")
        let runner = try queue.runner(.watch, kicks: try queue.listen())
        let begin = queue.world.monotonic
        while Self.seconds(queue.world, since: begin) < 59 {
            ServiceSocket.kick("\(queue.path)/kick")
            _ = try runner.goRound()
            queue.world.goOn(.seconds(5))
        }
        #expect(queue.world.jobs.count == 1 && queue.logged("error: \(id): ").count == 1)
        try root.makeDirectory("deferred", mode: 0o700)
        for _ in 0..<3 { _ = try runner.goRound() }
        #expect(queue.world.jobs.count == 2)
        #expect(try queue.names("incoming").isEmpty && queue.names("deferred").count == 1)
    }

    #if DEBUG
        @Test("who may have to be told from others in a log is not tried where there is no room for one")
        func room() throws {
            /// How many calls the run made, and whether it found no room.
            func attempt(at number: Int, _ recipients: [String]) throws -> (calls: Int, isFull: Bool) {
                let queue = try TemporaryQueue()
                let id = try queue.inject(to: recipients)
                let runner = try queue.runner()
                SystemCall.arm(.fail(.noSpace), at: number)
                try? runner.run()
                let calls = SystemCall.callCount
                SystemCall.arm(.none, at: 0)
                let isFull = !queue.logged("error: \(id): ", "statvfs \(queue.path):").isEmpty
                if isFull {
                    #expect(try queue.world.jobs.isEmpty && queue.names("incoming") == [id.text])
                }
                return (calls, isFull)
            }
            for (recipients, expected) in [
                (["x@one.example"], false), (["x@one.example", "y@one.example"], true),
            ] {
                let calls = try attempt(at: 0, recipients).calls
                #expect(try (1...calls).contains { try attempt(at: $0, recipients).isFull } == expected)
            }
        }

        @Test(
            "a message that is accepted by a changed relais.conf is delivered by it, at whatever moment of a round that is"
        )
        func changedMeanwhile() throws {
            /// How many calls a round makes, and where the message went.
            func attempt(at number: Int) throws -> (calls: Int, destination: Job.Destination?) {
                let queue = try TemporaryQueue()
                let runner = try queue.runner(.watch, kicks: try queue.listen())
                ServiceSocket.kick("\(queue.path)/kick")
                SystemCall.arm(
                    .run {
                        try? queue.configure(["local-domains": "example.org new.example"])
                        guard let id = try? queue.inject(to: "joe@new.example") else { return }
                        ServiceSocket.kick("\(queue.path)/kick", about: id.bytes)
                    }, at: number)
                _ = try runner.goRound()
                let calls = SystemCall.callCount
                SystemCall.arm(.none, at: 0)
                for _ in 0..<3 { _ = try runner.goRound() }
                return (calls, queue.world.jobs.first?.destination)
            }
            let calls = try attempt(at: 0).calls
            #expect(calls > 5)
            for number in 1...calls {
                #expect(try attempt(at: number).destination == .local(Array("joe".utf8)), "call \(number)")
            }
        }
    #endif
}
