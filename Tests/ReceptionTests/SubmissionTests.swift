import Bytes
import Mail
import Testing

@testable import Reception

@Suite struct SubmittedTextTests {
    static let texts: [(String, Bool, String)] = [
        ("", true, ""), ("a\nb\n", true, "a\nb\n"), ("a\r\nb\r\n", true, "a\nb\n"),
        ("a\r\r\nb", true, "a\nb"), ("a\rb", true, "a b"), ("a\r\rb", true, "a b"), ("\rb", true, " b"),
        ("a\r", true, "a"), ("a\0b\0", true, "ab"), ("\0\n", true, "\n"),
        // A single dot (T76).
        ("a\n.\nb\n", true, "a\n"), ("a\n.\nb\n", false, "a\n.\nb\n"), ("a\r\n.\r\nb", true, "a\n"),
        (".\nb", true, ""), (".", true, ""), ("a\n.", true, "a\n"), ("a\n.", false, "a\n."),
        ("a\n..\nb\n", true, "a\n..\nb\n"), ("a\n.b\n", true, "a\n.b\n"), ("a\n. \n", true, "a\n. \n"),
        ("a.\nb.\n", true, "a.\nb.\n"), ("a\n.\0\nb", true, "a\n"), ("a\n.\r\r\nb", true, "a\n"),
        // What would end a message elsewhere (T3, T62).
        ("a\r.\rb\n", true, "a . b\n"), ("a\n.\rb\n", true, "a\n. b\n"), ("a\r.\nb\n", true, "a .\nb\n"),
        ("a\n.\r.\nb", true, "a\n. .\nb"), ("\r\n.\r\n", false, "\n.\n"),
    ]

    @Test("lines end in LF and in nothing else; a dot ends the message or does not", arguments: texts)
    func normalised(input: String, dotEnds: Bool, expected: String) {
        for size in [1, 2, 3, 1000] {
            var text = SubmittedText(dotEnds: dotEnds)
            var output: [UInt8] = []
            var rest = Array(input.utf8)[...]
            while !rest.isEmpty {
                text.push(Array(rest.prefix(size)), to: &output)
                rest = rest.dropFirst(size)
            }
            #expect(String(decoding: output, as: UTF8.self) == expected, "parts of \(size)")
        }
    }
}

@Suite struct SubmittedHeaderTests {
    static let author = SubmittedHeader.Author(
        address: [UInt8]("ann@h.example"), fullName: [UInt8]("Ann B. Example"),
        hostname: [UInt8]("h.example"),
        date: DateTime(seconds: 0), messageID: [UInt8]("id@h.example"))

    private static let resent =
        "Resent-From: \"Ann B. Example\" <ann@h.example>\nResent-Date: Thu, 1 Jan 1970 00:00:00 +0000\n"
        + "Resent-Message-ID: <id@h.example>\n"
    private static let from = "From: \"Ann B. Example\" <ann@h.example>\n"
    private static let date = "Date: Thu, 1 Jan 1970 00:00:00 +0000\n"
    private static let id = "Message-ID: <id@h.example>\n"
    private static let nobody = "To: undisclosed-recipients:;\n"

