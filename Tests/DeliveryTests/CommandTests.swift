import Accounts
import Bytes
import Mail
import TemporaryPlaces
import Testing
import Unix

@testable import Delivery
@testable import Jobs

@Suite final class CommandTests {
    let directory: TemporaryDirectory
    let message: Descriptor

    static let text = "Subject: x\n\nbody\n"

    init() throws {
        StandardDescriptors.ignoreBrokenPipes()
        directory = try TemporaryDirectory()
        // The content stands behind what belongs to others.
        let path = try directory.write("message", "to <secret@example.org>\n\n\(Self.text)trailer")
        message = try Path.openForReading(path)
    }

    private var content: Extents {
        Extents(file: message.raw, offset: 25, count: Self.text.utf8.count)
    }

    private func run(_ text: String, limit: Duration = .seconds(20)) -> ShellCommand.Result {
        ShellCommand(Array(text.utf8), environment: ["PATH=/bin:/usr/bin", "A=b"], timeLimit: limit)
            .run(prefix: [UInt8]("Delivered-To: bob\n"), content: content)
    }

    @Test("a command reads the prefix and the content, and nothing else")
    func input() {
        let result = run("cat")
        #expect(result.ending == .exited(0))
        #expect(result.output == Array(("Delivered-To: bob\n" + Self.text).utf8))
    }

    static let endings: [(String, Report.Verdict, String, String)] = [
        ("exit 0", .delivered, "2.0.0", "delivered to command"),
        ("true", .delivered, "2.0.0", "delivered to command"),
        ("echo fine", .delivered, "2.0.0", "delivered to command: fine"),
        ("echo no >&2; exit 1", .failed, "5.3.0", "command exited with status 1: no"),
        ("exit 64", .failed, "5.3.0", "command exited with status 64"),
        ("exit 65", .failed, "5.6.0", "command exited with status 65"),
        ("exit 67", .failed, "5.1.1", "command exited with status 67"),
        ("exit 68", .failed, "5.1.2", "command exited with status 68"),
        ("exit 69", .failed, "5.3.0", "command exited with status 69"),
        ("exit 70", .failed, "5.3.0", "command exited with status 70"),
        ("exit 71", .deferred, "4.3.0", "command exited with status 71"),
        ("exit 73", .failed, "5.2.0", "command exited with status 73"),
        ("exit 74", .deferred, "4.3.0", "command exited with status 74"),
        ("exit 75", .deferred, "4.3.0", "command exited with status 75"),
        ("exit 77", .failed, "5.7.0", "command exited with status 77"),
        ("exit 78", .failed, "5.3.5", "command exited with status 78"),
        ("exit 99", .failed, "5.3.0", "command exited with status 99"),
        ("exit 100", .failed, "5.3.0", "command exited with status 100"),
        ("exit 111", .deferred, "4.3.0", "command exited with status 111"),
        ("exit 255", .failed, "5.3.0", "command exited with status 255"),
        ("kill -9 $$", .deferred, "4.3.0", "command died of signal 9"),
        ("kill -15 $$", .deferred, "4.3.0", "command died of signal 15"),
    ]

    @Test("how a command ends says what becomes of the message", arguments: endings)
    func ending(text: String, verdict: Report.Verdict, status: String, said: String) {
        let outcome = run(text).outcome
        #expect(outcome.verdict == verdict)
        #expect(outcome.status.description == status)
        #expect(outcome.text == Array(said.utf8))
    }

