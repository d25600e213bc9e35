import Bytes
import TemporaryPlaces
import Testing
import Unix

/// What a command line must be refused with: the exit status; nothing is kept, nothing crashes.
private struct BadLine: Sendable, CustomTestStringConvertible {
    let arguments: [String]
    let status: Int32
    let input: String

    init(_ status: Int32, _ arguments: String..., input: String = "Subject: x\n\nbody\n") {
        (self.status, self.arguments, self.input) = (status, arguments, input)
    }

    var testDescription: String { Array(arguments.joined(separator: " ").utf8).escaped(limit: 80) }
}

private let long = String(repeating: "x", count: 100_000)

@Suite struct SendmailCommandLineTests {
    /// A queue of the test's own, and the configuration that names it.
    private func queue() throws -> TemporaryDirectory {
        let directory = try TemporaryDirectory()
        for name in ["incoming", "service"] {
            try Directory(directory.path).makeDirectory(name, mode: 0o755)
        }
        try directory.write(
            "conf",
            """
            hostname = mx.example.org
            queue-directory = \(directory.path)
            aliases-file = \(directory.path)/aliases
            message-size-limit = 5M
            """)
        return directory
    }

    private static let table: [BadLine] = [
        // Nobody to send to.
        BadLine(64), BadLine(64, "-i"), BadLine(64, "--"), BadLine(64, "-f", "a@b"), BadLine(64, "-v", "-oi"),
        BadLine(65, "-t"), BadLine(65, "-t", input: ""), BadLine(65, "-t", input: "To: \n\nx"),
        BadLine(65, "-t", input: "Subject: To: a@b\n\nTo: c@d\n"),
        BadLine(65, "-t", input: "To: undisclosed-recipients:;\n\n"),
        BadLine(65, "-t", input: "To: <>, ,\n\n"),
        // Options that are none.
        BadLine(64, "-y", "bob"), BadLine(64, "-Z", "bob"), BadLine(64, "-1", "bob"),
        BadLine(64, "-é", "bob"),
        BadLine(64, "-\u{1b}", "bob"), BadLine(64, "--recipients", "bob"), BadLine(64, "-t-i"),
        BadLine(64, "-i", "-@", "bob"), BadLine(64, "-bob"), BadLine(64, "---"), BadLine(64, "-"),
        BadLine(64, "--help", "bob"), BadLine(64, "--version", "x"),
        // Options without their argument.
        BadLine(64, "bob", "-f"), BadLine(64, "bob", "-F"), BadLine(64, "bob", "-r"),
        BadLine(64, "bob", "-o"),
        BadLine(64, "bob", "-O"), BadLine(64, "bob", "-B"), BadLine(64, "bob", "-C"),
        BadLine(64, "bob", "-X"),
        BadLine(64, "bob", "-b"), BadLine(64, "bob", "-h"), BadLine(64, "bob", "-ti", "-f"),
        // Modes that are none, or are nobody's business (T74).
        BadLine(64, "-be"), BadLine(64, "-bt"), BadLine(64, "-bd"), BadLine(64, "-bD"),
        BadLine(64, "-bd", "-q1h"),
        BadLine(64, "-bh"), BadLine(64, "-bH"), BadLine(64, "-bx", "bob"), BadLine(64, "-bpp"),
        BadLine(64, "-be", "${run{/usr/bin/touch /tmp/relais-evil}}"),
        // Senders and names that would reach further than they should (T74, T76).
        BadLine(64, "-f", "a@b\nBcc: c@d", "bob"), BadLine(64, "-F", "x\r\nBcc: c@d", "bob"),
        BadLine(64, "-f", "a\u{0b}@b", "bob"), BadLine(64, "-f", "-oQ/tmp", "bob"),
        BadLine(64, "-f-X/tmp/x", "bob"),
        BadLine(64, "-r", "-x", "bob"), BadLine(65, "-f", "a@b, c@d", "bob"), BadLine(65, "-f", "@", "bob"),
        BadLine(65, "-f", "a@b@c d", "bob"), BadLine(64, "-f", long, "bob"), BadLine(64, "-F", long, "bob"),
        BadLine(64, "-O", long, "bob"), BadLine(65, "-f", "a@[1", "bob"),
        BadLine(65, "-f", "\"x\" -oQ/tmp@b", "bob"),
        // Recipients.
        BadLine(64, ""), BadLine(64, "--", "-f"), BadLine(64, "--", "-oQ/tmp", "bob"), BadLine(64, "a\nb"),
        BadLine(64, "bob\0x@"), BadLine(64, "bob", "\r"), BadLine(64, long), BadLine(65, "@"),
        BadLine(65, ","),
        BadLine(65, "<>"), BadLine(65, "bob@"), BadLine(65, "@example.org"), BadLine(65, "bob@-x.example"),
        BadLine(65, "bob@exa mple.org"), BadLine(65, "bob@[x]"), BadLine(65, "bob@example..org"),
        BadLine(65, ".bob@example.org.."), BadLine(65, "bob@" + String(repeating: "a", count: 64) + ".org"),
        BadLine(65, "bob", "x@[300"), BadLine(65, "é@example.org"), BadLine(65, "\"-f\"@x", "bob@,"),
        BadLine(65, String(repeating: "a", count: 487) + "@example.org"),
        BadLine(65, "-t", input: "To: \"-oQ/tmp\"@\n\n"), BadLine(65, "-t", input: "To: -f@example.org\n\n"),
        BadLine(65, "-t", input: "To: a@b\nCc: \"a\0\u{1}b\"@c\n\n"),
        // Input.
        BadLine(69, "bob", input: "x: y\n\n" + String(repeating: "y", count: 5 << 20)),
        BadLine(69, "bob", input: "x: y\n\n" + String(repeating: "\0", count: 5 << 20)),
        BadLine(69, "bob", input: String(repeating: "x", count: 6 << 20)),
        BadLine(65, "-t", input: String(repeating: "X: y\n", count: 10_001) + "To: a@b\n\n"),
        BadLine(65, "-t", input: "To: a@b\nCc: Bob Smith u@d\n\n"), BadLine(65, "bob smith"),
        BadLine(65, "-t", input: "To: a@b\nX: " + String(repeating: "x\n ", count: 1_400_000)),
        // Configurations.
        BadLine(78, "-C", "/nonexistent/relais.conf", "bob"), BadLine(78, "-C", "/etc/passwd", "bob"),
        BadLine(78, "-C", "/", "bob"), BadLine(78, "-C", "", "bob"),
    ]

