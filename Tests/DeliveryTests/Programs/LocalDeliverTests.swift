import Bytes
import Jobs
import Mail
import TemporaryPlaces
import Testing
import Unix

/// local-deliver as inetd starts it, on a host of its own, for users of several ids.
@Suite(.enabled(if: TestHost.isPossible)) struct LocalDeliverTests {
    static let text = "Subject: x\n\nbody\n"
    static let trace = "Return-Path: <ann@example.net>\nDelivered-To: "

    @Test("a message becomes the user's file, whole, with its trace on top")
    func maildir() throws {
        let host = try TestHost()
        #expect(try host.deliver(to: "bob@example.org").shown == "K 2.0.0 delivered to maildir")
        #expect(try host.maildir("bob") == [Self.trace + "bob@example.org\n" + Self.text])
        let name = try Directory("\(host.path)/bob/Maildir/new").names()[0]
        let status = try #require(try Path.status("\(host.path)/bob/Maildir/new/\(name)"))
        #expect(status.user == 2001 && status.group == 2001 && status.mode == 0o600)
        #expect(name.contains(",S=\(status.size),W="))
    }

    @Test("a batch for one user is delivered in one connection")
    func batch() throws {
        let host = try TestHost()
        let messages = (0..<6).map { ("", ["Bob@example.org", "bob+x@example.org"], "Subject: \($0)\n\n") }
        let (reports, outstanding, status) = try host.deliver(messages)
        #expect(reports.map(\.verdict) == Array(repeating: .delivered, count: 12))
        #expect(outstanding == 0 && status == .exited(0))
        let found = try host.maildir("bob")
        #expect(found.count == 12)
        #expect(found.contains("Return-Path: <>\nDelivered-To: bob+x@example.org\nSubject: 5\n\n"))
    }

    @Test(
        "who gets nothing",
        arguments: [
            ("dave@example.org", "D 5.1.1 user unknown"),
            ("bob@example.net", "D 5.7.1 relay access denied"),
            ("\"../../etc/passwd\"@example.org", "D 5.1.1 user unknown"),
            ("\"|id\"@example.org", "D 5.1.1 user unknown"),
            ("/etc/x@example.org", "D 5.1.1 user unknown"),
        ])
    func refused(recipient: String, expected: String) throws {
        #expect(try TestHost().deliver(to: recipient).shown == expected)
    }

    @Test("root's mail and postmaster's goes to relais's own mailbox")
    func root() throws {
        let host = try TestHost()
        for name in ["root", "postmaster", "Postmaster", "daemon"] {
            #expect(try host.deliver(to: "\(name)@example.org").verdict == .delivered)
        }
        #expect(try host.maildir("relaisa").count == 4)
    }

    @Test("what a program writes to a system account goes where root's mail goes")
    func systemAccount() throws {
        let host = try TestHost(aliases: "root: bob\n")
        let report = try host.deliver(to: "daemon@example.org")
        #expect(report.forward?.addresses == [[UInt8]("bob@example.org")])
    }

    @Test(
        "a home that is missing matters only where something lies in it",
        arguments: [("spool/%u", "K 2.0.0 delivered to mailbox"), ("%u/Maildir/", "Z")])
    func noHome(mailbox: String, expected: String) throws {
        let host = try TestHost()
        try host.shell("rmdir carol; echo 'mailbox = '$PWD'/\(mailbox)' >>relais.conf")
        if expected == "Z" { try host.shell("sed -i 's,^mailbox.*,mailbox = ~/Maildir/,' relais.conf") }
        #expect(try host.deliver(to: "carol@example.org").shown.hasPrefix(expected))
        if expected != "Z" { #expect(try host.read("spool/carol")?.contains("body\n") == true) }
    }

    @Test("~ in a .forward is the home")
    func homeInForward() throws {
        let host = try TestHost()
        try host.write("bob/.forward", "~/copy, \"~/Mail box/\"\n", owner: 2001)
        #expect(try host.deliver(to: "bob@example.org").verdict == .delivered)
        #expect(try host.read("bob/copy")?.contains("body\n") == true)
        #expect(try Directory("\(host.path)/bob/Mail box/new").names().count == 1)
    }

    @Test("a message that has been here before is a loop")
    func loop() throws {
        let host = try TestHost(aliases: "team: bob@example.org\n")
        for recipient in ["bob@example.org", "team@example.org"] {
            let report = try host.deliver(to: recipient, "X: y\nDelivered-To: \(recipient)\n\n")
            #expect(report.shown == "D 5.4.6 mail forwarding loop")
        }
        #expect(try host.maildir("bob") == [])
    }

    @Test("a .forward says where mail goes; what it names is done as the user")
    func forward() throws {
        let host = try TestHost()
        try host.write(
            "bob/.forward",
            "\\bob, carol, dave@example.net\n\"|cat > $HOME/copy; id -u > $HOME/id; env > $HOME/env\"\n",
            owner: 2001)
        let report = try host.deliver(to: "bob+list@example.org")
        #expect(report.verdict == .forwarded)
        #expect(
            report.forward
                == Report.Forward(
                    addresses: [[UInt8]("carol@example.org"), [UInt8]("dave@example.net")],
                    header: [UInt8]("Delivered-To: bob+list@example.org\n")))
        #expect(try host.maildir("bob").count == 1)
        #expect(try host.maildir("carol").count == 0)
        let copy = try #require(try host.read("bob/copy"))
        #expect(copy.hasPrefix("From ann@example.net "))
        #expect(copy.hasSuffix(Self.trace + "bob+list@example.org\n" + Self.text))
        #expect(try host.read("bob/id") == "2001\n")
        let environment = try #require(try host.read("bob/env"))
        #expect(environment.contains("EXTENSION=list\n") && environment.contains("SENDER=ann@example.net\n"))
    }

    @Test("an extension has a .forward of its own")
    func forwardExtension() throws {
        let host = try TestHost()
        try host.write("bob/.forward", "one@example.net\n", owner: 2001)
        try host.write("bob/.forward+lists", "two@example.net\n", owner: 2001)
        #expect(try host.deliver(to: "bob@example.org").forward?.addresses == [[UInt8]("one@example.net")])
        #expect(
            try host.deliver(to: "bob+Lists@example.org").forward?.addresses == [[UInt8]("two@example.net")])
        #expect(try host.deliver(to: "bob+x@example.org").forward?.addresses == [[UInt8]("one@example.net")])
        #expect(
            try host.deliver(to: "\"bob+/../x\"@example.org").forward?.addresses == [
                [UInt8]("one@example.net")
            ])
    }

    @Test(
        "a .forward that somebody else could have written, or that says nothing sensible, is not obeyed; mail is not lost for it (T60)",
        arguments: [
            "echo x@example.net > bob/.forward; chown 2001 bob/.forward; chmod 664 bob/.forward",
            "echo x@example.net > bob/.forward; chown 2001 bob/.forward; chmod 646 bob/.forward",
            "echo x@example.net > bob/.forward; chown 2002 bob/.forward",
            "echo x@example.net > f; chown 2001 f; ln -s $PWD/f bob/.forward",
            "ln -s /etc/passwd bob/.forward", "mkfifo bob/.forward", "mkdir bob/.forward",
            "head -c 70000 /dev/zero > bob/.forward; chown 2001 bob/.forward",
            "echo x@example.net > bob/.forward; chmod 600 bob/.forward",
            "echo '\"open' > bob/.forward; chown 2001 bob/.forward",
            "echo 'a;b@example.net' > bob/.forward; chown 2001 bob/.forward",
            "echo ':include:/nonexistent' > bob/.forward; chown 2001 bob/.forward",
            "echo ':include:'$PWD/l > bob/.forward; echo x > l; chown 2002 l; chown 2001 bob/.forward",
            "echo ':include:'$PWD/l > bob/.forward; cp bob/.forward l; chown 2001 l bob/.forward",
            "echo x@example.net > bob/.forward; chown 2001 bob/.forward; chmod 777 bob",
        ])
    func hostileForward(script: String) throws {
        let host = try TestHost()
        try host.shell(script)
        #expect(try host.deliver(to: "bob@example.org").shown == "K 2.0.0 delivered to maildir")
        #expect(try host.maildir("bob").count == 1)
    }

    @Test(
        "a home that cannot be used defers mail for a mailbox in it",
        arguments: ["rmdir bob", "rmdir bob; ln -s /nonexistent bob", "chmod 0 bob"])
    func missingHome(script: String) throws {
        let host = try TestHost()
        try host.shell(script)
        let report = try host.deliver(to: "bob@example.org")
        #expect(report.verdict == .deferred, "\(report.shown)")
        #expect(!report.text.contains(.ascii("/")))
    }

    @Test("aliases that everybody may write are not followed: mail waits")
    func writableAliases() throws {
        let host = try TestHost(aliases: "evil: \"|touch $HOME/evil\"\n")
        try host.shell("chmod 666 aliases")
        for name in ["evil", "bob"] {
            #expect(try host.deliver(to: "\(name)@example.org").verdict == .deferred)
        }
        #expect(try host.read("relaisa/evil") == nil)
    }

    @Test(
        "links in the place of a mailbox are not followed (T55)",
        arguments: [
            "mkdir -p bob/Maildir/cur bob/Maildir/new; ln -s $PWD/victim bob/Maildir/tmp",
            "mkdir -p bob/Maildir/cur bob/Maildir/tmp; ln -s $PWD/victim bob/Maildir/new",
        ])
    func linkedMaildir(script: String) throws {
        let host = try TestHost()
        try host.shell("mkdir victim; chmod 777 victim; \(script); chown -Rh 2001 bob/Maildir")
        #expect(try host.deliver(to: "bob@example.org").verdict == .deferred)
        #expect(try Directory("\(host.path)/victim").names() == [])
    }

    @Test(
        "what stands in the place of an mbox and is none is left alone (T55, T58)",
        arguments: [
            "ln -s $PWD/victim spool/bob", "ln victim spool/bob", "mkdir spool/bob", "mkfifo spool/bob",
            "touch spool/bob", "touch spool/bob; chown 2002 spool/bob",
            // A lock that cannot be made is a lock that we do not have.
            "chmod 755 spool; touch spool/bob; chown 2001 spool/bob",
            "chmod 755 spool; chgrp 0 spool", "rmdir spool", "rmdir spool; touch spool",
        ])
    func hostileMbox(script: String) throws {
        let host = try TestHost("mailbox = @/spool/%u")
        try host.shell("sed -i s,@,$PWD, relais.conf; echo precious > victim; chown 2001 victim; \(script)")
        #expect(try host.deliver(to: "bob@example.org").verdict == .deferred)
        #expect(try host.read("victim") == "precious\n")
        let log = try #require(try host.read("log"))
        #expect(
            log.contains("local-deliver[") && log.contains("warning: ") && log.contains("\(host.path)/spool"))
    }

    @Test(
        "root makes a missing mbox; the lock beside it needs the spool's group; the user's programs lack it")
    func mbox() throws {
        let host = try TestHost("mailbox = @/spool/%u")
        try host.shell("sed -i s,@,$PWD, relais.conf")
        for _ in 0..<2 {
            #expect(try host.deliver(to: "bob@example.org").shown == "K 2.0.0 delivered to mailbox")
        }
        let status = try #require(try Path.status("\(host.path)/spool/bob"))
        #expect(status.user == 2001 && status.group == 8 && status.mode == 0o600)
        let text = try #require(try host.read("spool/bob"))
        #expect(text.split(separator: "\n").filter { $0.hasPrefix("From ann@example.net ") }.count == 2)
        #expect(text.hasSuffix("\n\n" + "body\n\n"))
        try host.write(
            "bob/.forward", "\"|id > $HOME/id; touch \(host.path)/spool/evil\", \\bob\n", owner: 2001)
        #expect(try host.deliver(to: "bob@example.org").verdict == .failed)
        #expect(
            try host.read("bob/id")?.contains("uid=2001(bob) gid=2001(bob) groups=2001(bob),2100(friends)\n")
                == true)
        #expect(try Directory("\(host.path)/spool").names() == ["bob"])
    }

    @Test(
        "deliverers that come at the same time do not write into each other",
        arguments: ["~/mbox", "~/Maildir/"])
    func concurrent(mailbox: String) throws {
        let host = try TestHost("mailbox = \(mailbox)")
        let body = String(repeating: "0123456789abcdef\n", count: 8000)
        try host.directory.write("m", "Subject: x\n\n" + body)
        var children: [(ChildProcess, JobSender)] = []
        for _ in 0..<6 {
            let pair = try DescriptorPair.sockets()
            children.append(
                (
                    try host.start(
                        "local-deliver", ["--service", "-C", "\(host.path)/relais.conf"],
                        input: pair.second.raw,
                        output: 1), JobSender(adopting: pair.keepFirst())
                ))
        }
        for (number, (_, sender)) in children.enumerated() {
            let file = try Path.openForReading("\(host.path)/m")
            for letter in 0..<5 {
                try sender.send(
                    Job(
                        id: Array("id\(number)x\(letter)".utf8), arrival: .now(), reversePath: [],
                        destination: .local([UInt8]("bob")),
                        contentOffset: 0, contentLength: 12 + body.utf8.count,
                        recipients: [Job.Recipient(address: [UInt8]("bob@example.org"), index: 0)]),
                    file: file)
            }
            try sender.endBatch()
        }
        for (child, sender) in children {
            #expect(try child.wait() == .exited(0))
            while !sender.receive().isOver {}
            #expect(sender.outstanding.isEmpty)
        }
        let found: [String]
        if mailbox == "~/mbox" {
            let text = try #require(try host.read("bob/mbox"))
            found = text.split(separator: "From MAILER-DAEMON ").map {
                String($0.drop { $0 != "\n" }.dropFirst())
            }
        } else {
            found = try host.maildir("bob").map { $0 + "\n" }
        }
        #expect(found.count == 30)
        let whole = "Return-Path: <>\nDelivered-To: bob@example.org\nSubject: x\n\n" + body + "\n"
        #expect(found.allSatisfy { $0 == whole })
    }

    @Test("no mailbox is locked while a command runs, and none is written if one has to wait")
    func commandsFirst() throws {
        let host = try TestHost("mailbox = ~/mbox")
        try host.write("bob/.forward", "\\bob, \"|test ! -e mbox.lock\"\n", owner: 2001)
        let messages = (0..<4).map { ("", ["bob@example.org"], "Subject: \($0)\n\n") }
        #expect(try host.deliver(messages).reports.map(\.verdict) == Array(repeating: .delivered, count: 4))
        try host.write("bob/.forward", "\\bob, x@example.net, \"|exit 75\"\n", owner: 2001)
        let before = try host.read("bob/mbox")
        #expect(try host.deliver(to: "bob@example.org").verdict == .deferred)
        try host.write("bob/.forward", "\\bob, x@example.net, /nonexistent/file\n", owner: 2001)
        #expect(try host.deliver(to: "bob@example.org").verdict == .deferred)
        #expect(try host.read("bob/mbox") == before)
        // A part that can never be done does not keep the rest from the mailbox.
        try host.write("bob/.forward", "\\bob, \"|exit 1\"\n", owner: 2001)
        #expect(try host.deliver(to: "bob@example.org").verdict == .failed)
        #expect(try host.read("bob/mbox") != before)
    }

    /// Ends local-deliver from within a command of its own, whatever shell is between.
    static let killer = """
        p=$$; while [ "$(cat /proc/$p/comm)" != local-deliver ]; do p=$(awk '{print $4}' /proc/$p/stat); done; kill -9 $p
        """

    @Test(
        "whatever ends it, one command at most was run in vain: the others are reported",
        arguments: [
            "prog: \"|/bin/sh PATH/run\"\n", "prog: bob@example.org, \\\\bob, \"|/bin/sh PATH/run\"\n",
            "prog: \\\\bob, \\\\carol, \"|/bin/sh PATH/run\"\n",
        ])
    func killed(aliases: String) throws {
        let host = try TestHost()
        let text = aliases.split(separator: "PATH", omittingEmptySubsequences: false).joined(
            separator: host.path)
        try host.directory.write("aliases", text)
        try host.write(
            "run",
            "n=$(grep -m1 ^Subject)\necho $n >>$HOME/ran\n[ \"$n\" != 'Subject: 3' ] || { \(Self.killer); sleep 5; }\n",
            owner: 0, mode: 0o755)
        let (reports, outstanding, status) = try host.deliver(
            (0..<5).map { ("ann@example.net", ["prog@example.org"], "Subject: \($0)\n\nbody\n") })
        let isKilled = status == .signalled(9)
        #expect(isKilled || reports.count == 5)
        #expect(
            reports.filter { $0.verdict != .deferred }.map(\.job) == (isKilled ? [0, 1, 2] : [0, 1, 2, 4]))
        #expect(outstanding == (isKilled ? 2 : 0))
        let ran = try #require(try host.read("relaisa/ran")).split(separator: "\n")
        #expect(ran.filter { $0 == "Subject: 0" }.count == 1)
        #expect(ran.count == (isKilled ? 4 : 5))
    }

    @Test("a letter without a command does not wait for another's")
    func quickFirst() throws {
        let host = try TestHost(aliases: "prog+slow: \"|sleep 1; cat >/dev/null\"\nprog: \\bob\n")
        let (reports, _, _) = try host.deliver(
            ["prog+slow", "prog"].map { ("", ["\($0)@example.org"], "Subject: x\n\n") })
        #expect(reports.map(\.job) == [0, 1] || reports.map(\.job) == [1, 0])
        try host.write("bob/.forward", "\"|cat >/dev/null\"\n", owner: 2001)
        try host.write("bob/.forward+quick", "\\bob\n", owner: 2001)
        let (ordered, _, _) = try host.deliver(
            ["bob", "bob+quick"].map { ("", ["\($0)@example.org"], "Subject: x\n\n") })
        #expect(ordered.map(\.job) == [1, 0])
    }

    @Test("an alias that names people and a program runs the program, and sends on to the people")
    func mixed() throws {
        let host = try TestHost(
            aliases: """
                owner-all: ann
                all: \\bob, \\carol, "|id -un > $HOME/id", /\(Self.self)/../dev/null, x@example.net
                bob: bob, bob@backup.example
                """)
        let (unordered, _, status) = try host.deliver([
            ("ann@example.net", ["all@example.org", "bob@example.org", "dave@example.org"], Self.text)
        ])
        #expect(status == .exited(0))
        let reports = unordered.sorted { $0.recipient < $1.recipient }
        #expect(reports.map(\.verdict) == [.deferred, .forwarded, .failed])
        #expect(reports[1].forward?.shown == ["bob@example.org/account bob@backup.example"])
        #expect(try host.read("relaisa/id") == "relaisa\n")
        #expect(try host.maildir("bob") == [])
        try host.write(
            "aliases", "owner-all: ann\nall: \\bob, \\carol, \"|exit 0\", x@example.net\n", owner: 0)
        let report = try host.deliver(to: "all@example.org")
        #expect(
            report.forward?.shown == [
                "owner-all@example.org: bob@example.org/mailbox carol@example.org/mailbox x@example.net"
            ])
        #expect(report.forward?.header == [UInt8]("Delivered-To: all@example.org\n"))
    }

    @Test(
        "what an alias has led to is not looked up again",
        arguments: [
            ("ACCOUNT", "K 2.0.0 delivered to maildir", 1, 0),
            ("MAILBOX", "K 2.0.0 delivered to maildir", 1, 0),
            ("TARGETS", "K 2.0.0 delivered to command", 0, 1),
            ("", "R 2.0.0 forwarded to 2 addresses; delivered to command", 0, 1),
        ])
    func expanded(word: String, answer: String, inMailbox: Int, runs: Int) throws {
        let host = try TestHost(aliases: "bob: bob, x@example.net, \"|echo x >> $HOME/runs\"\n")
        let parameters = word.isEmpty ? "" : "X-EXPANDED=\(word)"
        let trace = word.isEmpty ? "" : "Delivered-To: bob@example.org\n"
        let report = try host.deliver(to: "bob@example.org", trace + Self.text, parameters: parameters)
        #expect(report.shown == answer)
        #expect(try host.maildir("bob").count == inMailbox)
        #expect(try host.read("relaisa/runs") ?? "" == String(repeating: "x\n", count: runs))
    }

    @Test("without the runner's claim nothing is delivered")
    func runnerGone() throws {
        let host = try TestHost()
        let pair = try DescriptorPair.sockets()
        let far = try pair.second.duplicate()
        let sender = JobSender(adopting: pair.keepFirst())
        let file = try Path.openForReading(try host.directory.write("m", Self.text))
        try sender.send(
            Job(
                id: [UInt8]("id1"), arrival: .now(), reversePath: [], destination: .local([UInt8]("bob")),
                contentOffset: 0, contentLength: Self.text.utf8.count,
                recipients: [Job.Recipient(address: [UInt8]("bob@example.org"), index: 0)]), file: file)
        try sender.endBatch()
        Socket.endWriting(sender.raw)
        let child = try host.start(
            "local-deliver", ["--service", "-C", "\(host.path)/relais.conf"], input: far.raw, output: 1)
        _ = try child.wait()
        #expect(try host.maildir("bob") == [])
        #expect(sender.receive().reports.allSatisfy { $0.verdict == .deferred })
    }

    @Test("-n tells each step, and what the user's own file says, and does nothing")
    func explain() throws {
        let host = try TestHost(aliases: "team: bob, \"|cat\", x@example.net\n")
        try host.write("bob/.forward", "\\bob, |vacation\n", owner: 2001)
        func explain(_ recipient: String) throws -> (ChildProcess.Status, [String]) {
            let output = try Directory(host.path).open("output", .create(mode: 0o600))
            try output.truncate(to: 0)
            let null = try Path.openForReading("/dev/null")
            let child = try host.start(
                "local-deliver", ["-n", "-C", "\(host.path)/relais.conf", recipient, "a@b"], input: null.raw,
                output: output.raw)
            let status = try child.wait()
            let text = String(decoding: try output.read(upTo: 65536, at: 0), as: UTF8.self)
            return (status, text.split(separator: "\n").map(String.init))
        }
        let (status, lines) = try explain("bob+x@example.org")
        #expect(status == .exited(0))
        #expect(
            lines == [
                "example.org is in local-domains", "no alias bob+x@example.org", "no alias bob@example.org",
                "no alias bob+x", "no alias bob", "no account bob+x",
                "account bob, extension x", "as bob: .forward says \\bob", "as bob: .forward says |vacation",
            ])
        #expect(
            try explain("team").1 == [
                "no domain: local", "alias team, 3 targets", "forward to bob, the account",
                "forward to x@example.net",
                "as relaisa: |cat",
            ])
        #expect(try explain("carol").1.last == "as carol: mailbox \(host.path)/carol/Maildir/")
        #expect(
            try explain("daemon").1 == [
                "no domain: local", "no alias daemon@example.org", "no alias daemon",
                "account daemon, but its uid 1 is no person's (first-user-id): root's mail",
                "as relaisa: mailbox \(host.path)/relaisa/Maildir/",
            ])
        let (refused, why) = try explain("dave@example.org")
        #expect(refused == .exited(67) && why.last == "5.1.1 user unknown")
        #expect(try host.maildir("bob") == [])
    }

    @Test("a user delivers for that user alone; root's copy on goes through sendmail")
    func byHand() throws {
        let host = try TestHost(aliases: "team: x@example.net, y@example.net\n")
        try host.shell("mkdir -p queue/incoming; chmod 777 . queue queue/incoming")
        func run(_ prefix: [String], _ recipient: String) throws -> ChildProcess.Status {
            let script =
                "mount --bind passwd /etc/passwd && mount --bind group /etc/group && exec \"$@\" <message"
            let (status, _) = try BuiltProgram.run(
                "/usr/bin/unshare",
                ["-m", "sh", "-c", "cd \(host.path) && \(script)", "sh"] + prefix
                    + [
                        try BuiltProgram.path("local-deliver"), "-C", "\(host.path)/relais.conf", recipient,
                        "a@b",
                    ],
                environment: ["PATH=/usr/sbin:/usr/bin:/bin:/sbin"])
            return status
        }
        try host.directory.write("message", Self.text)
        let asBob = ["setpriv", "--reuid", "2001", "--regid", "2001", "--clear-groups"]
        #expect(try run(asBob, "bob@example.org") == .exited(0))
        #expect(try run(asBob, "carol@example.org") == .exited(67))
        #expect(try run([], "carol@example.org") == .exited(0))
        #expect(try host.maildir("bob").count == 1)
        #expect(
            try host.maildir("carol") == ["Return-Path: <a@b>\nDelivered-To: carol@example.org\n" + Self.text]
        )
        #expect(try run([], "team@example.org") == .exited(0))
        let queued = try Directory("\(host.path)/queue/incoming").names()
        #expect(queued.count == 1)
        let message = try #require(try host.read("queue/incoming/\(queued[0])"))
        #expect(message.contains("from <a@b>\nto <x@example.net>\nto <y@example.net>\n"))
        #expect(message.contains("\nDelivered-To: team@example.org\nSubject: x\n"))
    }

    @Test("what is no job is refused: nothing is delivered, nobody crashes (T80)")
    func garbage() throws {
        let host = try TestHost()
        for text in [
            "", "x", "-1:", "4:job2,", "8:4:job2,,", "99999999999999999999:", "0:,", "7:4:end1,,7:4:end1,,",
            String(repeating: "\0", count: 100_000), "10:5:job99,0:,", "GET / HTTP/1.0\r\n\r\n",
        ] {
            let pair = try DescriptorPair.sockets()
            let child = try host.start(
                "local-deliver", ["--service", "-C", "\(host.path)/relais.conf"], input: pair.second.raw,
                output: 1)
            let near = pair.keepFirst()
            try? near.write(text.utf8)
            Socket.endWriting(near.raw)
            // A reset says that our bytes were left unread.
            let answer = (try? near.readAll(limit: 1000)) ?? []
            let status = try child.wait()
            if text.hasPrefix("7:4:end1,,") {
                #expect(status == .exited(0) && answer == [UInt8]("7:4:end1,,"))
            } else {
                #expect(status == .exited(76) && answer == [])
            }
        }
    }

    @Test(
        "whichever call fails or kills, a message is whole or not there, and K is said only of a whole one (T59)",
        arguments: ["~/Maildir/", "~/mbox"], ["fail:%:28", "fail:%:5", "die:%"])
    func faults(mailbox: String, fault: String) throws {
        let old = "From x\n\nold\n\n"
        let whole = Self.trace + "bob@example.org\n" + Self.text
        for call in 1...70 {
            let host = try TestHost("mailbox = \(mailbox)")
            try host.write("bob/mbox", old, owner: 2001, mode: 0o600)
            let plan = fault.split(separator: "%", omittingEmptySubsequences: false).joined(
                separator: "\(call)")
            let (reports, outstanding, status) = try host.deliver(
                [("ann@example.net", ["bob@example.org"], Self.text)], environment: ["RELAIS_FAULT=\(plan)"])
            let isThere: Bool
            if mailbox == "~/mbox" {
                let text = try #require(try host.read("bob/mbox"))
                isThere = text.hasPrefix(old) && text.hasSuffix(whole + "\n")
                #expect(isThere || text == old, "call \(call)")
            } else {
                let found = try host.maildir("bob")
                isThere = found == [whole]
                #expect(isThere || found == [], "call \(call)")
            }
            #expect(reports.count + outstanding == 1)
            #expect(reports.first?.verdict != .failed, "call \(call)")
            if reports.first?.verdict == .delivered { #expect(isThere, "call \(call)") }
            if fault == "die:%" { continue }
            guard case .exited = status else {
                Issue.record("call \(call): \(status)")
                return
            }
            #expect(try Path.status("\(host.path)/bob/mbox.lock") == nil, "call \(call)")
        }
    }
}
