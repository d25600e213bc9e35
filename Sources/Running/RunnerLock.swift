import Bytes
package import Queue
import Unix

/// One delivering runner a host: the lock on its file in the queue. It holds until the process ends. Inside
/// stands its `RunnerSign`.
package final class RunnerLock {
    private let file: Descriptor
    private var nextBeat = Deadline.after(.zero)

    private static let rhythm = Duration.seconds(10)

    private init(_ file: consuming Descriptor) { self.file = file }

    /// Nil when another runner has it.
    package static func take(_ queue: String) throws(QueueError) -> RunnerLock? {
        do throws(SystemError) {
            let file = try Path.openForLocking("\(queue)/runner.\(Host.bareName)")
            guard try file.tryLock() else { return nil }
            try file.truncate(to: 0)
            let lock = RunnerLock(file)
            lock.beat()
            return lock
        } catch { throw .scan(error) }
    }

    /// Says that this runner is at work, once in a while.
    func beat() {
        guard nextBeat.hasPassed else { return }
        nextBeat = .after(Self.rhythm)
        // As long as the one before, so that what stands behind it stays. (There are ten digits of the time.)
        try? file.write(RunnerSign(lastSign: .now()).encoded, at: 0)
    }

    /// Says what is wrong with the deliverers, for who looks at the queue. It stays when this runner ends, and until the
    /// next one begins.
    func note(local: String?, remote: String?) {
        let text = RunnerSign(lastSign: .now(), localTrouble: local, remoteTrouble: remote).encoded
        try? file.write(text, at: 0)
        try? file.truncate(to: text.count)
    }

    /// What is wrong with the runner that has the lock; nil if it is at work.
    package static func trouble(_ queue: QueueDirectory) -> String? {
        guard let sign = (try? RunnerSign.ofThisHost(in: queue)) ?? nil else { return nil }
        let silent = Time.now() - sign.lastSign
        guard silent > RunnerSign.deadAfter else { return nil }
        return "queue-runner \(sign.process) holds the queue and has done nothing for "
            + "\(silent.components.seconds) seconds; if it hangs, kill it"
    }

    /// Waits for it: the other runner looks at the queue before it ends, but may have looked before the
    /// kick that started us.
    package static func wait(_ queue: String) throws(QueueError) -> RunnerLock {
        while true {
            if let lock = try take(queue) { return lock }
            pause(.milliseconds(50))
        }
    }
}
