import Queue
import Testing
import Unix

@Suite struct StormTests {
    private func minutes(_ count: Int64) -> Time { Time(seconds: 1_800_000_000 + 60 * count) }

    @Test("so many are sent in an hour, the next is held and news, those behind it are held")
    func limit() {
        var storm = Storm()
        for _ in 0..<3 { #expect(storm.count(at: minutes(0), limit: 3) == .send) }
        #expect(storm.count(at: minutes(1), limit: 3) == .hold(isNew: true))
        #expect(storm.count(at: minutes(2), limit: 3) == .hold(isNew: false))
        #expect(storm.holding == .init(since: minutes(1), last: minutes(2), count: 2))
    }

    @Test("what is held counts; when less is made than the limit, it is over, and another one is news again")
    func over() {
        var storm = Storm()
        for minute in 0..<10 as Range<Int64> { _ = storm.count(at: minutes(minute), limit: 3) }
        #expect(storm.count(at: minutes(60), limit: 3) == .hold(isNew: false))
        #expect(storm.count(at: minutes(68), limit: 3) == .send)
        #expect(storm.count(at: minutes(128), limit: 3) == .send)
        for _ in 0..<2 { #expect(storm.count(at: minutes(200), limit: 3) == .send) }
        #expect(storm.count(at: minutes(201), limit: 3) == .send)
        #expect(storm.count(at: minutes(201), limit: 3) == .hold(isNew: true))
    }

    @Test("a storm that goes on for hours is one; an hour behind its last message another is news")
    func long() {
        var storm = Storm()
        for minute in 0..<3 as Range<Int64> { _ = storm.count(at: minutes(minute), limit: 3) }
        #expect(storm.count(at: minutes(3), limit: 3) == .hold(isNew: true))
        for minute in stride(from: 13 as Int64, through: 303, by: 10) {
            #expect(storm.count(at: minutes(minute), limit: 3) == .hold(isNew: false), "minute \(minute)")
        }
        #expect(storm.holding == .init(since: minutes(3), last: minutes(303), count: 31))
        for minute in 361..<364 as Range<Int64> { _ = storm.count(at: minutes(minute), limit: 3) }
        #expect(storm.count(at: minutes(364), limit: 3) == .hold(isNew: true))
    }

    @Test("without a limit nothing is held; a clock that goes back is no storm")
    func noLimit() {
        var storm = Storm()
        for _ in 0..<5000 { #expect(storm.count(at: minutes(0), limit: 0) == .send) }
        #expect(storm.count(at: minutes(-90), limit: 1) == .send)
    }

    @Test("several runners count together, in a file that may be torn or gone")
    func file() throws {
        let temporary = try TemporaryQueue()
        let queues = [try QueueDirectory(temporary.path), try QueueDirectory(temporary.path)]
        #expect(queues[0].storm() == nil)
        let verdicts = (0..<6).map { queues[$0 % 2].countSelfMade(at: minutes(0), limit: 4) }
        #expect(verdicts == [.send, .send, .send, .send, .hold(isNew: true), .hold(isNew: false)])
        #expect(queues[1].storm()?.holding?.count == 2)
        let whole = try Path.contents("\(temporary.path)/storm") ?? []
        for count in 0..<whole.count {
            let file = try Directory(temporary.path).open("storm", .create(mode: 0o600))
            try file.truncate(to: 0)
            try file.write(Array(whole.prefix(count)), at: 0)
            #expect(queues[0].storm() == nil)
        }
        #expect(queues[0].countSelfMade(at: minutes(0), limit: 1) == .send)
        #expect(queues[0].countSelfMade(at: minutes(0), limit: 1) == .hold(isNew: true))
    }

    @Test("a message that is made on hold is there, and nowhere else")
    func held() throws {
        let temporary = try TemporaryQueue()
        let injection = try Injection(queue: temporary.path, envelope: TemporaryQueue.envelope)
        try injection.append(Array("Subject: x\n".utf8))
        try injection.commit(kick: nil, holding: temporary.path)
        #expect(try temporary.names("hold") == [injection.id.text])
        #expect(try temporary.names("incoming").isEmpty)
        #expect(try QueueDirectory(temporary.path).claimFree(injection.id, in: .hold).message != nil)
    }
}
