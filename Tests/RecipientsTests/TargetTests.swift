import Bytes
import Recipients
import Testing

private func address(_ text: String) -> Target { .address(Array(text.utf8)) }
private func program(_ text: String) -> Target { .program(Array(text.utf8)) }
private func file(_ text: String) -> Target { .file(Array(text.utf8)) }

@Suite struct TargetTests {
    static let lists: [(String, [Target])] = [
        ("", []), ("  ,, , ", []),
        ("bob", [address("bob")]),
        ("bob, carol@example.org,dave", [address("bob"), address("carol@example.org"), address("dave")]),
        (#"\bob"#, [.mailbox([UInt8]("bob"))]), (#""\\bob""#, [.mailbox([UInt8]("bob"))]),
        (#"\bob, "|vacation bob""#, [.mailbox([UInt8]("bob")), program("vacation bob")]),
        ("|/usr/bin/cat -n", [program("/usr/bin/cat -n")]),
        (#""|exec cat > \"a, b\"""#, [program(#"exec cat > "a, b""#)]),
        (#"|"cat, really", x"#, [program("cat, really"), address("x")]),
        ("|(cd /tmp && cat)", [program("(cd /tmp && cat)")]),
        ("/var/mail/archive", [file("/var/mail/archive")]),
        (#""/var/mail/a b/", x"#, [file("/var/mail/a b/"), address("x")]),
        ("/dev/null", [file("/dev/null")]),
        (":include:/etc/list", [.include([UInt8]("/etc/list"))]),
        (#"":include: /etc/list""#, [.include([UInt8]("/etc/list"))]),
        ("Bob Smith <bob@example.org>", [address("bob@example.org")]),
        (#""Smith, Bob" <bob@example.org>, x"#, [address("bob@example.org"), address("x")]),
        (#""bob smith"@example.org"#, [address(#""bob smith"@example.org"#)]),
        ("bob (the, builder), x (\\)) ", [address("bob"), address("x")]),
        (#""bob""#, [address(#""bob""#)]),
        // Quotes around all of an address are the list's; a dot behind the domain says that it is complete.
        (#""u@d.example""#, [address("u@d.example")]), ("u@d.example.", [address("u@d.example")]),
        (#""Bob <u@d.example>""#, [address("u@d.example")]), (#""\"a b\"@d""#, [address(#""a b"@d"#)]),
        ("a..b@d, u@[192.0.2.1]", [address("a..b@d"), address("u@[192.0.2.1]")]),
    ]

    @Test("a list of targets", arguments: lists)
    func list(text: String, targets: [Target]) throws {
        var cursor = Cursor(Array(text.utf8))
        #expect(try cursor.targets() == targets)
    }

    @Test(
        "what is no list is refused",
        arguments: [
            #"""#, #""bob"#, #""|cat"#, "bob (open", "bob smith", "|", #""|""#, #"\"#, #"\bob smith"#,
            ":include:", ":include:relative", ":fail: no", "-f", "-oQ/tmp x", "<-x@y>", "bob\0", "a\u{1b}[m",
            "<>", #""a\"#, "a\nb", "a;b@c", #""a;b@c""#, "a;b", "a@b@c", "u@d..", "u@", "u@d;e", "@d",
            "u@a b",
        ])
    func bad(text: String) {
        var cursor = Cursor(Array(text.utf8))
        #expect(throws: SyntaxError.self) { try cursor.targets() }
    }

    @Test("an item and a list have their limits, n and n+1")
    func limits() throws {
        for (count, isGood) in [(498, true), (499, false)] {
            var path = Cursor([UInt8](repeating: .ascii("a"), count: count - 2) + [UInt8]("@b"))
            #expect((try? path.targets().count == 1) == (isGood ? true : nil))
        }
        var fits = Cursor([UInt8]("|") + [UInt8](repeating: .ascii("a"), count: Target.longest - 1))
        #expect(try fits.targets().count == 1)
        var long = Cursor([UInt8]("|") + [UInt8](repeating: .ascii("a"), count: Target.longest))
        #expect(throws: SyntaxError.self) { try long.targets() }
        let many = [UInt8]((0..<Target.most).map { "u\($0)" }.joined(separator: ",").utf8)
        var most = Cursor(many)
        #expect(try most.targets().count == Target.most)
        var more = Cursor(many + [UInt8](",x"))
        #expect(throws: SyntaxError.self) { try more.targets() }
        var open = Cursor([UInt8](repeating: .ascii("("), count: 100_000))
        #expect(throws: SyntaxError.self) { try open.targets() }
    }

    @Test("a .forward is lists on lines, with comments")
    func forward() throws {
        let text = "# comment\n\\bob,\n  carol@example.org\r\n\n\"|cat\", /tmp/x\n#end"
        #expect(
            try ForwardFile.parse(Array(text.utf8)) == [
                .mailbox([UInt8]("bob")), address("carol@example.org"), program("cat"), file("/tmp/x"),
            ])
        #expect(try ForwardFile.parse([UInt8]("# nothing\n\n")) == [])
        #expect(throws: ForwardFile.Failure.malformed(line: 2)) {
            try ForwardFile.parse([UInt8]("bob\n\"open\n"))
        }
    }

    @Test("an extension names a file of its own only if it leads nowhere else (T60)")
    func names() {
        #expect(ForwardFile.names(for: nil) == [".forward"])
        #expect(ForwardFile.names(for: [UInt8]("List-2.x")) == [".forward+list-2.x", ".forward"])
        for hostile in ["", "..", ".x", "a/b", "/etc/passwd", "../../x", "a\0b", "a b", "é"] {
            #expect(ForwardFile.names(for: Array(hostile.utf8)) == [".forward"])
        }
        #expect(ForwardFile.names(for: [UInt8](repeating: 0x61, count: 64)).count == 2)
        #expect(ForwardFile.names(for: [UInt8](repeating: 0x61, count: 65)).count == 1)
    }
}
