import Bytes
import Testing
import Unix

@testable import Queue

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
        #expect(try message.front(upTo: 100) == Array("no newline\n".utf8))
    }

    @Test(
        "what is put on top last stands first, above what was put there before",
        arguments: [1, 100, 131_073, 400_000])
    func top(size: Int) throws {
        let queue = try TemporaryQueue()
        let injection = try Injection(queue: queue.path, envelope: TemporaryQueue.envelope)
        let content = Array(String(repeating: "line of text\n", count: size / 13 + 1).utf8)
        injection.putOnTop(Array("B: 2\n".utf8))
        try injection.append(content)
        injection.putOnTop(Array("A: 1\n\tfolded".utf8))
        injection.putOnTop([])
        try injection.commit(kick: nil)
        let store = try QueueDirectory(queue.path)
        let claim = try store.claim(injection.id, in: .incoming, thoroughly: true)
        let message = try #require(claim.message)
        let whole = Array("A: 1\n\tfolded\nB: 2\n".utf8) + content
        #expect(try message.front(upTo: .max) == whole)
        #expect(message.head.topLength == 18 && message.head.length == whole.count)
        var parts: [UInt8] = []
        try message.forEachPart(upTo: 21) { parts += $0 }
        #expect(parts == Array(whole.prefix(21)))
        // What is shown without its lock, and what goes to another queue, is the same.
        var shown: [UInt8] = []
        let found = try #require(try store.look(at: injection.id, in: .incoming))
        #expect(
            try store.forEachPart(of: found) {
                shown += $0
                return true
            })
        #expect(shown == whole)
        let stream = try Directory("/tmp").openScratch()
        try message.export(to: stream.raw, recipients: [1])
        try stream.seek(to: 0)
        let other = try TemporaryQueue()
        var taken = Import(from: stream.raw, into: try QueueDirectory(other.path))
        guard case .new(injection.id) = try taken.next() else { throw QueueError.exists }
        #expect(try taken.next() == nil && taken.offset == (try stream.status().size))
        let copy = try QueueDirectory(other.path).claim(injection.id, in: .incoming, thoroughly: true)
        #expect(try #require(copy.message).front(upTo: .max) == whole)
    }

    @Test("a message that was queued in the first format is what it was")
    func firstFormat() throws {
        let queue = try TemporaryQueue()
        let id = try queue.inject("Subject: a\n\nb\n")
        let path = "\(queue.path)/incoming/\(id)"
        let text = String(decoding: try #require(try Path.contents(path)), as: UTF8.self)
        let head = text.prefix(upTo: try #require(text.firstRange(of: "\n\n")).upperBound)
        let older = head.replacing("relais-message 2", with: "relais-message 1")
            .replacing("top 00000000000000000000\n", with: "")
        #expect(older.count == head.count - 25)
        var crc = CRC32C()
        crc.update(Array(older.utf8)[...])
        let trailer = text.suffix(MessageTrailer.size)
        var words = trailer.split(separator: " ").map(String.init)
        words[3] = String(crc.value, radix: 16)
        words[3] = String(repeating: "0", count: 8 - words[3].count) + words[3]
        let content = text.dropFirst(head.count).dropLast(MessageTrailer.size)
        try Path.remove(path)
        try queue.put(
            Array((older + content + words.joined(separator: " ")).utf8), at: "incoming/\(id)")
        let claim = try QueueDirectory(queue.path).claim(id, in: .incoming, thoroughly: true)
        let message = try #require(claim.message)
        #expect(message.head.topLength == 0 && message.envelope == TemporaryQueue.envelope)
        #expect(try message.front(upTo: .max) == Array("Subject: a\n\nb\n".utf8))
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
                    try store.claimFree(other, in: .incoming).message?.front(upTo: 9)
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