    static let headers: [(String, String)] = [
        ("", from + date + id + nobody),
        ("Subject: x\n", "Subject: x\n" + from + date + id + nobody),
        ("To: bob@x\nSubject: y", "To: bob@x\nSubject: y\n" + from + date + id),
        ("CC: bob@x\n", "CC: bob@x\n" + from + date + id),
        ("From: a@b\nDATE: z\nmessage-id: <i>\nto: c@d\n", "From: a@b\nDATE: z\nmessage-id: <i>\nto: c@d\n"),
        // Bcc goes, with its folds.
        ("To: a@b\nBcc: c@d,\n e@f\nX: y\n", "To: a@b\nX: y\n" + from + date + id),
        ("bcc : c@d\nBCC:e@f\nResent-Bcc: g@h\n", resent + from + date + id + nobody),
        // Who sends a message anew says so on top of what it says of that; a block that is whole stays.
        (
            "Resent-To: a@b\nTo: c@d\nResent-To: e@f\n",
            resent + "Resent-To: a@b\nTo: c@d\nResent-To: e@f\n" + from + date + id
        ),
        (
            "To: a@b\nResent-date: x\nResent-From: ann\nResent-Message-ID: <i>\n",
            "To: a@b\nResent-date: x\nResent-From: ann@h.example\nResent-Message-ID: <i>\n" + from + date + id
        ),
        // A blank before the colon goes, not what follows.
        ("To : a@b\nX \t:y\n z\n", "To: a@b\nX:y\n z\n" + from + date + id),
        ("Errors-To: x\nTo : x\n", "Errors-To: x@h.example\nTo: x@h.example\n" + from + date + id),
        ("Return-Path: <x@y>\nTo: a@b\n", "To: a@b\n" + from + date + id),
        // Names become addresses; what is no name stays as it is.
        (
            "From: root (Cron Daemon)\nTo: root, Bob <bob>\n , x@y\nDate: d\nMessage-ID: i\n",
            "From: root@h.example (Cron Daemon)\nTo: root@h.example, Bob <bob@h.example>\n , x@y\nDate: d\n"
                + "Message-ID: i\n"
        ),
        // Nothing is written into what is not understood.
        (
            "From: Support [Billing] <desk@x>\nTo: root, Bob Smith u@d\nCc: [x] <root>\nDate: d\nMessage-ID: i\n",
            "From: Support [Billing] <desk@x>\nTo: root, Bob Smith u@d\nCc: [x] <root@h.example>\nDate: d\n"
                + "Message-ID: i\n"
        ),
        ("Subject: root\nTo: g:;\n", "Subject: root\nTo: g:;\n" + from + date + id),
    ]

    @Test("a header is completed", arguments: headers)
    func completed(text: String, expected: String) throws {
        let header = try #require(SubmittedHeader(MessageHeader(Array(text.utf8))))
        #expect(String(decoding: header.completed(by: Self.author), as: UTF8.self) == expected)
    }

    @Test(
        "recipients are those of To, Cc and Bcc, or of the Resent fields",
        arguments: [
            ("To: a@b, \"C D\" <c@d>\ncc: e\nBcc: f@g\nFrom: h@i\n", "a@b c@d e f@g"),
            ("To: a@b\nResent-To: c@d\nResent-Bcc: e@f\n", "c@d e@f"),
            ("To: g: a@b, c@d;\n", "a@b c@d"), ("Subject: a@b\n", ""), ("To:\nBcc:\n", ""),
            ("To: a@b,\n c@d\n", "a@b c@d"), ("To: undisclosed-recipients:;\nBcc: x@y\n", "x@y"),
        ])
    func recipients(text: String, expected: String) throws {
        let header = try #require(SubmittedHeader(MessageHeader(Array(text.utf8))))
        let found = header.recipients.addresses.map { String(decoding: $0.text, as: UTF8.self) }
        #expect(found.joined(separator: " ") == expected)
    }

    @Test(
        "a full name is written so that every reader understands it",
        arguments: [
            ("Ann Example", "From: Ann Example <ann@h.example>"), ("", "From: ann@h.example"),
            ("A \"B\" \\", "From: \"A \\\"B\\\" \\\\\" <ann@h.example>"),
            ("X, Y <z@w>", "From: \"X, Y <z@w>\" <ann@h.example>"),
            ("a\r\nBcc: x@y", "From: \"aBcc: x@y\" <ann@h.example>"),
            ("Jörg", "From: =?UTF-8?B?SsO2cmc=?= <ann@h.example>"),
            (
                "ööööööööööööööööööööööö",
                "From: =?UTF-8?B?w7bDtsO2w7bDtsO2w7bDtsO2w7bDtsO2w7bDtsO2w7bDtsO2w7bDtsO2w7Y=?=\n =?UTF-8?B?w7Y=?= <ann@h.example>"
            ),
        ])
    func fullName(name: String, expected: String) throws {
        var author = Self.author
        author.fullName = Array(name.utf8)
        let header = try #require(SubmittedHeader(MessageHeader([])))
        let text = String(decoding: header.completed(by: author), as: UTF8.self)
        #expect(text.hasPrefix(expected + "\nDate:"), "\(text)")
    }

