import Bytes
import Queue
import Testing
import Unix

/// What an operator moves: into the trash and back, and between queues.
@Suite struct MovingTests {
    private static let now = Time(seconds: 60_000)

    @Test("what is thrown away comes back to where it was", arguments: [Place.incoming, .hold])
    func undo(place: Place) throws {
        let queue = try TemporaryQueue()
        let id = try queue.inject("hello\n")
        let store = try QueueDirectory(queue.path)
        do {
            let message = try #require(try store.claimFree(id, in: .incoming).message)
            if place != .incoming { try store.move(message, to: place) }
            try store.discard(message, until: Self.now)
        }
        let trash = try store.trashPlaces()
        #expect(trash == [.trash(minute: 1001, wasHeld: place == .hold)])
        #expect(try store.find(id)?.place == trash[0])
        #expect(try store.emptyTrash(at: Self.now, limit: 10) == 0)
        do {
            let message = try #require(try store.claimFree(id, in: trash[0]).message)
            try store.restore(message)
        }
        #expect(try store.find(id)?.place == place)
        #expect(try queue.names("trash") == [])
    }

    @Test("a pass removes what is over, with its log and what it cannot read, and no more than it may")
    func over() throws {
        let queue = try TemporaryQueue()
        let store = try QueueDirectory(queue.path)
        for number in 0..<5 {
            let id = try queue.inject("hello\n")
            let message = try #require(try store.claimFree(id, in: .incoming).message)
            let log = try #require(try MessageLog.open(for: message, in: store, creating: true))
            try log.append([LogEvent(time: Self.now, recipient: 1, kind: .delivered)])
            try store.discard(message, until: Self.now + .seconds(number == 4 ? 600 : 0))
        }
        // A name that is none of a minute's is nobody's.
        try Directory("\(queue.path)/trash").makeDirectory("soon", mode: 0o700)
        let later = Self.now + .seconds(60)
        #expect(try emptyTrash(of: store, at: later, limit: 3) == 3)
        #expect(try emptyTrash(of: store, at: later, limit: 1) == 1)
        #expect(try store.emptyTrash(at: later, limit: 3) == 0)
        #expect(try queue.names("trash") == ["1011", "soon"])
        #expect(try queue.names("log").count == 1)
    }

    /// Not all at once while another test starts a child, which holds our locks until its exec.
    private func emptyTrash(of store: QueueDirectory, at now: Time, limit: Int) throws -> Int {
        var removed = 0
        let deadline = Deadline.after(.seconds(5))
        while removed < limit, !deadline.hasPassed {
            removed += try store.emptyTrash(at: now, limit: limit - removed)
            if removed < limit { pause(.milliseconds(1)) }
        }
        return removed
    }