    @Test("a command line that cannot be obeyed is refused, and no message is kept", arguments: table)
    private func refused(line: BadLine) throws {
        let queue = try queue()
        let program = try BuiltProgram.path("sendmail-compat")
        var arguments = line.arguments
        // A NUL ends an argument; what is behind it never gets to a program.
        arguments = arguments.map { String($0.prefix { $0 != "\0" }) }
        if !arguments.contains("-C") { arguments = ["-C", "\(queue.path)/conf"] + arguments }
        let expected = line.arguments.contains("bob\0x@") ? 0 : line.status
        let (status, output) = try BuiltProgram.run(program, arguments, input: line.input)
        #expect(status == .exited(expected), "\(output)")
        guard expected != 0 else { return }
        #expect(try Directory("\(queue.path)/incoming").names() == [])
        #expect(output.split(separator: "\n").count == 1)
        #expect(output.hasPrefix("sendmail: ") && output.utf8.dropLast().allSatisfy(\.isPrintable))
        #expect(output.utf8.count < 300)
    }

    @Test("options of old are taken and do nothing (T74)")
    func historical() throws {
        let queue = try queue()
        let program = try BuiltProgram.path("sendmail-compat")
        let evil = "\(queue.path)/evil"
        let (status, output) = try BuiltProgram.run(
            program,
            [
                "-C", "\(queue.path)/conf", "-X", evil, "-oQ\(evil)", "-O", "QueueDirectory=\(evil)", "-D",
                evil,
                "-d0-99.1", "-oX\(evil)", "-OMustQuoteChars=x", "-N", "never", "-Ac", "-p", "smtp", "bob",
            ], input: "x\n")
        #expect(status == .exited(0) && output == "")
        #expect(Set(try Directory(queue.path).names()) == ["incoming", "service", "conf"])
        #expect(try Directory("\(queue.path)/incoming").names().count == 1)
    }