    @Test(
        "a name that is not UTF-8 keeps its bytes, in words of a charset that is not told; one that is cut stays UTF-8",
        arguments: [
            ([UInt8]("J") + [0xF6] + [UInt8]("rg"), "=?unknown-8bit?B?SvZyZw==?="),
            ([0xFF], "=?unknown-8bit?B?/w==?="),
            // Cut off in the middle, and what would be a character in another place.
            ([UInt8]("J") + [0xC3] + [UInt8]("rg"), "=?unknown-8bit?B?SsNyZw==?="),
            ([UInt8]("J") + [0xB6], "=?unknown-8bit?B?SrY=?="),
            (
                [UInt8](repeating: 0xB6, count: 40),
                "=?unknown-8bit?B?\(String(repeating: "tra2", count: 13))?=\n =?unknown-8bit?B?tg==?="
            ),
            (
                [UInt8]("ö") + [UInt8](repeating: 0x61, count: 197) + [UInt8]("ö"),
                "=?UTF-8?B?w7Zh\(String(repeating: "YWFh", count: 14))?=\n "
                    + String(repeating: "=?UTF-8?B?\(String(repeating: "YWFh", count: 15))?=\n ", count: 3)
                    + "=?UTF-8?B?\(String(repeating: "YWFh", count: 6))YQ==?="
            ),
        ])
    func otherCharsets(name: [UInt8], expected: String) throws {
        var author = Self.author
        author.fullName = name
        let header = try #require(SubmittedHeader(MessageHeader([])))
        let text = String(decoding: header.completed(by: author), as: UTF8.self)
        #expect(text.hasPrefix("From: \(expected) <ann@h.example>\nDate:"), "\(text)")
    }

    @Test("10,000 recipients (T76); more fields than are looked at are refused")
    func limits() throws {
        let list = (0..<10_000).map { "user\($0)@example.org" }.joined(separator: ",\n ")
        let header = try #require(SubmittedHeader(MessageHeader(Array("Bcc: \(list)\n".utf8))))
        #expect(header.recipients.addresses.count == 10_000)
        #expect(header.recipients.unclear.isEmpty)
        let many = String(repeating: "X: y\n", count: MessageHeader.mostFields)
        #expect(SubmittedHeader(MessageHeader(Array((many + "Bcc: a@b\n").utf8))) == nil)
    }
}

@Suite struct MessageStartTests {
    static let texts: [(String, String)] = [
        ("", ""), ("A: b\n\nx\n", "A: b\n\nx\n"), ("\nx\n", "\nx\n"), ("A: b", "A: b"),
        // Lines that an mbox puts in front, quoted or not.
        ("From a@b Mon Jan  1\nA: b\n", "A: b\n"), (">From a@b\nA: b\n", "A: b\n"),
        ("From a\n>From b\n>>From c\nA: b\n", "A: b\n"), ("From a", ""), ("From a\n", ""),
        ("From: a\n", "From: a\n"), ("A: b\nFrom x\n", "A: b\nFrom x\n"), (">A: b\n", ">A: b\n"),
        ("From a\n\nFrom b\n", "\nFrom b\n"),
        // Text that begins at once.
        ("Hello world\nA: b\n", "\nHello world\nA: b\n"), (" A: b\n", "\n A: b\n"), ("x", "\nx"),
        (":\n", "\n:\n"),
        ("From a\nHello\n", "\nHello\n"), ("na me: x\n", "\nna me: x\n"), ("\u{E9}: x\n", "\n\u{E9}: x\n"),
    ]