    @Test("a command and what it starts have as much processor time as it has time, and cannot have more")
    func processorTime() {
        for seconds in [77, 20, 500] {
            #expect(
                run("ulimit -St; ulimit -Ht", limit: .seconds(seconds)).output
                    == Array("\(seconds)\n\(seconds)\n".utf8))
        }
    }

    @Test("a command that is not there is tried again")
    func missing() {
        #expect(run("/nonexistent/program").outcome.verdict == .deferred)
        #expect(run("relais-no-such-program").outcome.verdict == .deferred)
    }

    @Test("a command sees no file of ours and no variable but those given (T61)")
    func hygiene() throws {
        let leak = try Path.openForReading("/etc/passwd")
        // What the test's own runner left open for everybody is not ours, nor is what ls opens to look.
        let open = String(decoding: run("ls /proc/$$/fd; :").output, as: UTF8.self).split(separator: "\n")
        #expect(open.starts(with: ["0", "1"]))
        #expect(!open.contains("\(leak.raw)") && !open.contains("\(message.raw)"))
        let variables = String(decoding: run("env").output, as: UTF8.self).split(separator: "\n")
        #expect(
            Set(variables).subtracting(["_=/usr/bin/env"]) == [
                "PATH=/bin:/usr/bin", "A=b", "PWD=\(Self.here)",
            ])
        let group = run("ps -o pgid= -p $$ | tr -d ' '; echo $$")
        let ids = String(decoding: group.output, as: UTF8.self).split(separator: "\n")
        #expect(ids.count == 2 && ids[0] == ids[1])
    }

    private static let here: String = {
        let result = try? ChildProcess.output(of: "/bin/pwd", arguments: ["pwd"])
        return String(decoding: result?.0.dropLast() ?? [], as: UTF8.self)
    }()

    @Test("a command that takes too long is ended with all that it started")
    func slow() throws {
        let mark = "\(directory.path)/mark"
        let result = run("(sleep 1; touch \(mark)) & sleep 30", limit: .milliseconds(200))
        #expect(result.ending == .timedOut)
        #expect(result.outcome.verdict == .deferred)
        pause(.milliseconds(1300))
        #expect(try Path.status(mark) == nil)
    }

    @Test("what a command leaves running is not waited for")
    func background() {
        let result = run("sleep 30 & echo started")
        #expect(result.ending == .exited(0))
        #expect(result.output == [UInt8]("started\n"))
    }

    @Test("a command need not read its input, nor stop talking")
    func streams() throws {
        let path = try directory.write("large", String(repeating: "0123456789abcde\n", count: 65536))
        let file = try Path.openForReading(path)
        let large = Extents(file: file.raw, count: 1 << 20)
        func run(_ text: String) -> ShellCommand.Result {
            ShellCommand(Array(text.utf8), environment: ["PATH=/bin:/usr/bin"], timeLimit: .seconds(20))
                .run(prefix: [], content: large)
        }
        #expect(run("exit 0").ending == .exited(0))
        #expect(run("exec <&-; exit 3").ending == .exited(3))
        #expect(run("cat").output.count == ShellCommand.longestOutput)
        #expect(run("wc -c | tr -d ' '").output == [UInt8]("1048576\n"))
        #expect(run("yes | head -c 3000000; cat >/dev/null").ending == .exited(0))
    }

    @Test("a message that is shorter than its job says is never given out as whole (T82)")
    func short() throws {
        let mark = "\(directory.path)/copy"
        let long = Extents(file: message.raw, offset: 25, count: 4096)
        let result = ShellCommand(
            [UInt8]("cat >/dev/null && touch \(mark)".utf8), environment: [], timeLimit: .seconds(9)
        )
        .run(prefix: [], content: long)
        guard case .failed = result.ending else {
            Issue.record("\(result)")
            return
        }
        #expect(result.outcome.verdict == .deferred)
        #expect(try Path.status(mark) == nil)
    }

    @Test("what strangers wrote is harmless in the environment (T60)")
    func environment() throws {
        let passwd = try directory.write("passwd", "bob:x:1000:1000:Bob:/home/bob:/bin/bash\n")
        let bob = try #require(try SystemAccounts(passwd: passwd).account(named: "bob"))
        let variables = CommandEnvironment.variables(
            account: bob, sender: Array("() { :; }; touch /tmp/x\n".utf8), recipient: [UInt8]("bob+$(id)@x"),
            localPart: [UInt8]("-oQ"), detail: [UInt8]("../`id`"), domain: [UInt8]("x;y|z"))
        #expect(
            variables == [
                "PATH=/usr/local/bin:/usr/bin:/bin", "HOME=/home/bob", "USER=bob", "LOGNAME=bob",
                "SHELL=/bin/sh", "SENDER=_____:_____touch_/tmp/x_", "RECIPIENT=bob+__id_@x", "LOCAL=_oQ",
                "EXTENSION=../_id_", "DOMAIN=x_y_z",
            ])
    }
}

@Suite struct MessageTextTests {
    private func wasDelivered(_ text: String, to address: String = "bob@example.org") throws -> Bool {
        let directory = try TemporaryDirectory()
        let file = try Path.openForReading(try directory.write("m", "XX" + text + "YY"))
        return try Extents(file: file.raw, offset: 2, count: text.utf8.count)
            .wasDelivered(to: Array(address.utf8))
    }

    @Test(
        "a message that was delivered to an address is known by its header",
        arguments: [
            ("Delivered-To: bob@example.org\n\n", true), ("Delivered-To: bob@example.org", true),
            ("delivered-TO:\tBOB@Example.org  \nX: y\n\nb", true),
            ("A: b\nDelivered-To: x@y\nDelivered-To: bob@example.org\nC: d\n\nbody", true),
            ("Delivered-To:\n bob@example.org\n\n", true), ("Delivered-To:\n bob@example.org", true),
            ("Delivered-To: bob@example.org.net\n\n", false), ("Delivered-To: xbob@example.org\n\n", false),
            ("X: y\n\nDelivered-To: bob@example.org\n\n", false),
            ("X: y\n Delivered-To: bob@example.org\n\n", false),
            ("Delivered-To : bob@example.org\n\n", false), ("", false), ("\n", false), ("X: y", false),
        ])
    func loop(text: String, expected: Bool) throws {
        #expect(try wasDelivered(text) == expected)
    }

    @Test("lines meet the parts that the header is read in at every place")
    func parts() throws {
        for padding in 16340...16400 {
            let text = "X: " + String(repeating: "x", count: padding) + "\nDelivered-To: bob@example.org\n\n"
            #expect(try wasDelivered(text))
        }
    }

    @Test("a header without end costs bounded work")
    func endless() throws {
        #expect(try !wasDelivered(String(repeating: "x", count: 3 << 20)))
        #expect(
            try !wasDelivered(String(repeating: "x: y\n", count: 1 << 19) + "Delivered-To: bob@example.org\n")
        )
    }
}
