import Bytes
package import Unix

/// The sign of life that a host's runner leaves in the queue, `runner.HOST`: see queue(5).
package struct RunnerSign: Equatable {
    package let host: String
    package let process: Int32
    package let lastSign: Time
    /// The file's inode: its lock tells whether the runner lives.
    let inode: UInt64

    /// A runner beats every ten seconds; one that has said nothing for so long hangs.
    package static let deadAfter = Duration.seconds(300)

    /// `PID SECONDS`, LF; nil for anything else.
    init?(host: String, text: [UInt8], inode: UInt64) {
        let fields = (text.split(separator: .lf).first ?? []).split(separator: .space)
        guard fields.count == 2, let process = Int32(strictDecimal: fields[0]),
            let seconds = Int64(strictDecimal: fields[1])
        else { return nil }
        self.host = host
        self.process = process
        self.inode = inode
        lastSign = Time(seconds: seconds)
    }

    /// That of this host; nil if no runner ever worked here.
    package static func ofThisHost(in queue: QueueDirectory) throws(QueueError) -> RunnerSign? {
        try queue.runnerSigns().first { $0.host == Host.bareName }
    }

    /// Whether the runner is at work. Of this host the kernel knows; of another, its last sign tells.
    package func isAtWork(at now: Time) -> Bool {
        host == Host.bareName
            ? FileLocks.inodes(lockedBy: process).contains(inode) : now - lastSign < .seconds(60)
    }
}

extension QueueDirectory {
    /// The signs of all hosts, by name.
    package func runnerSigns() throws(QueueError) -> [RunnerSign] {
        var signs: [RunnerSign] = []
        let names = try step(QueueError.scan) { () throws(SystemError) in try root.names() }
        for name in names.sorted() where name.hasPrefix("runner.") {
            do throws(SystemError) {
                guard let file = try root.openIfPresent(name, .read), let text = try file.readAll(limit: 256)
                else { continue }
                let inode = try file.status().inode
                if let sign = RunnerSign(host: String(name.dropFirst(7)), text: text, inode: inode) {
                    signs.append(sign)
                }
            } catch { try passOver(error) }
        }
        return signs
    }

    /// The files that this host's runner has in its hands, by inode.
    package func activeInodes() throws(QueueError) -> Set<UInt64> {
        guard let sign = try RunnerSign.ofThisHost(in: self) else { return [] }
        return FileLocks.inodes(lockedBy: sign.process)
    }
}
