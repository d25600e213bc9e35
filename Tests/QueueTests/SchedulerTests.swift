import Testing
import Unix

@testable import Queue

private typealias Plan = Scheduler<String, String, Int>

@Suite("Who goes next")
struct SchedulerTests {
    private func plan(total: Int = 20, perDestination: Int = 5, batch: Int = 100) -> Plan {
        Plan(Plan.Limits(total: total, perDestination: perDestination, batch: batch))
    }

    @Test("What waits for one destination goes in one session, in the order it came")
    func oneSession() throws {
        let plan = plan()
        for item in 1...5 { plan.add(item, from: "a", to: "x") }
        let start = try #require(plan.next())
        #expect(start.key == "x")
        #expect(start.items.map(\.item) == [1, 2, 3, 4, 5])
        #expect(plan.next() == nil)
        #expect(plan.count == 0)
    }

    @Test("What comes during a session waits for its end, until there is enough for another")
    func gathering() throws {
        let plan = plan()
        plan.add(0, from: "a", to: "x")
        _ = plan.next()
        for item in 1...10 { plan.add(item, from: "a", to: "x") }
        #expect(plan.next() == nil)
        plan.add(11, from: "a", to: "x")
        #expect(plan.next() != nil)
    }

    @Test("A session that is set aside gives up its place, and counts where it goes on")
    func adopted() throws {
        let (usual, slow) = (plan(total: 2), plan(total: 1))
        for (item, key) in ["x", "y", "z"].enumerated() { usual.add(item, from: "a", to: key) }
        _ = usual.next()
        _ = usual.next()
        #expect(usual.isFull && usual.next() == nil)
        for key in ["x", "y"] {
            usual.stall(key)
            usual.end(key, .calledOff, stalled: true)
            slow.adopt(key, stalled: true)
        }
        #expect(usual.next()?.key == "z")
        // What else waits for it does so until fewer than its limit go on there.
        slow.add(3, from: "a", to: "x")
        #expect(slow.next() == nil)
        slow.end("y", .well, stalled: true)
        #expect(slow.next() == nil)
        slow.end("x", .well, stalled: true)
        #expect(slow.next()?.key == "x")
        slow.end("x", .well)
        #expect(slow.running == 0 && slow.running(of: "x") == 0)
    }

    @Test("A destination for which nothing waits any more is not ready, though it has a session")
    func taken() throws {
        let plan = plan()
        plan.add(0, from: "a", to: "x")
        _ = plan.next()
        for item in 1...11 { plan.add(item, from: "a", to: "x") }
        #expect(plan.readyCount == 1)
        #expect(plan.removeAll(for: "x").count == 11 && plan.readyCount == 0)
        #expect(plan.next() == nil)
    }

    @Test("A destination without sessions, and with nothing that waits, is as one that nothing is known of")
    func forgotten() throws {
        let plan = plan()
        func sessions() -> Int {
            for item in 0..<100 { plan.add(item, from: "a", to: "x") }
            var count = 0
            while plan.next() != nil { count += 1 }
            _ = plan.removeAll(for: "x")
            return count
        }
        #expect(sessions() == 4)
        for _ in 0..<4 { plan.end("x", .badly) }
        #expect(sessions() == 4)
    }

    @Test("A session that ended lets the next begin")
    func succession() throws {
        let plan = plan()
        plan.add(0, from: "a", to: "x")
        _ = plan.next()
        plan.add(1, from: "a", to: "x")
        #expect(plan.next() == nil)
        plan.end("x", .well)
        #expect(plan.next()?.items.map(\.item) == [1])
    }

    @Test("A sender's thousands do not hold up another's one: to another destination")
    func fairAcrossDestinations() throws {
        let plan = plan(total: 1)
        for item in 0..<5000 { plan.add(item, from: "many", to: "d\(item)") }
        plan.add(-1, from: "one", to: "e")
        var keys: [String] = []
        for _ in 0..<2 {
            let start = try #require(plan.next())
            keys.append(start.key)
            plan.end(start.key, .well)
        }
        #expect(keys.contains("e"))
    }

    @Test("The same to a destination that is one of the thousands")
    func fairWithinAll() throws {
        let plan = plan(total: 1)
        for item in 0..<5000 { plan.add(item, from: "many", to: "d\(item)") }
        plan.add(-1, from: "one", to: "d4999")
        var items: [Int] = []
        for _ in 0..<2 {
            let start = try #require(plan.next())
            items += start.items.map(\.item)
            plan.end(start.key, .well)
        }
        #expect(items.contains(-1))
    }

