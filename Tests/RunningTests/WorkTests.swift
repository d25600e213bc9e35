import Bytes
import Jobs
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

    @Test(
        "a destination is a domain or a local user: without extension, and with the domain where that may be another user's",
        arguments: [
            ("ann@far.example", .remote(Array("far.example".utf8))),
            ("Ann@Far.Example.", .remote(Array("far.example".utf8))),
            ("Ann+x@here", .local(Array("ann".utf8))), ("ann", .local(Array("ann".utf8))),
            ("ann@v.example", .local(Array("ann@v.example".utf8))),
            ("ANN+x@V.example.", .local(Array("ann@v.example".utf8))),
            ("ann@w.example", .local(Array("ann@w.example".utf8))),
        ] as [(String, Job.Destination)])
    func destinations(address: String, expected: Job.Destination) {
        let destination = Job.Destination(
            Envelope.Recipient(Array(address.utf8)), injectedBy: 0,
            isLocal: {
                $0.equalsFolded("here") || $0.starts(with: "v.".utf8) || $0.starts(with: "V.".utf8)
                    || $0.starts(with: "w.".utf8)
            },
            relay: { _ in nil }, sharesUsers: { $0.equalsFolded("here") }, delimiter: .ascii("+"))
        #expect(destination == expected)
    }
}
