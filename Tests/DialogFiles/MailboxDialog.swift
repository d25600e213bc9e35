import Bytes
package import Unix

/// A transcript of sessions behind the login, over one user's mailboxes:
///
///     # a comment            mbox             mail is in the mbox ~/inbox, folders are in ~/mail; else in ~/Maildir/
///     not as root            root can do what it is about
///     file NAME              a file of these lines:
///     M: a line of it; \r \n \0 \\ \xHH are escapes
///     $ a command for the shell, in the home (prelude.sh has more words)
///     O: a line of what it says     O~ the same with * for anything
///     client NAME            who speaks from here on; the first need not be named
///     C: sent, CRLF behind it       S: one line of what is answered, exactly       S~ the same with * for anything
///     ...                    lines that do not matter, before the one that follows
///     closed                 the server ended this session
///
/// What the server says first is an answer to nothing, and need not be in the dialog. All else that is said must be.
package struct MailboxDialog: CustomStringConvertible {
    private enum Step {
        case file(name: String, text: [UInt8])
        case shell(command: [UInt8], said: [ExpectedLine])
        case client(String)
        case turn(sent: [UInt8], heard: [ExpectedLine])
        case closed
    }

    package typealias Failure = SystemError

    package let name: String
    package private(set) var isInMbox = false
    package private(set) var isNotForRoot = false
    private var steps: [Step] = []
    private var mistakes: [String] = []
    package var description: String { name }

    package init(_ file: DialogFile) {
        name = file.name
        for line in file.lines where !read(line) { mistakes.append("what is \(line.kind)?") }
    }

    private mutating func read(_ line: DialogFile.Line) -> Bool {
        let text = DialogFile.unescaped(line.text)
        switch line.kind {
        case "#": break
        case "mbox": isInMbox = true
        case "not": isNotForRoot = true
        case "file": steps.append(.file(name: String(decoding: text, as: UTF8.self), text: []))
        case "$": steps.append(.shell(command: line.text, said: []))
        case "client": steps.append(.client(String(decoding: text, as: UTF8.self)))
        case "closed": steps.append(.closed)
        case "M:": return add(toFile: text + [.lf])
        case "C:": send(text + [.cr, .lf])
        case "S:": hear(.exactly(text))
        case "S~": hear(.like(text))
        case "O:": return add(toOutput: .exactly(text))
        case "O~": return add(toOutput: .like(text))
        case "...":
            if case .shell = steps.last { return add(toOutput: .others) }
            hear(.others)
        default: return false
        }
        return true
    }

    private mutating func add(toFile text: [UInt8]) -> Bool {
        guard case .file(let name, let before) = steps.last else { return false }
        steps[steps.count - 1] = .file(name: name, text: before + text)
        return true
    }

    private mutating func add(toOutput line: ExpectedLine) -> Bool {
        guard case .shell(let command, let before) = steps.last else { return false }
        steps[steps.count - 1] = .shell(command: command, said: before + [line])
        return true
    }

    private mutating func send(_ text: [UInt8]) {
        if case .turn(let sent, let heard) = steps.last, heard.isEmpty {
            steps[steps.count - 1] = .turn(sent: sent + text, heard: [])
        } else {
            steps.append(.turn(sent: text, heard: []))
        }
    }

    private mutating func hear(_ line: ExpectedLine) {
        if case .turn(let sent, let heard) = steps.last {
            steps[steps.count - 1] = .turn(sent: sent, heard: heard + [line])
        } else {
            steps.append(.turn(sent: [], heard: [line]))
        }
    }

    /// A session on a server, without a network between.
    package protocol Client: AnyObject {
        var isClosed: Bool { get }
        func send(_ bytes: [UInt8])
        /// All that the server said since this was asked last.
        func heard() -> [UInt8]
    }

    /// Lets it happen in a home of its own, unless it is not for who runs this, with clients for each size of the pieces that
    /// the server gets to see; what was not as it is written.
    package func failures(
        cut: Int, _ connect: (_ home: String, _ isInMbox: Bool) throws(Failure) -> any Client
    ) throws(Failure) -> [String] {
        if isNotForRoot, Identity.effectiveUser == 0 { return [] }
        let home = try DialogHome()
        return play(in: home) { () throws(Failure) in
            PiecewiseClient(try connect(home.path, isInMbox), cut)
        }
    }

    /// Its server sees what is sent in pieces.
    private final class PiecewiseClient: Client {
        private let client: any Client
        private let cut: Int
        var isClosed: Bool { client.isClosed }

        init(_ client: any Client, _ cut: Int) { (self.client, self.cut) = (client, cut) }

        func send(_ bytes: [UInt8]) {
            var rest = bytes[...]
            while !rest.isEmpty, !isClosed {
                client.send(Array(rest.prefix(cut)))
                rest = rest.dropFirst(cut)
            }
        }

        func heard() -> [UInt8] { client.heard() }
    }

    private func play(in home: DialogHome, connect: () throws(Failure) -> any Client) -> [String] {
        var failures = mistakes
        var clients: [String: any Client] = [:]
        var current: (any Client)?
        do throws(SystemError) {
            if !isInMbox { try home.shell(Array("maildir Maildir".utf8)) }
            for step in steps {
                switch step {
                case .file(let name, let text): try home.write(name, text)
                case .shell(let command, let said):
                    let output = try home.shell(command)
                    guard !said.isEmpty else { break }
                    failures += Self.difference(said, output, [.lf]).map { "\(command.escaped()): \($0)" }
                case .client(let name):
                    if clients[name] == nil { clients[name] = try connect() }
                    current = clients[name]
                case .closed:
                    if current?.isClosed != true { failures.append("the session goes on") }
                case .turn(let sent, let heard):
                    let client: any Client
                    if let current { client = current } else { client = try connect() }
                    if current == nil { (current, clients[""]) = (client, client) }
                    failures += Self.turn(client, sent, heard)
                }
            }
        } catch { failures.append("\(error)") }
        return failures.map { "\(name): \($0)" }
    }

    private static func turn(_ client: any Client, _ sent: [UInt8], _ heard: [ExpectedLine]) -> [String] {
        // What was said without being asked is in the dialog, or is the greeting.
        if !sent.isEmpty { _ = client.heard() }
        client.send(sent)
        return difference(heard, client.heard(), [.cr, .lf]).map {
            "\(sent.isEmpty ? "" : sent.escaped() + ": ")\($0)"
        }
    }

    private static func difference(_ lines: [ExpectedLine], _ heard: [UInt8], _ end: [UInt8]) -> [String] {
        ExpectedLine.difference(lines, heard: heard, end: end).map { [$0] } ?? []
    }
}
