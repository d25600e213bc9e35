import Bytes
import Testing
import Unix

@testable import Queue

@Suite("Looking at the queue without a lock")
struct LookingTests {
    @Test("a message is found where it is, and its history is that of its own file")
    func finding() throws {
        let queue = try TemporaryQueue()
        let id = try queue.inject("hello\n")
        let store = try QueueDirectory(queue.path)
        let message = try #require(try store.claimFree(id, in: .incoming).message)
        try store.postpone(message, until: Time(seconds: 4_000_000_000), now: .now())
        let seen = try #require(try store.find(id))
        #expect(seen.place == .deferred(minute: 4_000_000_000 / 60))
        #expect(seen.inode == message.inode && seen.envelope == TemporaryQueue.envelope)
        #expect(try store.history(of: seen).isEmpty)
        let line = "\n5 1 Z 4.0.0 9 later\ntorn"
        try queue.put(
            Array("message \(seen.inode) \(seen.arrival.microseconds)\(line)".utf8), at: "log/\(id)")
        #expect(try store.history(of: seen).map(\.text) == ["later"])
        try queue.put(Array("message 1 \(seen.arrival.microseconds)\(line)".utf8), at: "log/\(id)")
        #expect(try store.history(of: seen).isEmpty)
        #expect(try store.find(MessageID.new(at: .now())) == nil)
    }

    @Test(
        "what is no message of ours is not shown",
        arguments: [
            "", "relais-message 1\n", "relais-message 2\nid x\n\n", String(repeating: "a", count: 70000),
        ])
    func strangers(content: String) throws {
        let queue = try TemporaryQueue()
        let id = MessageID.new(at: .now())
        try queue.put(Array(content.utf8), at: "incoming/\(id)")
        #expect(try QueueDirectory(queue.path).find(id) == nil)
    }

    @Test("a head that is larger than the first read is read on")
    func large() throws {
        let queue = try TemporaryQueue()
        let recipients = (0..<2000).map { Envelope.Recipient(Array("user\($0)@example.org".utf8)) }
        let injection = try Injection(
            queue: queue.path, envelope: Envelope(reversePath: [], recipients: recipients))
        try injection.append(Array("x\n".utf8))
        try injection.commit(kick: nil)
        let seen = try #require(try QueueDirectory(queue.path).find(injection.id))
        #expect(seen.envelope.recipients.count == 2000)
    }

    @Test(
        "a runner's sign is a process and a time",
        arguments: [
            ("12 1795459200\n", 12), ("12 1795459200", 12), ("", nil), ("12\n", nil), ("x 1\n", nil),
            ("12 1 2\n", nil), ("-1 2\n", nil),
        ] as [(String, Int32?)])
    func signs(text: String, process: Int32?) {
        let sign = RunnerSign(host: "h", text: Array(text.utf8), inode: 1)
        #expect(sign?.process == process)
    }

    @Test("a runner's sign says which deliverers cannot be had, in one line each")
    func troubles() {
        for (local, remote) in [(nil, nil), ("no line", nil), (nil, "gone"), ("a", "b c")]
            as [(String?, String?)]
        {
            let written = RunnerSign(lastSign: Time(seconds: 5), localTrouble: local, remoteTrouble: remote)
            let read = RunnerSign(host: "h", text: written.encoded, inode: 1)
            #expect(read?.localTrouble == local && read?.remoteTrouble == remote)
            #expect(read?.process == Identity.process && read?.lastSign == Time(seconds: 5))
        }
        let long = RunnerSign(
            lastSign: Time(seconds: 5), localTrouble: "two\nlines",
            remoteTrouble: String(repeating: "x", count: 5000))
        #expect(long.encoded.count <= RunnerSign.longest)
        #expect(RunnerSign(host: "h", text: long.encoded, inode: 1)?.localTrouble == "twolines")
    }

    @Test("each host's runner leaves its own sign, and one of this host without its lock is not at work")
    func hosts() throws {
        let queue = try TemporaryQueue()
        let root = try Directory(queue.path)
        let now = Time.now()
        try root.open("runner.\(Host.bareName)", .createNew(mode: 0o600)).write(
            Array("\(Identity.process) \(now.seconds)\n".utf8))
        try root.open("runner.zz-other", .createNew(mode: 0o600)).write(Array("1 \(now.seconds)\n".utf8))
        let store = try QueueDirectory(queue.path)
        let signs = try store.runnerSigns()
        #expect(signs.map(\.host) == [Host.bareName, "zz-other"])
        #expect(!signs[0].isAtWork(at: now) && signs[1].isAtWork(at: now))
        #expect(!signs[1].isAtWork(at: now + .seconds(61)))
    }
}