    @Test("The same within one destination: senders take turns")
    func fairWithinOne() throws {
        let plan = plan(total: 1, perDestination: 1, batch: 10)
        for item in 0..<1000 { plan.add(item, from: "many", to: "x") }
        plan.add(-1, from: "one", to: "x")
        #expect(try #require(plan.next()).items.map(\.item).contains(-1))
    }

    @Test("The limits hold: in all, to one destination, in one session")
    func limits() throws {
        let plan = plan(total: 6, perDestination: 4, batch: 10)
        for item in 0..<1000 { plan.add(item, from: "a", to: "x") }
        for item in 0..<1000 { plan.add(item, from: "a", to: "y") }
        var sessions: [String: Int] = [:]
        while let start = plan.next() {
            #expect(start.items.count == 10)
            sessions[start.key, default: 0] += 1
        }
        #expect(sessions.values.reduce(0, +) == 6)
        #expect(sessions.values.max()! <= 4)
        #expect(plan.isFull)
    }

    @Test("Sessions side by side share what waits")
    func sharing() throws {
        let plan = plan(perDestination: 4)
        for item in 0..<100 { plan.add(item, from: "a", to: "x") }
        var sizes: [Int] = []
        while let start = plan.next() { sizes.append(start.items.count) }
        #expect(sizes == [25, 25, 25, 25])
    }

    @Test("The window grows with success up to the limit, and is halved by failure")
    func window() throws {
        let plan = plan(total: 100, perDestination: 8, batch: 1)
        func sessions() -> Int {
            for item in 0..<1000 { plan.add(item, from: "a", to: "x") }
            while plan.next() != nil {}
            return plan.running(of: "x")
        }
        #expect(sessions() == 4)
        for _ in 0..<4 { plan.end("x", .well) }
        #expect(sessions() == 8)
        for _ in 0..<8 { plan.end("x", .well) }
        #expect(sessions() == 8)
        plan.end("x", .badly)
        for _ in 0..<7 { plan.end("x", .calledOff) }
        #expect(sessions() == 4)
    }

    @Test("A destination that is probed gets one item until it ended well")
    func probing() throws {
        let plan = plan()
        plan.probe("x")
        for item in 0..<50 { plan.add(item, from: "a", to: "x") }
        #expect(try #require(plan.next()).items.map(\.item) == [0])
        #expect(plan.next() == nil)
        plan.end("x", .badly)
        #expect(try #require(plan.next()).items.map(\.item) == [1])
        plan.end("x", .well)
        #expect(try #require(plan.next()).items.count > 1)
    }

    @Test("A session that says nothing does not keep others waiting")
    func stalling() throws {
        let plan = plan()
        plan.add(0, from: "a", to: "x")
        _ = plan.next()
        plan.add(1, from: "a", to: "x")
        #expect(plan.next() == nil)
        plan.stall("x")
        #expect(try #require(plan.next()).items.map(\.item) == [1])
        plan.end("x", .well, stalled: true)
        plan.end("x", .well)
        #expect(plan.running == 0)
    }

    @Test("What said nothing for long counts no more when it is over, nor what only began elsewhere")
    func stallingIsOver() throws {
        let plan = plan()
        plan.adopt("x", stalled: true)
        plan.add(0, from: "a", to: "x")
        #expect(try #require(plan.next()).items.map(\.item) == [0])
        plan.end("x", .well, stalled: true)
        plan.add(1, from: "a", to: "x")
        #expect(plan.next() == nil)
        plan.end("x", .well)
        #expect(try #require(plan.next()).items.map(\.item) == [1])
        plan.adopt("y", stalled: false)
        plan.add(2, from: "a", to: "y")
        #expect(plan.next() == nil)
    }

    @Test("What waits can be taken out, and the rest goes on")
    func takingOut() throws {
        let plan = plan()
        for item in 0..<3 { plan.add(item, from: "a\(item)", to: "x") }
        plan.add(3, from: "b", to: "y")
        #expect(plan.removeAll(for: "x").map(\.item) == [0, 1, 2])
        #expect(plan.next()?.key == "y")
        #expect(plan.next() == nil)
        plan.add(4, from: "a0", to: "x")
        #expect(plan.next()?.items.map(\.item) == [4])
    }

