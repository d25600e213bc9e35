import Program
import Queue
import TemporaryPlaces
import Unix

/// A private queue with its configuration, which goes away with its owner.
final class TemporaryHost {
    let directory: TemporaryDirectory
    var path: String { directory.path }
    let source: ConfigurationSource
    let queue: QueueDirectory

    var configuration: Configuration { source.current }

    init() throws {
        directory = try TemporaryDirectory(inMemory: true)
        let path = directory.path
        try directory.makeDirectories("queue")
        try directory.makeQueue(in: "queue")
        try directory.write(
            "relais.conf",
            """
            hostname = host.example
            local-domains = host.example
            aliases-file =
            queue-directory = \(path)/queue
            service-directory = \(path)/queue/service
            log = \(path)/log

            """)
        source = try ConfigurationSource("\(path)/relais.conf")
        queue = try QueueDirectory("\(path)/queue")
    }

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

    func log() throws -> String { try directory.read("log") ?? "" }
}

extension ClaimedMessage {
    func string() throws -> String { String(decoding: try front(upTo: .max), as: UTF8.self) }
}
