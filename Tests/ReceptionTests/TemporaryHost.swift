import Program
import Queue
import Unix

/// A private queue with its configuration, which goes away with its owner.
final class TemporaryHost {
    let path: String
    let source: ConfigurationSource
    let queue: QueueDirectory

    var configuration: Configuration { source.current }

    init() throws {
        var random = Randomness()
        let name = "relais-reception-\(random.next())"
        let parent = try Path.status("/dev/shm") == nil ? "/tmp" : "/dev/shm"
        path = "\(parent)/\(name)"
        try Directory(parent).makeDirectory(name, mode: 0o700)
        let root = try Directory(path)
        try root.makeDirectory("queue", mode: 0o700)
        let spool = try Directory("\(path)/queue")
        for name in ["incoming", "deferred", "log", "hold", "trash", "corrupt", "destinations", "service"] {
            try spool.makeDirectory(name, mode: 0o700)
        }
        try root.open("relais.conf", .createNew(mode: 0o600)).write(
            Array(
                """
                hostname = host.example
                local-domains = host.example
                aliases-file =
                queue-directory = \(path)/queue
                service-directory = \(path)/queue/service
                log = \(path)/log

                """.utf8))
        source = try ConfigurationSource("\(path)/relais.conf")
        queue = try QueueDirectory("\(path)/queue")
    }

    deinit { _ = try? ChildProcess.output(of: "/bin/rm", arguments: ["rm", "-rf", path]) }

    /// The message in `incoming/` for a recipient, claimed; nil if there is none.
    func message(for recipient: String) throws -> ClaimedMessage? {
        var found: MessageID?
        try queue.forEachMessage(in: [.incoming]) { message in
            if message.envelope.recipients[0].address.elementsEqual(recipient.utf8) { found = message.id }
            return found == nil
        }
        guard let found else { return nil }
        let deadline = Deadline.after(.seconds(5))
        while !deadline.hasPassed {
            if case .claimed(let message) = try queue.claim(found, in: .incoming, thoroughly: true) {
                return message
            }
            // Another test's child, between its fork and its exec, may hold a copy of the lock.
            pause(.milliseconds(1))
        }
        return nil
    }

    /// How many messages are in `incoming/`.
    func count() throws -> Int { try queue.names(in: .incoming).ids.count }

    func log() throws -> String { String(decoding: try Path.contents("\(path)/log") ?? [], as: UTF8.self) }
}

extension ClaimedMessage {
    func string() throws -> String { String(decoding: try front(upTo: .max), as: UTF8.self) }
}
