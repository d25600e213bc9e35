import Bytes
package import Unix

/// The queue as the runner sees it: every move that queue(5) allows, and nothing else.
package final class QueueDirectory {
    package let path: String
    let root: Directory
    let incoming: Directory
    let deferred: Directory
    let log: Directory
    let bootID: String

    /// Opens the queue; fails with EACCES for who may not read it.
    package init(_ path: String) throws(QueueError) {
        do throws(SystemError) {
            root = try Directory(path)
            incoming = try Directory("incoming", in: root)
            deferred = try Directory("deferred", in: root)
            log = try Directory("log", in: root)
            bootID = try Host.bootID()
        } catch { throw .scan(error) }
        self.path = path
    }

    func withDirectory<Result>(
        _ place: Place, _ body: (borrowing Directory) throws(SystemError) -> Result
    ) throws(SystemError) -> Result {
        if place == .incoming { return try body(incoming) }
        let directory = try Directory(place.path, in: root)
        return try body(directory)
    }

    // MARK: Scanning

    /// Names in a place, oldest first, at most `limit`; those that have not the form of an id apart.
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
        } catch {
            if error.code != .noEntry { throw .scan(error) }
        }
        return (ids.sorted(), strange)
    }

    /// All buckets, earliest first.
    package func buckets() throws(QueueError) -> [Int64] {
        try step(QueueError.scan) { () throws(SystemError) in
            try deferred.names().compactMap { Int64(strictDecimal: Array($0.utf8)) }.sorted()
        }
    }

    /// The buckets whose minute has come, or that lie further ahead than any that this clock would make.
    package func dueBuckets(at now: Time, horizon: Duration) throws(QueueError) -> [Int64] {
        let last = (now + horizon).seconds / 60 + 1
        return try buckets().filter { $0 <= now.seconds / 60 || $0 > last }
    }
}