    @Test("Nothing is lost and nothing comes twice, whatever the order of events", arguments: 0..<20)
    func conservation(seed: UInt64) throws {
        var random = SeededGenerator(state: seed)
        let plan = plan(total: 7, perDestination: 3, batch: 5)
        var added = 0
        var taken: [Int] = []
        var running: [String] = []
        for _ in 0..<5000 {
            switch Int.random(in: 0..<10, using: &random) {
            case 0..<4:
                plan.add(
                    added, from: "s\(Int.random(in: 0..<9, using: &random))",
                    to: "d\(Int.random(in: 0..<6, using: &random))")
                added += 1
            case 4..<7:
                if let start = plan.next() {
                    running.append(start.key)
                    taken += start.items.map(\.item)
                }
            case 7: plan.probe("d\(Int.random(in: 0..<6, using: &random))")
            case 8 where added % 50 == 0: taken += plan.removeAll(for: "d1").map(\.item)
            default:
                guard !running.isEmpty else { continue }
                let key = running.remove(at: Int.random(in: 0..<running.count, using: &random))
                plan.end(key, [.well, .badly, .calledOff].randomElement(using: &random)!)
            }
            #expect(plan.running == running.count)
        }
        while plan.count > 0 || !running.isEmpty {
            while let start = plan.next() {
                running.append(start.key)
                taken += start.items.map(\.item)
            }
            try #require(!running.isEmpty, "something waits and nothing can start")
            plan.end(running.removeLast(), .well)
        }
        #expect(taken.sorted() == Array(0..<added))
    }
}

private struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return (state ^ state >> 29) &* 0xBF58_476D_1CE4_E5B9
    }
}

@Suite("The memory of failing destinations")
struct DestinationMemoryTests {
    private let state = FailingDestination(
        since: Time(microseconds: 1), failures: 3, next: Time(microseconds: 99),
        text: "connect to x: timed out")

    @Test("What is remembered comes back, and is forgotten")
    func roundTrip() throws {
        let queue = try TemporaryQueue()
        let memory = DestinationMemory(queue: queue.path)
        #expect(memory[Array("example.org".utf8)] == nil)
        memory[Array("example.org".utf8)] = state
        #expect(memory[Array("example.org".utf8)] == state)
        #expect(memory.all().map(\.domain) == [Array("example.org".utf8)])
        memory[Array("example.org".utf8)] = nil
        #expect(memory.all().isEmpty)
    }

    @Test(
        "A destination is forgotten when nobody asked for it for so long since it was to be tried, not since it failed"
    )
    func cleaning() throws {
        let queue = try TemporaryQueue()
        let memory = DestinationMemory(queue: queue.path)
        let name = Array("example.org".utf8)
        let state = FailingDestination(
            since: Time(seconds: 0), failures: 9, next: Time(seconds: 1000), text: "")
        memory[name] = state
        #expect(memory.clean(olderThan: .seconds(100), now: Time(seconds: 1100)) == 0)
        #expect(memory[name] == state)
        #expect(memory.clean(olderThan: .seconds(100), now: Time(seconds: 1101)) == 1)
        #expect(memory[name] == nil)
    }

    @Test(
        "Names that a filesystem would take otherwise are encoded",
        arguments: [
            ("example.org", "example.org"), ("..", "=2e."), ("a/b", "a=2fb"), ("A", "=41"),
            ("[192.0.2.1]", "=5b192.0.2.1=5d"), ("=", "=3d"), (".", "=2e"), ("a..b", "a..b"),
        ])
    func encoding(domain: String, name: String) {
        #expect(DestinationMemory.name(of: Array(domain.utf8)) == name)
        #expect(DestinationMemory.domain(of: name) == Array(domain.utf8))
    }

    @Test("A name that is too long for a file is not remembered, at 255 and 256")
    func longNames() {
        #expect(DestinationMemory.name(of: [UInt8](repeating: 0x61, count: 255)) != nil)
        #expect(DestinationMemory.name(of: [UInt8](repeating: 0x61, count: 256)) == nil)
        #expect(DestinationMemory.name(of: []) == nil)
    }

    @Test("A torn or foreign file counts as none")
    func damage() {
        let whole = state.encoded
        #expect(FailingDestination(whole) == state)
        for length in 0..<whole.count { #expect(FailingDestination(Array(whole[..<length])) == nil) }
        #expect(
            FailingDestination(
                Array("relais-destination 1\nsince +1\nfailures 1\nnext 2\nbucket 0\ntext \n".utf8))
                == nil)
    }
}
