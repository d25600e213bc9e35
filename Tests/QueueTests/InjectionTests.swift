import Bytes
import Queue
import Testing
import Unix

@Suite struct InjectionTests {
    @Test(
        "what goes in comes out, whole, whatever its size", arguments: [0, 1, 100, 131_000, 131_073, 400_000])
    func round(size: Int) throws {
        let queue = try TemporaryQueue()
        let content = String(repeating: "line of text\n", count: size / 13 + 1)
        let id = try queue.inject(content)
        let store = try QueueDirectory(queue.path)
        #expect(try store.names(in: .incoming).ids == [id])
        let message = try #require(try store.claimFree(id, in: .incoming).message)
        #expect(message.envelope == TemporaryQueue.envelope)
        #expect(message.head.contentLength == content.utf8.count)
        let file = try store.openForDelivery(message)
        let read = try file.read(upTo: 1 << 20, at: message.contentOffset).prefix(message.head.contentLength)
        #expect(Array(read) == Array(content.utf8))
        #expect(try file.status().mode == 0o660)
    }

    @Test("content that does not end a line gets its line end")
    func lastLine() throws {
        let queue = try TemporaryQueue()
        let id = try queue.inject("no newline")
        let message = try #require(try QueueDirectory(queue.path).claimFree(id, in: .incoming).message)
        #expect(try message.content(at: 0, upTo: 100) == Array("no newline\n".utf8))
    }

    @Test("an injection that is given up leaves nothing")
    func abandoned() throws {
        let queue = try TemporaryQueue()
        do {
            let injection = try Injection(queue: queue.path, envelope: TemporaryQueue.envelope)
            try injection.append(Array(repeating: .ascii("x"), count: 300_000))
        }
        #expect(try queue.names("incoming") == [])
    }

    @Test("the same id cannot be injected twice")
    func twice() throws {
        let queue = try TemporaryQueue()
        let id = try queue.inject("one\n")
        #expect(throws: QueueError.exists) { try queue.inject("two\n", id: id) }
        #expect(try queue.names("incoming") == [id.text])
    }

    #if DEBUG
        @Test(
            "the second path: a derived id that exists is known, wherever it is, and what was not finished is replaced"
        )
        func derivedIDs() throws {
            for refused in [false, true] {
                SystemCall.refuseExtensions(refused)
                defer { SystemCall.refuseExtensions(false) }
                let queue = try TemporaryQueue()
                let store = try QueueDirectory(queue.path)
                let id = try queue.inject("one\n")
                #expect(throws: QueueError.exists) { try queue.inject("two\n", id: id) }
                #expect(try queue.names("incoming") == [id.text])
                func again() throws -> Int {
                    var count = 0
                    try store.once(id) { () throws(QueueError) in
                        count += 1
                        let copy = try Injection(queue: queue.path, envelope: TemporaryQueue.envelope, id: id)
                        try copy.commit(kick: nil)
                    }
                    return count
                }
                #expect(try again() == 1)
                for place in [Place.hold, .deferred(minute: 1000), .trash(minute: 1001, wasHeld: false)] {
                    let found = try #require(try store.find(id))
                    let message = try #require(try store.claimFree(id, in: found.place).message)
                    try store.move(message, to: place)
                    #expect(try again() == 0, "\(place)")
                }
                #expect(try queue.names("incoming") == [])
                // A power cut left a hole in it, and it was set aside: it got through to nobody.
                let damaged = MessageID.new(at: .now())
                try queue.put([0, 0, 0], at: "corrupt/\(damaged)")
                try store.once(damaged) { () throws(QueueError) in
                    try Injection(queue: queue.path, envelope: TemporaryQueue.envelope, id: damaged).commit(
                        kick: nil)
                }
                #expect(try queue.names("incoming") == [damaged.text])
                // Begun, and its injector killed: a file without its trailer.
                let other = MessageID.new(at: .now())
                try queue.put(Array("relais-message 1\nid \(other)\n".utf8), at: "incoming/\(other)")
                try store.once(other) { () throws(QueueError) in
                    let copy = try Injection(queue: queue.path, envelope: TemporaryQueue.envelope, id: other)
                    try copy.append(Array("three\n".utf8))
                    try copy.commit(kick: nil)
                }
                #expect(
                    try store.claimFree(other, in: .incoming).message?.content(at: 0, upTo: 9)
                        == Array("three\n".utf8))
            }
        }
    #endif

    @Test(
        "an envelope that would break the head's lines is refused",
        arguments: [
            Envelope(reversePath: Array("a\nto <x@y>".utf8), recipients: [.init(Array("b@c".utf8))]),
            Envelope(reversePath: [], recipients: [.init(Array("b@c\r".utf8))]),
            Envelope(reversePath: [], recipients: [.init(Array("b@c".utf8), parameters: [0])]),
            Envelope(reversePath: [], parameters: [0x0A], recipients: [.init(Array("b@c".utf8))]),
            Envelope(reversePath: [], recipients: []),
            Envelope(reversePath: [], recipients: [.init([])]),
        ])
    func envelopes(envelope: Envelope) throws {
        let queue = try TemporaryQueue()
        #expect(throws: QueueError.envelope) { _ = try Injection(queue: queue.path, envelope: envelope) }
    }

    #if DEBUG
        @Test(
            "an injection that fails at any call leaves nothing, or a whole message",
            arguments: [Errno.inputOutput, .noSpace, .tooManyFiles])
        func everyFault(code: Errno) throws {
            for number in 1...40 {
                let queue = try TemporaryQueue()
                SystemCall.arm(.fail(code), at: number)
                var committed = false
                do {
                    try queue.inject("hello\n")
                    committed = true
                } catch {}
                SystemCall.arm(.none, at: 0)
                let store = try QueueDirectory(queue.path)
                let left = try store.names(in: .incoming).ids
                #expect(left.count == (committed ? 1 : 0), "call \(number)")
                for id in left { #expect(try store.claimFree(id, in: .incoming).message != nil) }
            }
        }
    #endif
}
