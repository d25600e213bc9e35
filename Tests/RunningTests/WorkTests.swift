import Queue
import Testing
import Unix

@testable import Running

@Suite struct WorkTests {
    @Test("a recipient is open until it is delivered or given up, and due when its own time has come")
    func states() throws {
        let queue = try TemporaryQueue()
        let id = try queue.inject(to: "a@example.net", "b@example.net", "c@example.net", "d@example.net")
        let now = queue.world.now
        let work = Work(try #require(try queue.claim(id)), log: nil, at: now)
        func record(_ recipient: Int, _ kind: LogEvent.Kind, next: Time = Time(microseconds: 0)) {
            work.record(
                LogEvent(time: now, recipient: recipient, kind: kind, status: "4.0.0", next: next, text: ""))
        }
        #expect(work.open == [1, 2, 3, 4] && work.due(at: now) == [1, 2, 3, 4])
        record(1, .delivered)
        record(2, .failed)
        record(3, .deferred, next: now + .seconds(600))
        #expect(work.open == [3, 4])
        #expect(work.due(at: now) == [4])
        // Give or take what is left of the minute.
        #expect(work.due(at: now + .seconds(540)) == [3, 4])
        #expect(work.nextAttempt == now + .seconds(600))
        #expect(work.owed.map { $0.recipient } == [2])
        #expect(work.failures(of: 3) == 2)
    }
}
