import Bytes
import Queue
import Testing
import Unix

@Suite struct ClaimTests {
    @Test("a claimed message is busy for everybody else, and free again when its owner is gone")
    func busy() throws {
        let queue = try TemporaryQueue()
        let id = try queue.inject("hello\n")
        let store = try QueueDirectory(queue.path)
        do {
            let mine = try #require(try store.claimFree(id, in: .incoming).message)
            #expect(try store.claim(id, in: .incoming).isBusy)
            _ = mine.id
        }
        #expect(try store.claimFree(id, in: .incoming).message != nil)
    }

    @Test("a message moves to its bucket, is found there when due, and ends")
    func life() throws {
        let queue = try TemporaryQueue()
        let id = try queue.inject("hello\n")
        let store = try QueueDirectory(queue.path)
        let now = Time(seconds: 60_000)
        do {
            let message = try #require(try store.claimFree(id, in: .incoming).message)
            try store.postpone(message, until: now + .seconds(300), now: now)
        }
        #expect(try store.names(in: .incoming).ids == [])
        #expect(try store.dueBuckets(at: now + .seconds(240), horizon: .seconds(14400)) == [])
        #expect(try store.dueBuckets(at: now + .seconds(300), horizon: .seconds(14400)) == [1005])
        // Made by a clock that was far ahead: due at once.
        #expect(try store.dueBuckets(at: Time(seconds: 30), horizon: .seconds(14400)) == [1005])
        let place = Place.deferred(minute: 1005)
        let message = try #require(try store.claimFree(id, in: place).message)
        let log = try #require(try MessageLog.open(for: message, in: store, creating: true))
        try log.append([LogEvent(time: now, recipient: 1, kind: .delivered)])
        try store.remove(message, log: log)
        #expect(try queue.names("deferred") == [])
        #expect(try queue.names("log") == [])
        #expect(try store.claimFree(id, in: place).isGone)
    }

    @Test("what a deliverer gets is the file that is locked, not another of its name")
    func replaced() throws {
        let queue = try TemporaryQueue()
        let id = try queue.inject("hello\n")
        let store = try QueueDirectory(queue.path)
        let message = try #require(try store.claimFree(id, in: .incoming).message)
        _ = try store.openForDelivery(message)
        let bytes = try queue.bytes("incoming/\(id)")
        try queue.put(bytes, at: "incoming/\(id)")
        #expect(throws: QueueError.self) { _ = try store.openForDelivery(message) }
    }

    @Test("a bucket is never the current minute or an earlier one")
    func early() throws {
        let queue = try TemporaryQueue()
        let id = try queue.inject("hello\n")
        let store = try QueueDirectory(queue.path)
        let message = try #require(try store.claimFree(id, in: .incoming).message)
        let now = Time(seconds: 60_000)
        try store.postpone(message, until: now, now: now)
        #expect(message.place == .deferred(minute: 1001))
    }

    @Test("every damage to a file is found, and none is delivered")
    func damage() throws {
        let queue = try TemporaryQueue()
        let id = try queue.inject("hello, this is the content\n")
        let store = try QueueDirectory(queue.path)
        let name = "incoming/\(id)"
        var whole = try queue.bytes(name)
        // As if written before the last start of the system.
        let boot = try #require(firstRange(of: "\nboot ", in: whole))
        whole[boot.upperBound] ^= 1
        try queue.put(whole, at: name)
        #expect(try store.claimFree(id, in: .incoming).reason?.contains("CRC") == true)
        for length in stride(from: 0, to: whole.count, by: 7) {
            try queue.put(Array(whole[..<length]), at: name)
            #expect(try store.claimFree(id, in: .incoming).isUnfinished, "cut to \(length)")
        }
        for index in whole.indices {
            var damaged = whole
            damaged[index] = 0
            try queue.put(damaged, at: name)
            #expect(try store.claimFree(id, in: .incoming).message == nil, "zero at \(index)")
        }
    }

