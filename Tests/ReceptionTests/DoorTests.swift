import Bytes
import Jobs
import Front
import Mail
import Program
import Queue
import SMTP
import TemporaryPlaces
import Testing
import Unix

@testable import Reception
@testable import Running
@testable import sendmail_compat
@testable import smtpd

/// What a filter is: this one puts a field on top of each message, of what it knows at its end.
private final class Stamp: Filter {
    private var (subject, lines) = ("", 0)

    func begin(_ origin: Origin) { (subject, lines) = ("", 0) }
    func header(_ header: MessageHeader, of message: IncomingMessage) -> [UInt8]? {
        subject = String(decoding: header.first("Subject")?.value ?? [], as: UTF8.self)
        return nil
    }
    func body(_ part: [UInt8]) { lines += part.count { $0 == .lf } }
    func end(of message: IncomingMessage) -> [UInt8] { Array("X-Stamp: \(subject), \(lines)\n".utf8) }
}

/// Refuses what is said to it.
private final class Guard: Filter {
    let code: Int
    init(_ code: Int) { self.code = code }
    func body(_ part: [UInt8]) throws(Rejection) {
        throw Rejection(code, EnhancedStatus(UInt8(code / 100), 7, 0), "No thanks", cause: "it is guarded")
    }
}

@Suite struct DoorTests {
    private let host: TemporaryHost
    private let log: Log

    init() throws {
        host = try TemporaryHost()
        log = host.configuration.openLog("test")
    }

    private let postmaster = "postmaster@host.example"
    private static let message = "Subject: hi\r\nFrom: a@far.example\r\n\r\none\r\ntwo\r\n"

    /// A whole session: what the server said.
    private func converse(
        _ filters: [any Filter], from address: String = "192.0.2.1", content: String = message
    ) throws -> String {
        let client = Client(IPAddress(address), of: .smtp(hostname: "host.example"), host.configuration)
        let handler = QueueingHandler(host.source, log, client, filters: filters)
        var session = ServerSession(
            .init(hostname: "host.example", sizeLimit: 1 << 20, recipientLimit: 5, offersTLS: false),
            handler: handler)
        let text =
            "EHLO x\r\nMAIL FROM:<a@far.example>\r\nRCPT TO:<\(postmaster)>\r\nDATA\r\n\(content).\r\nQUIT\r\n"
        var input = Array(text.utf8)[...]
        var said: [UInt8] = []
        while true {
            let step = session.step(input)
            input = input.dropFirst(step.consumed)
            said += step.output
            if case .close = step.next { break }
            if step.consumed == 0, input.isEmpty { break }
        }
        handler.announce()
        return String(decoding: said, as: UTF8.self)
    }

    private func submit(_ filters: [any Filter], _ content: String) throws {
        let file = try Directory("/tmp").openScratch()
        try file.write(Array(content.utf8))
        try file.seek(to: 0)
        let invocation = try Invocation(
            name: "sendmail", ["-i", "-f", "a@far.example", "b@there.example"].map { Array($0.utf8) })
        var submission = Submission(invocation, host.configuration, reading: file.raw, through: filters)
        #expect(submission.run() == .ok)
    }

