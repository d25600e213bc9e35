import Bytes
package import Unix

/// The queue as the runner sees it: every move that queue(5) allows, and nothing else.
package final class QueueDirectory {
    package let path: String
    let root: Directory
    /// Without a descriptor where it could not be opened.
    private let incoming: Directory
    let log: Directory
    let bootID: String

    /// What could not be read, each once.
    package private(set) var passedOver: [SystemError] = []
    /// Told of each of these. One thing that cannot be read stops one thing: all else goes on.
    package var tellPassedOver: (SystemError) -> Void = { _ in }

    /// Logs of messages that have ended, by name, which could not be removed yet: S8 of queue(5).
    package internal(set) var leftLogs: Set<String> = []

    /// Opens the queue; fails with EACCES for who may not read it. Without `log/` nobody can know who has what.
    package init(_ path: String) throws(QueueError) {
        do throws(SystemError) {
            root = try Directory(path)
            incoming =
                (try? Directory("incoming", in: root))
                ?? Directory(adopting: Descriptor(adopting: -1), path: "\(path)/incoming")
            log = try Directory("log", in: root)
            bootID = try Host.bootID()
        } catch { throw .scan(error) }
        self.path = path
    }

    func withDirectory<Result: ~Copyable>(
        _ place: Place, _ body: (borrowing Directory) throws(SystemError) -> Result
    ) throws(SystemError) -> Result {
        if place == .incoming, incoming.descriptor.raw >= 0 { return try body(incoming) }
        let directory = try Directory(place.path, in: root)
        return try body(directory)
    }

    /// Tells what cannot be read, and goes on; fails where that is not the fault of the one thing.
    func passOver(_ error: SystemError) throws(QueueError) {
        switch error.code {
        case .noEntry: return
        case .accessDenied, .notPermitted, .notDirectory, .isDirectory, .tooManyLinks, .noSuchDevice,
            .inputOutput:
            break
        default: throw .scan(error)
        }
        guard !passedOver.contains(error) else { return }
        passedOver.append(error)
        tellPassedOver(error)
    }

    // MARK: Scanning

    /// Names in a place, oldest first, at most `limit`; those that have not the form of an id apart.
    /// A place that cannot be read is passed over.
    package func names(
        in place: Place, limit: Int = .max
    ) throws(QueueError) -> (ids: [MessageID], strange: [[UInt8]]) {
        var ids: [MessageID] = []
        var strange: [[UInt8]] = []
        do throws(SystemError) {
            try withDirectory(place) { directory throws(SystemError) in
                try directory.forEachName { name in
                    if let id = MessageID(name: name) { ids.append(id) } else { strange.append(name) }
                    return ids.count < limit
                }
            }
        } catch { try passOver(error) }
        return (ids.sorted(), strange)
    }

    /// All buckets, earliest first.
    package func buckets() throws(QueueError) -> [Int64] {
        try namesOfBuckets(in: "deferred").compactMap { Int64(strictDecimal: Array($0.utf8)) }.sorted()
    }

    func namesOfBuckets(in parent: String) throws(QueueError) -> [String] {
        do throws(SystemError) { return try Directory(parent, in: root).names() } catch {
            try passOver(error)
            return []
        }
    }

    /// The buckets whose minute has come, or that lie further ahead than any that this clock would make.
    package func dueBuckets(at now: Time, horizon: Duration) throws(QueueError) -> [Int64] {
        let last = (now + horizon).seconds / 60 + 1
        return try buckets().filter { $0 <= now.seconds / 60 || $0 > last }
    }
}
