import Queue
import Unix

/// A private queue that goes away with its owner.
final class TemporaryQueue {
    let path: String
    let queue: QueueDirectory

    init() throws {
        var random = Randomness()
        let name = "relais-running-\(random.next())"
        let parent = try Path.status("/dev/shm") == nil ? "/tmp" : "/dev/shm"
        path = "\(parent)/\(name)"
        try Directory(parent).makeDirectory(name, mode: 0o700)
        let root = try Directory(path)
        for name in ["incoming", "deferred", "log", "hold", "trash", "corrupt", "destinations", "service"] {
            try root.makeDirectory(name, mode: 0o700)
        }
        queue = try QueueDirectory(path)
    }

    deinit { _ = try? ChildProcess.output(of: "/bin/rm", arguments: ["rm", "-rf", path]) }

    /// Puts a message into `incoming/`.
    @discardableResult
    func inject(
        from sender: String = "ann@example.org", to recipients: [String],
        _ content: String = "Subject: x\n\nx\n"
    ) throws -> MessageID {
        let envelope = Envelope(
            reversePath: Array(sender.utf8), parameters: [],
            recipients: recipients.map { Envelope.Recipient(Array($0.utf8)) })
        let injection = try Injection(queue: path, envelope: envelope)
        try injection.append(Array(content.utf8))
        try injection.commit(kick: nil)
        return injection.id
    }

    /// A claim that waits while the file is busy: another test may be starting a child, which holds copies of all our
    /// descriptors, locks included, between its fork and its exec.
    func claim(_ id: MessageID, in place: Place = .incoming) throws -> ClaimedMessage? {
        let deadline = Deadline.after(.seconds(5))
        while true {
            switch try queue.claim(id, in: place) {
            case .claimed(let message): return message
            case .busy where !deadline.hasPassed: pause(.milliseconds(1))
            default: return nil
            }
        }
    }
}
