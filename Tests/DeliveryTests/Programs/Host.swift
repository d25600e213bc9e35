import Bytes
import Jobs
import Mail
import TemporaryPlaces
import Testing
import Unix

/// The programs that this build made.
enum BuiltProgram {
    static func path(_ name: String) throws -> String {
        let bundle = try #require(CommandLine.arguments.first { $0.contains(".xctest") })
        let directory = bundle.split(separator: "/").prefix { !$0.hasSuffix(".xctest") }
        return "/" + directory.joined(separator: "/") + "/" + name
    }

    /// Runs a program to its end, with `input` from a file.
    static func run(
        _ path: String, _ arguments: [String], input: String = "", environment: [String] = []
    ) throws -> (status: ChildProcess.Status, output: String) {
        let directory = try TemporaryDirectory()
        let file = try Path.openForReading(try directory.write("input", input))
        let output = try Directory(directory.path).open("output", .createNew(mode: 0o600))
        let child = try ChildProcess.start(
            path, arguments: [path] + arguments, environment: environment, input: file.raw,
            output: output.raw, error: output.raw)
        let status = try child.wait(until: .after(.seconds(60)))
        if status == nil { child.end() }
        let bytes = try output.read(upTo: 1 << 20, at: 0)
        return (try #require(status), String(decoding: bytes, as: UTF8.self))
    }
}

/// A host of its own: passwd, group, aliases, relais.conf, homes and a mail spool in one directory, and a
/// private mount namespace in which the programs see them. Needs root.
final class TestHost {
    static let isPossible = Identity.isRoot

    let directory: TemporaryDirectory
    var path: String { directory.path }

    init(_ settings: String = "", aliases: String = "") throws {
        directory = try TemporaryDirectory()
        let accounts = [("bob", 2001), ("carol", 2002), ("relaisa", 801), ("relaisq", 802), ("daemon", 1)]
        var passwd = "root:x:0:0:root:/root:/bin/sh\n"
        var group = "root:x:0:\nmail:x:8:\nfriends:x:2100:bob\n"
        for (name, id) in accounts {
            passwd += "\(name):x:\(id):\(id):\(name):\(directory.path)/\(name):/bin/sh\n"
            group += "\(name):x:\(id):\n"
        }
        try directory.write("passwd", passwd)
        try directory.write("group", group)
        try directory.write("aliases", aliases)
        try directory.write(
            "relais.conf",
            """
            hostname = mx.example.org
            local-domains = example.org
            aliases-file = \(directory.path)/aliases
            queue-directory = \(directory.path)/queue
            log = \(directory.path)/log
            \(settings)
            """)
        let root = try Directory(directory.path)
        for (name, id) in accounts.prefix(3) {
            try root.makeDirectory(name, mode: 0o755)
            let home = try Directory(name, in: root)
            try home.descriptor.setMode(0o755)
            try home.descriptor.setOwner(user: UInt32(id), group: UInt32(id))
        }
        try root.makeDirectory("spool", mode: 0o755)
        let spool = try Directory("spool", in: root)
        try spool.descriptor.setOwner(user: 0, group: 8)
        try spool.descriptor.setMode(0o2775)
    }

    /// Writes a file that belongs to a user.
    func write(_ name: String, _ text: String, owner: UInt32, mode: UInt32 = 0o644) throws {
        try directory.write(name, text, mode: mode)
        let (parent, last) = Path.split("\(path)/\(name)")
        try Directory(parent).open(last, .read).setOwner(user: owner, group: owner)
    }

    func shell(_ script: String) throws {
        let (_, status) = try ChildProcess.output(
            of: "/bin/sh", arguments: ["sh", "-ec", "cd \(path); \(script)"])
        try #require(status == .exited(0), "\(script)")
    }

    func read(_ name: String) throws -> String? {
        try Path.contents("\(path)/\(name)").map { String(decoding: $0, as: UTF8.self) }
    }

    /// All messages in a Maildir's new/.
    func maildir(_ user: String) throws -> [String] {
        guard try Path.status("\(path)/\(user)/Maildir/new") != nil else { return [] }
        return try Directory("\(path)/\(user)/Maildir/new").names().sorted().compactMap {
            try read("\(user)/Maildir/new/\($0)")
        }
    }

    /// Starts a program inside the host.
    func start(
        _ program: String, _ arguments: [String], input: CInt, output: CInt, environment: [String] = []
    ) throws -> ChildProcess {
        let script =
            "mount --bind \(path)/passwd /etc/passwd && mount --bind \(path)/group /etc/group && exec \"$@\""
        return try ChildProcess.start(
            "/usr/bin/unshare",
            arguments: ["unshare", "-m", "sh", "-c", script, "sh", try BuiltProgram.path(program)]
                + arguments, environment: ["PATH=/usr/bin:/bin:/usr/sbin:/sbin"] + environment,
            input: input, output: output, error: 2)
    }

    /// Hands jobs to local-deliver as the queue-runner does; what it reported, and how it ended.
    func deliver(
        _ messages: [(sender: String, recipients: [String], text: String)], parameters: String = "",
        environment: [String] = []
    ) throws -> (reports: [Report], outstanding: Int, status: ChildProcess.Status) {
        let pair = try DescriptorPair.sockets()
        let child = try start(
            "local-deliver", ["--service", "-C", "\(path)/relais.conf"], input: pair.second.raw, output: 1,
            environment: environment)
        let sender = JobSender(adopting: pair.keepFirst())
        var random = Randomness()
        for (number, message) in messages.enumerated() {
            let head = "to <somebody else>\n\n"
            // What stands on top is behind the content in the file.
            let top = message.text.prefix { $0 != "\n" } + "\n"
            let content = message.text.dropFirst(top.count)
            let file = try Path.openForReading(
                try directory.write("message\(number)", head + content + top + "end", mode: 0o600))
            try? sender.send(
                Job(
                    id: Array("id\(random.next())".utf8), arrival: .now(),
                    reversePath: Array(message.sender.utf8),
                    destination: .local([UInt8]("x")), contentOffset: head.utf8.count,
                    contentLength: content.utf8.count, topLength: top.utf8.count,
                    recipients: message.recipients.enumerated().map {
                        Job.Recipient(
                            address: Array($0.element.utf8), parameters: Array(parameters.utf8),
                            index: $0.offset)
                    }), file: file)
        }
        try? sender.endBatch()
        var reports: [Report] = []
        while true {
            let progress = sender.receive()
            reports += progress.reports
            if progress.isOver { break }
        }
        return (reports, sender.outstanding.count, try child.wait())
    }

    /// One message to one recipient.
    func deliver(
        to recipient: String, _ text: String = "Subject: x\n\nbody\n", parameters: String = ""
    ) throws -> Report {
        let (reports, _, status) = try deliver(
            [("ann@example.net", [recipient], text)], parameters: parameters)
        #expect(status == .exited(0))
        return try #require(reports.first)
    }
}

extension Report {
    /// `K 2.0.0 text`
    var shown: String {
        "\(Unicode.Scalar(verdict.rawValue)) \(status) \(String(decoding: text, as: UTF8.self))"
    }
}