    @Test("an mbox's lines go, and text that begins at once does not become header", arguments: texts)
    func made(input: String, expected: String) {
        for size in [1, 2, 7, 1000] {
            var front = MessageStart()
            var output: [UInt8] = []
            var rest = Array(input.utf8)[...]
            while !rest.isEmpty {
                output += front.push(Array(rest.prefix(size)))
                rest = rest.dropFirst(size)
            }
            output += front.finish()
            #expect(String(decoding: output, as: UTF8.self) == expected, "parts of \(size)")
        }
    }

    @Test("a first line without end is not held, and one that is dropped even less")
    func endless() {
        let part = [UInt8](repeating: .ascii("x"), count: 1000)
        for start in ["", "From ", "A: "] {
            var front = MessageStart()
            var count = front.push(Array(start.utf8)).count
            for _ in 0..<100 { count += front.push(part).count }
            #expect(start == "From " ? count == 0 : count >= 100_000)
        }
    }

    @Test(
        "the header is whole with its empty line, or with the first line that is no field",
        arguments: [
            ("A: b\n\nx: y\n", "A: b\n\n"), ("A: b\n c\nD: e\n\n", "A: b\n c\nD: e\n\n"),
            ("A: b\nx\ny: z\n", "A: b\n"),
            ("x\ny: z\n", "\n"), ("\nA: b\n", "\n"), ("A: b", "A: b"), ("From x\nA: b\n\n", "A: b\n\n"),
        ])
    func gathered(input: String, expected: String) {
        for size in [1, 3, 1000] {
            var gatherer = HeaderGatherer()
            var rest = Array(input.utf8)[...]
            while !rest.isEmpty, !gatherer.isWhole {
                gatherer.push(Array(rest.prefix(size)))
                rest = rest.dropFirst(size)
            }
            if !gatherer.isWhole { gatherer.finish() }
            let header = gatherer.text.prefix(gatherer.header.size)
            #expect(String(decoding: header, as: UTF8.self) == expected, "parts of \(size)")
        }
    }
}

@Suite struct InvocationTests {
    private func read(_ line: String, name: String = "sendmail") throws(Invocation.Mistake) -> Invocation {
        try Invocation(name: name, line.split(separator: " ").map { Array($0.utf8) })
    }

    static let good: [(String, @Sendable (inout Invocation) -> Void)] = [
        ("bob", { $0.recipients = ["bob"] }),
        ("-t -i", { ($0.takesRecipientsFromHeader, $0.dotIsContent) = (true, true) }),
        ("-ti", { ($0.takesRecipientsFromHeader, $0.dotIsContent) = (true, true) }),
        ("-oi bob", { ($0.dotIsContent, $0.recipients) = (true, ["bob"]) }),
        ("-o i bob", { ($0.dotIsContent, $0.recipients) = (true, ["bob"]) }),
        ("-oem -oi -odb -om -oMsx bob", { ($0.dotIsContent, $0.recipients) = (true, ["bob"]) }),
        ("-f a@b bob", { ($0.sender, $0.recipients) = ("a@b", ["bob"]) }),
        ("-fa@b -Fx bob", { ($0.sender, $0.fullName, $0.recipients) = ("a@b", Array("x".utf8), ["bob"]) }),
        ("-r a@b -f c@d bob", { ($0.sender, $0.recipients) = ("c@d", ["bob"]) }),
        ("-f <> bob", { ($0.sender, $0.recipients) = ("<>", ["bob"]) }),
        ("bob -- carol", { $0.recipients = ["bob", "carol"] }),
        ("bob -t", { ($0.takesRecipientsFromHeader, $0.recipients) = (true, ["bob"]) }),
        ("-bm -em -m -n -G -U -x -s -c bob", { $0.recipients = ["bob"] }),
        ("-O X=y -L tag -X log -h 3 -p smtp -Am bob", { $0.recipients = ["bob"] }),
        (
            "-N never -R hdrs -V env bob",
            {
                ($0.notify, $0.returning, $0.envelopeID) = (.never, .headers, Array("env".utf8))
                $0.recipients = ["bob"]
            }
        ),
        (
            "-NSuccess,delay -Rfull -V a+b=c bob",
            {
                ($0.notify, $0.returning, $0.envelopeID) = ([.success, .delay], .full, Array("a+b=c".utf8))
                $0.recipients = ["bob"]
            }
        ),
        ("-d0.1 -d bob", { $0.recipients = ["bob"] }),
        ("-D /tmp/x -M id bob", { $0.recipients = ["bob"] }),
        ("-B8bitmime bob", { ($0.bodyType, $0.recipients) = ("8BITMIME", ["bob"]) }),
        ("-B BINARYMIME bob", { $0.recipients = ["bob"] }),
        ("-v bob", { ($0.isVerbose, $0.recipients) = (true, ["bob"]) }),
        ("-C /tmp/c -bp", { ($0.configuration, $0.mode) = ("/tmp/c", .listQueue) }),
        ("-bi", { $0.mode = .checkAliases }), ("-I", { $0.mode = .checkAliases }),
        ("-bs", { $0.mode = .speakSMTP }), ("-bv bob", { ($0.mode, $0.recipients) = (.verify, ["bob"]) }),
        ("-q", { $0.mode = .runQueue }), ("-q30m", { $0.mode = .runQueue }), ("-qf", { $0.mode = .runQueue }),
        ("-h", { $0.mode = .help }), ("--help", { $0.mode = .help }), ("--version", { $0.mode = .version }),
        ("", { _ in }), ("--", { _ in }),
    ]