    @Test("a crash between the link and the unlink of a move leaves one message, not two, and never none")
    func twoNames() throws {
        for (first, second) in [
            (Place.incoming, Place.hold), (.hold, .incoming), (.incoming, .deferred(minute: 1000)),
            (.incoming, .trash(minute: 1001, wasHeld: false)),
            (.trash(minute: 1001, wasHeld: false), .incoming),
        ] {
            let queue = try TemporaryQueue()
            let id = try queue.inject("hello\n")
            let store = try QueueDirectory(queue.path)
            // Makes the buckets.
            for place in [first, second] {
                let message = try #require(
                    try store.find(id).flatMap { try store.claimFree(id, in: $0.place).message })
                if message.place != place { try store.move(message, to: place) }
                if message.place != .incoming { try store.move(message, to: .incoming) }
            }
            for place in [first, second] where place != .incoming {
                let parts = place.path.split(separator: "/").map(String.init)
                if parts.count == 2 {
                    try Directory("\(queue.path)/\(parts[0])").makeDirectory(parts[1], mode: 0o700)
                }
                try Directory("\(queue.path)/incoming").link(
                    id.text, to: Directory("\(queue.path)/\(place.path)"), as: id.text)
            }
            let claim = try store.claimFree(id, in: first)
            // What is in the trash and elsewhere is mail.
            if first.isTrash {
                #expect(claim.isGone)
            } else {
                #expect(claim.message != nil, "\(first) \(second)")
            }
            #expect(try store.find(id)?.place == (first.isTrash ? second : first))
            #expect(try store.allPlaces().filter { try store.names(in: $0).ids == [id] }.count == 1)
        }
    }

    @Test("what is in the trash, and elsewhere too, keeps its log when it is gone from there")
    func otherName() throws {
        let queue = try TemporaryQueue()
        let id = try queue.inject("hello\n")
        let store = try QueueDirectory(queue.path)
        let trash = Place.trash(minute: 1001, wasHeld: false)
        try Directory("\(queue.path)/trash").makeDirectory("1001", mode: 0o700)
        try Directory("\(queue.path)/incoming").link(
            id.text, to: try Directory("\(queue.path)/\(trash.path)"), as: id.text)
        try queue.put(Array("message 1 2\n".utf8), at: "log/\(id)")
        #expect(try !store.destroy(id, in: trash))
        #expect(try queue.names("log") == [id.text] && queue.names("incoming") == [id.text])
        // Not at once while another test starts a child, which has our lock until its exec.
        for _ in 0..<1000 {
            if try store.destroy(id, in: .incoming) { break }
            pause(.milliseconds(1))
        }
        #expect(try queue.names("incoming") == [] && queue.names("log") == [])
    }

    @Test("where a place cannot be read no log is taken for a leftover, and each trouble is told once")
    func unreadable() throws {
        let queue = try TemporaryQueue()
        let id = MessageID.new(at: Self.now)
        try queue.put(Array("message 1 2\n".utf8), at: "log/\(id)")
        // No directory: its messages may be anywhere.
        try queue.put([], at: "deferred/1000")
        let store = try QueueDirectory(queue.path)
        var told = 0
        store.tellPassedOver = { _ in told += 1 }
        #expect(try store.clean() == 0)
        // It can neither be read nor removed.
        #expect(try queue.names("log") == [id.text] && told == 2)
        try Directory("\(queue.path)/deferred").remove("1000")
        #expect(try QueueDirectory(queue.path).clean() == 1)
        #expect(try queue.names("log") == [])
    }

    @Test("links that are not ours are not taken for a move")
    func strangeLink() throws {
        let queue = try TemporaryQueue()
        let id = try queue.inject("hello\n")
        let store = try QueueDirectory(queue.path)
        try Directory("\(queue.path)/incoming").link(
            id.text, to: Directory("\(queue.path)/service"), as: id.text)
        #expect(try store.claimFree(id, in: .incoming).reason == "has 2 links")
    }

    @Test("logs are not taken for leftovers while their messages move", .timeLimit(.minutes(1)))
    func cleaning() throws {
        let queue = try TemporaryQueue()
        let id = try queue.inject("hello\n")
        let store = try QueueDirectory(queue.path)
        let trash = Place.trash(minute: 1001, wasHeld: true)
        for place in [Place.hold, .deferred(minute: 1005), trash, .corrupt, .incoming] {
            let message = try #require(
                try store.find(id).flatMap { try store.claimFree(id, in: $0.place).message })
            let log = try #require(try MessageLog.open(for: message, in: store, creating: true))
            if log.events.isEmpty {
                try log.append([LogEvent(time: Self.now, recipient: 1, kind: .delivered)])
            }
            if message.place != place { try store.move(message, to: place) }
            #expect(try store.clean() == 0, "\(place)")
            #expect(try queue.names("log") == [id.text], "\(place)")
        }
    }

    // MARK: Between queues

    private func exported(_ contents: [String], recipients: [Int]) throws -> [UInt8] {
        let queue = try TemporaryQueue()
        let store = try QueueDirectory(queue.path)
        let path = "\(queue.path)/stream"
        let stream = try Directory(queue.path).open("stream", .createNew(mode: 0o600))
        for content in contents {
            let id = try queue.inject(content)
            let message = try #require(try store.claimFree(id, in: .incoming).message)
            try message.export(to: stream.raw, recipients: recipients)
        }
        return try #require(try Path.contents(path))
    }

    private func imported(_ stream: [UInt8], into queue: TemporaryQueue) throws -> [MessageID] {
        try queue.put(stream, at: "service/stream")
        let file = try Directory("\(queue.path)/service").open("stream", .read)
        var source = Import(from: file.raw, into: try QueueDirectory(queue.path))
        var ids: [MessageID] = []
        while case .new(let id)? = try source.next() { ids.append(id) }
        return ids
    }

    @Test("a message that is here is not taken again, though a runner has it locked")
    func present() throws {
        let stream = try exported(["hello\n"], recipients: [1])
        let queue = try TemporaryQueue()
        let ids = try imported(stream, into: queue)
        let store = try QueueDirectory(queue.path)
        #expect(try imported(stream, into: queue) == [])
        let message = try #require(try store.claimFree(ids[0], in: .incoming).message)
        #expect(try imported(stream, into: queue) == [])
        #expect(try queue.names("incoming") == [ids[0].text])
        try store.move(message, to: .hold)
        #expect(try imported(stream, into: queue) == [])
        #expect(try queue.names("incoming") == [] && queue.names("hold") == [ids[0].text])
        #expect(message.place == .hold)
    }

    @Test("a stream of messages is taken over, with the recipients that are left, and their times")
    func roundTrip() throws {
        let contents = ["", "hello\n", String(repeating: "a line of text\n", count: 20_000), "x\n"]
        let stream = try exported(contents, recipients: [2])
        let queue = try TemporaryQueue()
        let ids = try imported(stream, into: queue)
        #expect(ids.count == contents.count)
        let store = try QueueDirectory(queue.path)
        for (id, content) in zip(ids, contents) {
            let message = try #require(try store.claimFree(id, in: .incoming).message)
            #expect(try message.front(upTo: .max).elementsEqual(content.utf8))
            #expect(message.envelope.recipients == [TemporaryQueue.envelope.recipients[1]])
            #expect(message.envelope.parameters == TemporaryQueue.envelope.parameters)
            #expect(id.arrival == message.arrival)
        }
    }

    @Test("wherever a stream is cut or damaged, what is whole before it is taken, and nothing else")
    func damage() throws {
        let stream = try exported(
            ["hello, this is the first\n", "and this the second\n"], recipients: [1, 2])
        let first = try #require((0..<stream.count).first { stream[$0...].starts(with: "\nend ".utf8) })
        let end = 1 + first + 68
        for length in 0..<stream.count {
            let queue = try TemporaryQueue()
            let isWhole = length == 0 || length == end
            if isWhole {
                #expect(try imported(Array(stream[..<length]), into: queue).count == (length == 0 ? 0 : 1))
            } else {
                #expect(throws: QueueError.self) { try imported(Array(stream[..<length]), into: queue) }
            }
            #expect(try queue.names("incoming").count == (length < end ? 0 : 1), "cut to \(length)")
        }
        for index in 0..<end {
            let queue = try TemporaryQueue()
            var damaged = stream
            damaged[index] ^= 1
            #expect(throws: QueueError.self) { try imported(damaged, into: queue) }
            #expect(try queue.names("incoming") == [], "damage at \(index)")
        }
    }
}