    @Test(
        "a bad environment is a clean error, and nothing is kept (T75)",
        arguments: [
            ("exec 0<&-; $0 -C $1/conf bob", 0), ("exec 0<&- 1<&- 2<&-; $0 -C $1/conf bob", 0),
            ("ulimit -f 0; $0 -C $1/conf bob <$1/conf", 75),
            ("exec <$1/conf; prlimit --nofile=4 $0 -C $1/conf bob", 75),
            ("ulimit -v 100000; $0 -C $1/conf bob <$1/conf", 0),
            ("chmod 0 $1/incoming; rmdir $1/incoming; $0 -C $1/conf bob <$1/conf", 75),
            (
                "export IFS=x PATH= LD_PRELOAD=/nonexistent TZ=:/etc/passwd LOCALDOMAIN=x RES_OPTIONS=y "
                    + "SWIFT_BACKTRACE=enable=yes; \"$0\" -C \"$1/conf\" bob <\"$1/conf\" 2>/dev/null", 0
            ),
            ("trap '' ALRM HUP; $0 -C $1/conf bob <$1/conf", 0), ("$0 -C $1/conf bob </", 74),
        ] as [(String, Int32)])
    func environment(script: String, expected: Int32) throws {
        let queue = try queue()
        let program = try BuiltProgram.path("sendmail-compat")
        let (status, output) = try BuiltProgram.run("/bin/sh", ["-c", script, program, queue.path])
        #expect(status == .exited(expected), "\(output)")
        guard expected != 0, try Path.status("\(queue.path)/incoming") != nil else { return }
        #expect(try Directory("\(queue.path)/incoming").names() == [])
    }

    @Test("-bv says what becomes of an address, step by step, and sends nothing")
    func verify() throws {
        let queue = try queue()
        try queue.write("aliases", "team: a@example.net, loop, |cat\nloop: team\n")
        let (status, output) = try BuiltProgram.run(
            try BuiltProgram.path("sendmail-compat"),
            ["-C", "\(queue.path)/conf", "-bv", "team", "no-such-user"])
        #expect(status == .exited(67))
        #expect(
            output.hasPrefix(
                "team: no domain: local\nteam: alias team, 3 targets\nteam... deliverable: alias\n"))
        #expect(output.contains("  a@example.net... deliverable: to example.net\n"))
        #expect(output.contains("  |cat\n"))
        #expect(
            output.hasSuffix(
                "no-such-user: no account no-such-user\nno-such-user... 5.1.1 user unknown\n"))
        #expect(output.utf8.count < 1000)
        #expect(try Directory("\(queue.path)/incoming").names() == [])
        // Twenty-four levels of two are told once each.
        var text = "team: l0, m0\n"
        for level in 0..<24 {
            text += "l\(level): l\(level + 1), m\(level + 1)\nm\(level): m\(level + 1), l\(level + 1)\n"
        }
        try queue.write("aliases", text)
        let (_, levels) = try BuiltProgram.run(
            try BuiltProgram.path("sendmail-compat"), ["-C", "\(queue.path)/conf", "-bv", "team"])
        #expect(levels.split(separator: "\n").count { $0.hasSuffix("deliverable: alias") } == 95)
    }

    @Test("-bs is smtpd (T77)")
    func session() throws {
        let queue = try queue()
        try queue.write("aliases", "bob: carol\n")
        let (status, output) = try BuiltProgram.run(
            try BuiltProgram.path("sendmail-compat"), ["-C", "\(queue.path)/conf", "-bs"],
            input: "EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<bob@localhost>\r\nRCPT TO:<nobody@localhost>\r\n"
                + "DATA\r\nSubject: x\r\n\r\n.\r\nQUIT\r\n")
        #expect(status == .exited(0))
        let codes = output.split(separator: "\r\n").filter { $0.dropFirst(3).first == " " }.map {
            $0.prefix(3)
        }
        #expect(codes == ["220", "250", "250", "250", "550", "354", "250", "221"], "\(output)")
        #expect(try Directory("\(queue.path)/incoming").names().count == 1)
    }

    @Test("mailq and newaliases are this program by another name")
    func names() throws {
        let queue = try queue()
        let program = try BuiltProgram.path("sendmail-compat")
        try queue.write("aliases", "a: b\nc\n")
        let script = "ln -s $0 $1/newaliases; $1/newaliases -C $1/conf; echo $?"
        let (_, output) = try BuiltProgram.run("/bin/sh", ["-c", script, program, queue.path])
        #expect(output.contains("\(queue.path)/aliases: 1 aliases\n"))
        #expect(output.contains("newaliases: \(queue.path)/aliases:2: "))
        #expect(output.hasSuffix("78\n"))
    }
}