    @Test("the command lines of thirty years", arguments: good.indices)
    func accepted(index: Int) throws {
        let (line, change) = Self.good[index]
        var expected = try read("")
        change(&expected)
        #expect(try read(line) == expected)
    }

    @Test(
        "what a sender cannot wish for is refused",
        arguments: [
            "-N", "-N always", "-N never,failure", "-N success,", "-N ,", "-R", "-R all", "-R full,hdrs",
            "-V",
            "-V \u{7}", "-V é", "-V \(String(repeating: "x", count: 101))",
            "-V \(String(repeating: "+", count: 34))",
        ])
    func refused(line: String) {
        #expect(throws: Invocation.Mistake.self) { try read(line + " ") }
    }

    @Test("the id of a sending fits ENVID at its limit, and blanks may stand in a list")
    func limits() throws {
        let id = String(repeating: "x", count: MailParameters.longestEnvelopeID)
        #expect(try read("-V \(id)").envelopeID == Array(id.utf8))
        let words = ["-N", "failure, delay", "-V", "a b"]
        let invocation = try Invocation(name: "sendmail", words.map { Array($0.utf8) })
        #expect(invocation.notify == [.failure, .delay] && invocation.envelopeID == Array("a b".utf8))
    }

    @Test("an argument that is not UTF-8 is a name as it came, and no address or file that would be another")
    func otherCharsets() throws {
        let name = [UInt8]("J") + [0xF6] + [UInt8]("rg")
        #expect(try Invocation(name: "", [[UInt8]("-F") + name, [UInt8]("bob")]).fullName == name)
        for words in [
            [name], [[UInt8]("-f"), name, [UInt8]("bob")], [[UInt8]("-C") + name, [UInt8]("bob")],
        ] {
            #expect(throws: Invocation.Mistake.self) { try Invocation(name: "", words) }
        }
        // A hyphen with an accent is a hyphen.
        #expect(throws: Invocation.Mistake.self) { try read("-- -\u{301}bob") }
    }

    @Test("mailq and newaliases are names of modes")
    func names() throws {
        #expect(try read("", name: "/usr/bin/mailq").mode == .listQueue)
        #expect(try read("", name: "newaliases").mode == .checkAliases)
        #expect(try read("", name: "").mode == .submit)
        #expect(try read("", name: "///").mode == .submit)
    }
}
