import Bytes
package import Unix

/// The sign of life that a host's runner leaves in the queue, `runner.HOST`: see queue(5).
package struct RunnerSign: Equatable {
    package let host: String
    package let process: Int32
    package let lastSign: Time
    /// Why there is no deliverer for mail to this host, and to others, since the runner last asked for one.
    package let localTrouble: String?
    package let remoteTrouble: String?
    /// The file's inode: its lock tells whether the runner lives.
    let inode: UInt64

    /// A runner beats every ten seconds; one that has said nothing for so long hangs.
    package static let deadAfter = Duration.seconds(300)

    /// That of this process.
    package init(lastSign: Time, localTrouble: String? = nil, remoteTrouble: String? = nil) {
        host = Host.bareName
        process = Identity.process
        inode = 0
        self.lastSign = lastSign
        self.localTrouble = localTrouble
        self.remoteTrouble = remoteTrouble
    }

    private static let longestTrouble = 1000
    static let longest = 2 * longestTrouble + 256

    package var encoded: [UInt8] {
        var text = Array("\(process) \(lastSign.seconds)\n".utf8)
        for (word, trouble) in [("local", localTrouble), ("remote", remoteTrouble)] {
            guard let trouble else { continue }
            text += Array("\(word) ".utf8)
            text += trouble.utf8.filter { !$0.isControl }.prefix(Self.longestTrouble)
            text.append(.lf)
        }
        return text
    }

    /// `PID SECONDS`, LF, then a line for each deliverer that cannot be had; nil for anything else.
    init?(host: String, text: [UInt8], inode: UInt64) {
        let lines = text.split(separator: .lf)
        let fields = (lines.first ?? []).split(separator: .space)
        func trouble(_ word: String) -> String? {
            let start = Array("\(word) ".utf8)
            return lines.dropFirst().first { $0.starts(with: start) }.map {
                String(decoding: $0.dropFirst(start.count), as: UTF8.self)
            }
        }
        guard fields.count == 2, let process = Int32(strictDecimal: fields[0]),
            let seconds = Int64(strictDecimal: fields[1])
        else { return nil }
        self.host = host
        self.process = process
        self.inode = inode
        localTrouble = trouble("local")
        remoteTrouble = trouble("remote")
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
                guard let file = try root.openIfPresent(name, .read),
                    let text = try file.readAll(limit: RunnerSign.longest)
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
