import Bytes
import Queue
import Testing
import Unix

@Suite struct MessageLogTests {
    @Test("what is appended is read again, and a torn last line does not count")
    func torn() throws {
        let queue = try TemporaryQueue()
        let id = try queue.inject("hello\n")
        let store = try QueueDirectory(queue.path)
        let message = try #require(try store.claimFree(id, in: .incoming).message)
        let one = LogEvent(
            time: Time(seconds: 1), recipient: 1, kind: .deferred, status: "4.4.1", next: Time(seconds: 301),
            text: "connect to mx.example[192.0.2.1]:25: Connection refused")
        let two = LogEvent(time: Time(seconds: 2), recipient: 2, kind: .delivered, status: "2.0.0", text: "")
        do {
            let log = try #require(try MessageLog.open(for: message, in: store, creating: true))
            try log.append([one, two])
            try log.synchronize()
        }
        let whole = try queue.bytes("log/\(id)")
        for cut in 1..<20 {
            try queue.put(Array(whole.dropLast(cut)), at: "log/\(id)")
            let log = try #require(try MessageLog.open(for: message, in: store, creating: false))
            #expect(log.events == [one])
            try log.append([two])
            let again = try #require(try MessageLog.open(for: message, in: store, creating: false))
            #expect(again.events.last == two && again.events.first == one)
            #expect(again.states[1] == one && again.states[2] == two)
        }
    }

    @Test("a log that tells of another file is begun anew, for whoever opens it next, too")
    func anew() throws {
        let queue = try TemporaryQueue()
        let id = try queue.inject("hello\n")
        let store = try QueueDirectory(queue.path)
        let message = try #require(try store.claimFree(id, in: .incoming).message)
        let event = LogEvent(time: Time(seconds: 1), recipient: 1, kind: .delivered, status: "2.0.0")
        try queue.put(Array("message 1 2\n".utf8) + event.encoded, at: "log/\(id)")
        let log = try #require(try MessageLog.open(for: message, in: store, creating: false))
        #expect(log.events == [])
        try log.append([event])
        #expect(try MessageLog.open(for: message, in: store, creating: false)?.events == [event])
    }

    #if DEBUG
        @Test(
            "a line of which a part was written does not spoil the one that is appended when there is room again"
        )
        func fillingUp() throws {
            let queue = try TemporaryQueue()
            let id = try queue.inject("hello\n")
            let store = try QueueDirectory(queue.path)
            let message = try #require(try store.claimFree(id, in: .incoming).message)
            let log = try #require(try MessageLog.open(for: message, in: store, creating: true))
            let event = LogEvent(
                time: Time(seconds: 1), recipient: 1, kind: .delivered, status: "2.0.0", text: "ok")
            SystemCall.arm(.writeHalfThenFail(.noSpace), at: 1)
            #expect(throws: QueueError.self) { try log.append([event]) }
            try log.append([event])
            #expect(try MessageLog.open(for: message, in: store, creating: false)?.events == [event])
        }
    #endif

    @Test("a log of another file is begun anew, and no log is made unasked")
    func foreign() throws {
        let queue = try TemporaryQueue()
        let id = try queue.inject("hello\n")
        let store = try QueueDirectory(queue.path)
        let message = try #require(try store.claimFree(id, in: .incoming).message)
        #expect(try MessageLog.open(for: message, in: store, creating: false) == nil)
        // A file's number comes again, and so may an id from a backup: both must fit.
        let arrival = message.arrival.microseconds
        for (inode, arrival) in [(1, 2), (message.inode, arrival + 1), (message.inode + 1, arrival)] {
            try queue.put(Array("message \(inode) \(arrival)\n5 1 D 2.0.0 0 \n".utf8), at: "log/\(id)")
            #expect(try MessageLog.open(for: message, in: store, creating: false)?.events == [])
        }
    }

    @Test("no text can forge a line")
    func forging() throws {
        let queue = try TemporaryQueue()
        let id = try queue.inject("hello\n")
        let store = try QueueDirectory(queue.path)
        let message = try #require(try store.claimFree(id, in: .incoming).message)
        let log = try #require(try MessageLog.open(for: message, in: store, creating: true))
        try log.append([LogEvent(time: .now(), recipient: 1, kind: .deferred, text: "x\n5 1 D 2.0.0 0 \n")])
        let seen = try #require(try store.find(id))
        #expect(try store.history(of: seen).map(\.kind) == [.deferred])
    }
}