@Suite struct LocalDeliverCommandLineTests {
    private static let table: [BadLine] = [
        BadLine(64), BadLine(64, "bob"), BadLine(64, "bob", "a@b", "c@d"), BadLine(64, "-n"),
        BadLine(64, "-n", "bob"),
        BadLine(64, "-x"), BadLine(64, "-nx"), BadLine(64, "--explai"),
        BadLine(64, "--explain=x", "bob", "a"),
        BadLine(64, "--service=1"), BadLine(64, "--nonsense"), BadLine(64, "--service", "bob"),
        BadLine(64, "--service", "-n"), BadLine(64, "--service", "bob", "a@b"),
        BadLine(64, "--only", "bob", "b", "a"),
        BadLine(64, "--only"), BadLine(64, "-C"), BadLine(64, "--config"),
        BadLine(64, "--only=bob", "bob", "a@b"),
        BadLine(64, "-\u{1b}[31m"), BadLine(64, "-é"), BadLine(64, "--\u{1b}[31m"), BadLine(64, "-h=x"),
        BadLine(64, "--help=x"), BadLine(64, "--version=1"), BadLine(64, "-n-n", "bob", "a"),
        BadLine(64, "-", "-", "-"),
        BadLine(64, "--", "bob"), BadLine(64, "--", "-n", "bob", "a"), BadLine(64, "bob\n", "a@b"),
        BadLine(64, "bob", "a\nb"), BadLine(64, "bob", "\u{7f}"), BadLine(64, "\u{1}", "a@b"),
        BadLine(64, long, "a"),
        BadLine(64, "bob", long), BadLine(64, "--" + long),
        BadLine(64, "-" + String(repeating: "n", count: 9) + "z"),
        BadLine(78, "-C", "/nonexistent", "bob", "a@b"), BadLine(78, "-C", "", "bob", "a@b"),
        BadLine(78, "-C", "/etc/passwd", "bob", "a@b"), BadLine(78, "-C", "/tmp", "bob", "a@b"),
        BadLine(78, "--config=/dev/full/x", "bob", "a@b"),
        BadLine(67, "no.such.user", "a@b"), BadLine(67, "no-such-user", "<>"), BadLine(67, "daemons", "a@b"),
        BadLine(67, "nobody", "a@b"), BadLine(67, "../../etc/passwd", "a@b"), BadLine(67, "|id", "a@b"),
        BadLine(67, "/tmp/relais-evil", "a@b"), BadLine(67, "`id`", "a@b"), BadLine(67, "$(id)", "a@b"),
        BadLine(67, ":include:/etc/passwd", "a@b"), BadLine(67, "\\root", "a@b"),
        BadLine(67, "root%x", "a@b"),
        BadLine(69, "", "a@b"), BadLine(69, "bob@example.net", "a@b"), BadLine(69, "bob@", ""),
        BadLine(69, "bob@localhost@example.net", "a@b"), BadLine(67, "--", "-f", "a@b"),
        BadLine(67, "+", "a@b"),
        BadLine(67, "-n", "no-such-user", "a@b"), BadLine(69, "-n", "x@example.net", "a@b"),
    ]

