import Queue
import Unix

/// One delivering runner a host: the lock on its file in the queue, with who has it written inside. It holds
/// until the process ends.
final class RunnerLock {
    private let file: Descriptor

    private init(_ file: consuming Descriptor) { self.file = file }

    /// Nil when another runner has it.
    static func take(_ queue: String) throws(QueueError) -> RunnerLock? {
        do throws(SystemError) {
            let file = try Path.openForLocking("\(queue)/runner.\(Host.name())")
            guard try file.tryLock() else { return nil }
            try file.truncate(to: 0)
            try file.write(Array("\(Identity.process)\n".utf8), at: 0)
            return RunnerLock(file)
        } catch { throw .scan(error) }
    }

    /// Waits for it: the other runner looks at the queue before it ends, but may have looked before the
    /// kick that started us.
    static func wait(_ queue: String) throws(QueueError) -> RunnerLock {
        while true {
            if let lock = try take(queue) { return lock }
            pause(.milliseconds(50))
        }
    }
}