    @Test("a filter adds a field on top of what comes by SMTP, by sendmail, and by a forward")
    func filtered() throws {
        let said = try converse([Stamp()])
        #expect(said.contains("250 2.0.0 Ok: queued as"))
        let first = try #require(try host.message(for: postmaster))
        #expect(try first.string().hasPrefix("X-Stamp: hi, 2\nReceived: from "))
        #expect(try first.string().hasSuffix("Subject: hi\nFrom: a@far.example\n\none\ntwo\n"))

        // A forward of it: the stamp of its own stands above what the first message has.
        let work = Work(first, log: nil, at: .now())
        let settlement = Settlement(
            host.configuration, queue: host.queue, log: log, activity: Activity(isVerbose: false),
            filters: [Stamp()])
        settlement.forward(
            Report(
                job: 0, recipient: 1, .forwarded, EnhancedStatus(2, 1, 5), "forwarded".utf8,
                forward: Report.Forward(
                    copies: [.init(recipients: [Successor(Array("c@there.example".utf8), .open)])],
                    header: Array("Delivered-To: postmaster@host.example\n".utf8))),
            of: work)
        let copy = try #require(
            try host.message(for: "c@there.example"))
        let text = try copy.string()
        #expect(
            text.hasPrefix(
                "X-Stamp: hi, 2\nDelivered-To: postmaster@host.example\nX-Stamp: hi, 2\nReceived: from "))
        #expect(try text.hasSuffix(first.string()))

        try submit([Stamp()], "Subject: by hand\n\none line\n")
        let handed = try #require(
            try host.message(for: "b@there.example"))
        #expect(try handed.string().hasPrefix("X-Stamp: by hand, 1\nReceived: by host.example"))
        // What the door adds to the header is there, too.
        #expect(try handed.string().contains("\nMessage-ID: <"))
    }

    @Test(
        "what a filter refuses is answered with its words, and nothing of it is in the queue",
        arguments: [451, 550])
    func refused(code: Int) throws {
        let said = try converse([Guard(code)])
        #expect(said.contains("\r\n\(code) \(code / 100).7.0 No thanks\r\n"))
        #expect(try host.count() == 0)
        #expect(try host.log().contains("refused: it is guarded"))
    }

    @Test("a forward that a filter refuses is tried again, or has failed", arguments: [451, 550])
    func refusedForward(code: Int) throws {
        _ = try converse([])
        let work = Work(try #require(try host.message(for: postmaster)), log: nil, at: .now())
        let settlement = Settlement(
            host.configuration, queue: host.queue, log: log, activity: Activity(isVerbose: false),
            filters: [Guard(code)])
        settlement.forward(
            Report(
                job: 0, recipient: 1, .forwarded, EnhancedStatus(2, 1, 5), "forwarded".utf8,
                forward: Report.Forward(
                    copies: [.init(recipients: [Successor(Array("c@there.example".utf8), .open)])])),
            of: work)
        let state = try #require(work.states[1])
        #expect(state.kind == (code == 451 ? .deferred : .failed) && state.status == "\(code / 100).7.0")
        #expect(try host.queue.names(in: .incoming).ids == [work.message.id])
    }

    @Test("a hundred hops are a loop, whoever sends; what our own clients leave out is added")
    func doors() throws {
        let hops = String(repeating: "Received: x\r\n", count: 100)
        for address in ["192.0.2.1", "127.0.0.1"] {
            #expect(
                try converse([], from: address, content: hops + "\r\nx\r\n").contains(
                    "\r\n554 5.4.6 Too many hops"))
        }
        #expect(try host.count() == 0)
        _ = try converse([], from: "127.0.0.1", content: "Subject: x\r\n\r\nx\r\n")
        let message = try #require(try host.message(for: postmaster))
        #expect(try message.string().contains("\nMessage-ID: <\(message.id)@host.example>\n"))
    }

    @Test(
        "mail is refused for now where the queue's disk is full, a warning, or cannot be looked at, an error")
    func space() throws {
        try Path.openForAppending("\(host.path)/relais.conf").write(
            Array("minimum-free-space = 1000000G\n".utf8))
        #expect(try converse([]).contains("\r\n452 4.3.1 Insufficient system storage\r\n"))
        #expect(try host.log().contains(": warning: not enough free space in \(host.path)/queue: "))
        _ = try ChildProcess.output(of: "/bin/rmdir", arguments: ["rmdir", "\(host.path)/queue/incoming"])
        #expect(try converse([]).contains("\r\n451 4.3.0 Local problem, try again later\r\n"))
        #expect(try host.log().contains(": error: statvfs \(host.path)/queue/incoming: "))
    }

    @Test("a file that was ready for a message is not used where the configuration has another queue by then")
    func movedQueue() throws {
        let client = Client(nil, of: .smtp(hostname: "host.example"), host.configuration)
        let handler = QueueingHandler(host.source, log, client)
        let other = try TemporaryHost()
        var session = ServerSession(
            .init(hostname: "host.example", sizeLimit: 1 << 20, recipientLimit: 5, offersTLS: false),
            handler: handler)
        func say(_ text: String) -> String {
            var input = Array(text.utf8)[...]
            var said: [UInt8] = []
            while !input.isEmpty {
                let step = session.step(input)
                input = input.dropFirst(step.consumed)
                said += step.output
            }
            return String(decoding: said, as: UTF8.self)
        }
        let envelope = "MAIL FROM:<a@far.example>\r\nRCPT TO:<\(postmaster)>\r\n"
        _ = say("EHLO x\r\n\(envelope)")
        session.rest()
        let moved = try #require(try other.directory.read("relais.conf"))
        try host.directory.write("new.conf", moved)
        try Directory(host.path).replace("relais.conf", with: "new.conf")
        #expect(say("RSET\r\n\(envelope)DATA\r\nSubject: x\r\n\r\nx\r\n.\r\n").contains("queued as"))
        #expect(try host.count() == 0 && other.count() == 1)
    }
}