    @Test("a command line that cannot be obeyed is refused in one line", arguments: table)
    private func refused(line: BadLine) throws {
        let directory = try TemporaryDirectory()
        try directory.write("conf", "local-domains = localhost\naliases-file =\nhostname = h.example\n")
        let program = try BuiltProgram.path("local-deliver")
        var arguments = line.arguments
        if !arguments.contains(where: { $0.hasPrefix("-C") || $0.hasPrefix("--config") }) {
            arguments = ["-C", "\(directory.path)/conf"] + arguments
        }
        let (status, output) = try BuiltProgram.run(program, arguments, input: line.input)
        #expect(status == .exited(line.status), "\(output)")
        #expect(output.utf8.allSatisfy { $0.isPrintable || $0 == .lf })
        #expect(output.utf8.count < 600)
        // Under inetd nothing but protocol goes out.
        let lines = arguments.contains("--service") ? 0 : 1
        if !arguments.contains("-n") { #expect(output.split(separator: "\n").count == lines) }
    }

    @Test("help and version answer on stdout and exit 0")
    func help() throws {
        for (program, option) in [
            ("local-deliver", "-h"), ("local-deliver", "--help"), ("local-deliver", "--version"),
            ("sendmail-compat", "-h"), ("sendmail-compat", "--help"), ("sendmail-compat", "--version"),
        ] {
            let script = "$0 \(option) 2>/dev/null"
            let (status, output) = try BuiltProgram.run(
                "/bin/sh", ["-c", script, try BuiltProgram.path(program)])
            #expect(status == .exited(0) && !output.isEmpty)
            let full = try BuiltProgram.run(
                "/bin/sh", ["-c", "\(script) >/dev/full", try BuiltProgram.path(program)])
            #expect(full.status == .exited(74))
        }
    }
}

@Suite(.enabled(if: TestHost.isPossible)) struct SendmailWithoutRightTests {
    /// A server that takes all but `bad@…`, on the loopback interface of a network of the test's own.
    private static let server = """
        import socket
        s = socket.socket(); s.bind(("127.0.0.1", 25)); s.listen(1)
        open("ready", "w").close()
        f = s.accept()[0].makefile("rwb", 0); out = open("taken", "wb", 0); data = False
        f.write(b"220 x\\r\\n")
        while True:
            line = f.readline()
            if not line: break
            out.write(line)
            word = line[:4].upper()
            if data:
                if line == b".\\r\\n": data = False; f.write(b"250 ok\\r\\n")
            elif word == b"EHLO": f.write(b"250-x\\r\\n250 PIPELINING\\r\\n")
            elif word == b"RCPT" and b"bad" in line: f.write(b"550 5.1.1 no\\r\\n")
            elif word == b"DATA": data = True; f.write(b"354 go\\r\\n")
            else: f.write(b"250 ok\\r\\n")
        """

    private func send(_ recipient: String, serving: Bool) throws -> (
        status: ChildProcess.Status, taken: String
    ) {
        let directory = try TemporaryDirectory()
        try Directory(directory.path).makeDirectory("incoming", mode: 0o700)
        try directory.write("conf", "hostname = mx.example.org\nqueue-directory = \(directory.path)\n")
        try directory.write("server.py", Self.server)
        let script = """
            cd $1; ip link set lo up; [ \(serving ? 1 : 0) = 0 ] || { python3 server.py & pid=$!
            until [ -e ready ]; do sleep 0.02; done; }
            setpriv --reuid 2001 --regid 2001 --clear-groups $0 -C $1/conf -i \(recipient) 2>/dev/null
            status=$?; [ -z "$pid" ] || { kill $pid; wait; }; exit $status
            """
        let program = try BuiltProgram.path("sendmail-compat")
        let (status, _) = try BuiltProgram.run(
            "/usr/bin/unshare", ["-n", "/bin/sh", "-c", script, program, directory.path],
            input: "Subject: x\n\n.dot\n", environment: ["PATH=/usr/sbin:/usr/bin:/bin:/sbin"])
        #expect(try Directory("\(directory.path)/incoming").names() == [])
        let taken = try Path.contents("\(directory.path)/taken") ?? []
        return (status, String(decoding: taken, as: UTF8.self))
    }

    @Test("who may not add to the queue hands the message to the server on loopback")
    func handedOver() throws {
        let (status, taken) = try send("bob@example.net", serving: true)
        #expect(status == .exited(0))
        #expect(taken.contains("MAIL FROM:<uid2001@mx.example.org>\r\nRCPT TO:<bob@example.net>\r\nDATA\r\n"))
        #expect(taken.contains("\r\nSubject: x\r\n") && taken.hasSuffix("\r\n\r\n..dot\r\n.\r\nQUIT\r\n"))
    }

    @Test("a refusal is final, a server that is not there is not")
    func refused() throws {
        #expect(try send("bad@example.net", serving: true).status == .exited(69))
        #expect(try send("bob@example.net", serving: false).status == .exited(75))
    }
}
