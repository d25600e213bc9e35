import Bytes
import Queue
import Testing
import Unix

@testable import Running

@Suite struct RunnerLockTests {
    private static func file(_ queue: TemporaryQueue) -> String { "runner.\(Host.bareName)" }

    @Test("one runner a host has the queue, and who has it stands in the file")
    func one() throws {
        let queue = try TemporaryQueue()
        let lock = try #require(try RunnerLock.take(queue.path))
        #expect(try RunnerLock.take(queue.path) == nil)
        let text = String(decoding: try queue.bytes(Self.file(queue)), as: UTF8.self)
        #expect(text.hasPrefix("\(Identity.process) ") && text.hasSuffix("\n"))
        #expect(RunnerLock.trouble(queue.queue) == nil)
        lock.note(local: "no line", remote: nil)
        #expect(
            String(decoding: try queue.bytes(Self.file(queue)), as: UTF8.self).hasSuffix("\nlocal no line\n"))
        lock.beat()
        #expect(try RunnerSign.ofThisHost(in: queue.queue)?.localTrouble == "no line")
        lock.note(local: nil, remote: nil)
        #expect(try queue.bytes(Self.file(queue)).split(separator: .lf).count == 1)
    }

    @Test(
        "one that has said nothing for five minutes hangs, and is named", arguments: [0, 290, 310, 100_000])
    func hanging(age: Int64) throws {
        let queue = try TemporaryQueue()
        let file = try Directory(queue.path).open(Self.file(queue), .createNew(mode: 0o600))
        try file.write(Array("4711 \(Time.now().seconds - age)\nlocal no line\n".utf8))
        let trouble = RunnerLock.trouble(queue.queue)
        #expect((trouble != nil) == (age > 300))
        #expect(trouble?.contains("queue-runner 4711 holds the queue") ?? true)
    }

    @Test(
        "what is no sign of a runner says nothing of one", arguments: ["", "x\n", "1 2 3\n", "1 -5\n", "1\n"])
    func strange(text: String) throws {
        let queue = try TemporaryQueue()
        #expect(RunnerLock.trouble(queue.queue) == nil)
        try Directory(queue.path).open(Self.file(queue), .createNew(mode: 0o600)).write(Array(text.utf8))
        #expect(RunnerLock.trouble(queue.queue) == nil)
    }
}
