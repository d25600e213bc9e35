import Bytes
import Jobs
import Program
import Queue
import TemporaryPlaces
import Testing
import Unix

@testable import Running

/// A private queue that goes away with its owner, and what a runner needs to work there.
final class TemporaryQueue {
    private let directory: TemporaryDirectory
    var path: String { directory.path }
    let queue: QueueDirectory
    let world = World()
    private var kicks: CInt = -1

    init(_ keys: [String: String] = [:]) throws {
        directory = try TemporaryDirectory(inMemory: true)
        try directory.makeQueue()
        queue = try QueueDirectory(directory.path)
        try configure(keys)
    }

    deinit { if kicks >= 0 { _ = Descriptor(adopting: kicks) } }

    // MARK: Mail

    /// Puts a message into `incoming/`, now. A recipient's parameters stand behind a space.
    @discardableResult
    func inject(
        from sender: String = "ann@example.org", parameters: String = "", to recipients: String...,
        content: String = "Subject: x\n\nx\n", arrived age: Duration = .zero
    ) throws -> MessageID {
        try inject(
            from: sender, parameters: parameters, to: recipients, content: content, arrived: age)
    }

    @discardableResult
    func inject(
        from sender: String = "ann@example.org", parameters: String = "", to recipients: [String],
        content: String = "Subject: x\n\nx\n", arrived age: Duration = .zero
    ) throws -> MessageID {
        let envelope = Envelope(
            reversePath: Array(sender.utf8), parameters: Array(parameters.utf8),
            recipients: recipients.map { recipient in
                let words = recipient.split(separator: " ", maxSplits: 1).map { Array($0.utf8) }
                return Envelope.Recipient(words[0], parameters: words.count > 1 ? words[1] : [])
            })
        // One behind the other, as their ids are.
        world.goOn(.microseconds(1))
        let injection = try Injection(queue: path, envelope: envelope, arrival: world.now + (.zero - age))
        try injection.append(Array(content.utf8))
        try injection.commit(kick: nil)
        return injection.id
    }

    /// Names in a place of the queue; those of buckets with the bucket.
    func names(_ place: String) throws -> [String] {
        let names = try Directory("\(path)/\(place)").names().sorted()
        guard place == "deferred" || place == "trash" else { return names }
        return try names.flatMap { bucket in
            try Directory("\(path)/\(place)/\(bucket)").names().sorted().map { "\(bucket)/\($0)" }
        }
    }

    /// The queue without a message, and without what would only be a trace of one.
    var isEmpty: Bool {
        get throws {
            try ["incoming", "deferred", "log", "hold", "trash", "corrupt"].allSatisfy {
                try names($0).isEmpty
            }
        }
    }

    /// The one message of that place.
    func only(_ place: Place) throws -> ClaimedMessage {
        let ids = try queue.names(in: place).ids
        try #require(ids.count == 1)
        return try #require(try claim(ids[0], in: place))
    }

    /// The bucket of the minute that begins `minutes` from now.
    func bucket(in minutes: Int64) -> Place { .deferred(minute: world.now.seconds / 60 + minutes) }

    func claim(_ id: MessageID, in place: Place = .incoming) throws -> ClaimedMessage? {
        if case .claimed(let message) = try queue.claim(id, in: place) { message } else { nil }
    }

    /// What a message's log says, without the times: `1 Z 4.2.0 said so`.
    func history(of id: MessageID) throws -> [String] {
        guard let text = try Path.contents("\(path)/log/\(id)") else { return [] }
        return text.split(separator: .lf).dropFirst().map { line in
            let fields = line.split(separator: .space, maxSplits: 5, omittingEmptySubsequences: false)
            return [1, 2, 3, 5].map { String(decoding: fields[$0], as: UTF8.self) }.joined(separator: " ")
        }
    }

    /// A file of the queue's.
    func bytes(_ name: String) throws -> [UInt8] { try Path.contents("\(path)/\(name)") ?? [] }

    func content(of message: ClaimedMessage) throws -> String {
        String(decoding: try message.front(upTo: 1 << 20), as: UTF8.self)
    }

    /// What is known of a destination that fails.
    func failing(_ domain: String) -> FailingDestination? {
        DestinationMemory(queue: path)[Array(domain.utf8)]
    }

    // MARK: A runner

    /// Writes relais.conf.
    func configure(_ keys: [String: String]) throws {
        var all = [
            "hostname": "mx.example.org", "local-domains": "example.org", "queue-directory": path,
            "log": "\(path)/log.txt", "retry-intervals": "5m 15m 1h", "queue-lifetime": "5d",
            "aliases-file": "\(path)/aliases",
        ]
        all.merge(keys) { $1 }
        let text = all.sorted { $0.key < $1.key }.map { "\($0.key) = \($0.value)\n" }.joined()
        // At one stroke, and another file each time.
        let root = try Directory(path)
        let file = try root.open("new.conf", .createNew(mode: 0o600))
        try file.write(Array(text.utf8))
        try root.replace("relais.conf", with: "new.conf")
    }

    func runner(_ mode: Runner.Mode = .once, kicks: CInt? = nil, knocks: [[UInt8]] = []) throws -> Runner {
        let source = try ConfigurationSource("\(path)/relais.conf")
        return Runner(
            source, queue: try QueueDirectory(path), lock: try RunnerLock.wait(path),
            log: source.current.openLog("queue-runner"),
            mode: mode, kicks: kicks, knocks: knocks, activity: Activity(isVerbose: false), clock: world,
            deliverers: world)
    }

    /// A socket for knocks, at `kick`.
    func listen() throws -> CInt {
        kicks = try ServiceSocket.listenForKicks("\(path)/kick").release()
        return kicks
    }

    /// One run until nothing due is left.
    func run() throws {
        try runner().run()
        try world.check()
    }

    /// What was logged, a line an entry, without what stands before the text.
    var log: [String] { directory.logged("log.txt") }

    /// The lines of the log that have all of these words in them.
    func logged(_ words: String...) -> [String] {
        log.filter { line in words.allSatisfy { line.contains($0) } }
    }
}