    #if DEBUG
        @Test(
            "a message that another process moves while this one is about to lock it is not claimed here",
            arguments: [false, true])
        func movedMeanwhile(isReplaced: Bool) throws {
            var (call, count, races) = (0, 0, 0)
            repeat {
                call += 1
                let queue = try TemporaryQueue()
                let id = try queue.inject("hello\n")
                let bytes = try queue.bytes("incoming/\(id)")
                let (store, other) = (try QueueDirectory(queue.path), try QueueDirectory(queue.path))
                var isMoved = false
                // What does so has the message locked: where this process has it, nothing happens.
                let move = {
                    guard let message = try? other.claim(id, in: .incoming).message else { return }
                    isMoved = (try? other.move(message, to: .hold)) != nil
                    if isReplaced { try? queue.put(bytes, at: "incoming/\(id)") }
                }
                SystemCall.arm(.run(move), at: call)
                let claim = try store.claim(id, in: .incoming)
                count = SystemCall.callCount
                SystemCall.arm(.none, at: 0)
                if let message = claim.message {
                    let named = try Path.status("\(queue.path)/incoming/\(id)")
                    #expect(named?.inode == message.inode, "moved before call \(call)")
                }
                if isMoved, claim.isGone { races += 1 }
            } while call < count
            #expect(races > 0)
        }
    #endif

    private func firstRange(of text: String, in bytes: [UInt8]) -> Range<Int>? {
        let pattern = Array(text.utf8)
        return bytes.indices.first { bytes[$0...].starts(with: pattern) }.map { $0..<$0 + pattern.count }
    }

    @Test("links, FIFOs and directories are never opened as messages")
    func hostile() throws {
        let queue = try TemporaryQueue()
        let store = try QueueDirectory(queue.path)
        let id = try #require(MessageID("0mhzk3vxq7c1p5v0d4x8r2l9"))
        func run(_ arguments: String...) throws {
            _ = try ChildProcess.output(of: "/usr/bin/env", arguments: ["env"] + arguments)
        }
        try run("ln", "-s", "/etc/passwd", "\(queue.path)/incoming/\(id)")
        #expect(try store.claimFree(id, in: .incoming).reason == "is a symbolic link")
        try run("rm", "\(queue.path)/incoming/\(id)")
        try run("mkfifo", "\(queue.path)/incoming/\(id)")
        #expect(try store.claimFree(id, in: .incoming).reason == "is not a regular file")
        try run("rm", "\(queue.path)/incoming/\(id)")
        try run("mkdir", "\(queue.path)/incoming/\(id)")
        #expect(try store.claimFree(id, in: .incoming).reason == "is not a regular file")
        try run("rmdir", "\(queue.path)/incoming/\(id)")
        let other = try queue.inject("x\n")
        try run("ln", "\(queue.path)/incoming/\(other)", "\(queue.path)/service/\(other)")
        #expect(try store.claimFree(other, in: .incoming).reason == "has 2 links")
        try run("touch", "\(queue.path)/incoming/..evil", "\(queue.path)/incoming/UPPER")
        #expect(try store.names(in: .incoming).strange.count == 2)
        try store.setAside(Array("UPPER".utf8), in: .incoming)
        #expect(try queue.names("corrupt") == ["UPPER"])
    }

    @Test("a file that was never finished is removed only when nobody writes it")
    func unfinished() throws {
        let queue = try TemporaryQueue()
        let store = try QueueDirectory(queue.path)
        let id = MessageID.new(at: .now())
        try queue.put(Array("relais-message 1\n".utf8), at: "incoming/\(id)")
        let writer = try Directory("\(queue.path)/incoming").open(id.text, .readWrite)
        #expect(try writer.tryLock())
        try store.removeUnfinished(id, in: .incoming)
        #expect(try queue.names("incoming") == [id.text])
        try writer.unlock()
        try store.removeUnfinished(id, in: .incoming)
        #expect(try queue.names("incoming") == [])
    }
}
