import IMAP
import Testing

@Suite struct ListTests {
    private func client(_ names: [String], subscribed: [String] = []) -> Client {
        let store = FakeStore()
        for name in names { store.boxes[Array(name.utf8)] = FakeStore.Box(validity: 1) }
        store.subscribed = Set(subscribed.map { Array($0.utf8) })
        return Client(store)
    }

    /// The answers without `* LIST ` and the separator.
    private func lines(_ said: String) -> [String] {
        said.split(separator: "\r\n").dropLast().map { line in
            line.split(separator: " \".\"").joined().replacing("* LIST ", with: "").replacing(
                "* LSUB ", with: "")
        }
    }

    @Test(
        "patterns match names",
        arguments: [
            ("*", ["INBOX", "a", "a.b", "a.b.c", "inbox-old", "x y"]),
            ("%", ["INBOX", "a", "inbox-old", "\"x y\""]), ("a.%", ["a.b"]),
            ("a*", ["a", "a.b", "a.b.c"]), ("inbox", ["INBOX"]), ("iNbOx", ["INBOX"]), ("*c", ["a.b.c"]),
            ("b", []), ("%.%", ["a.b"]),
            ("inbox-old", ["inbox-old"]), ("INBOX-old", []), ("inbox*", ["INBOX", "inbox-old"]),
            ("%%%%", ["INBOX", "a", "inbox-old", "x y"]),
            ("a%*", ["a", "a.b", "a.b.c"]), ("*%b", ["a.b"]), ("A", []), ("IN%", ["INBOX"]),
        ])
    func patterns(pattern: String, names: [String]) {
        let said = client(["a", "a.b", "a.b.c", "x y", "inbox-old", "INBOX", "inbox"]).say(
            "b LIST \"\" \"\(pattern)\"\r\n")
        let found = said.split(separator: "\r\n").dropLast().map { String($0.split(separator: "\".\" ")[1]) }
        #expect(found == names.map { $0.contains(" ") && !$0.hasPrefix("\"") ? "\"\($0)\"" : $0 })
    }

    @Test("a pattern costs no more than a name squared, whatever it consists of (T36)")
    func cost() {
        let client = client((0..<200).map { String(repeating: "a", count: 190) + String($0) })
        for pattern in [
            String(repeating: "*a", count: 90) + "b", String(repeating: "%", count: 30_000) + "b",
            String(repeating: "%a", count: 15_000), String(repeating: "*%", count: 15_000) + "b",
        ] {
            #expect(client.say("a LIST \"\" \"\(pattern)\"\r\n") == "a OK Completed\r\n")
        }
    }

    @Test("LSUB shows what is above a subscribed name for %, and no more")
    func lsub() {
        let client = client(["foo", "foo.bar", "other"], subscribed: ["foo.bar", "gone"])
        #expect(
            lines(client.say("a LSUB \"\" %\r\n")) == [
                "(\\NonExistent \\HasNoChildren) gone", "(\\Noselect \\HasChildren) foo",
            ])
        #expect(
            lines(client.say("a LSUB \"\" *\r\n")) == [
                "(\\HasNoChildren) foo.bar", "(\\NonExistent \\HasNoChildren) gone",
            ])
        #expect(lines(client.say("a LSUB foo. %\r\n")) == ["(\\HasNoChildren) foo.bar"])
        #expect(client.say("a LIST \"\" \"\"\r\n") == "* LIST (\\Noselect) \".\" \"\"\r\na OK Completed\r\n")
    }

    @Test(
        "LIST's options: RFC 5258 and RFC 6154",
        arguments: [
            (
                "(SUBSCRIBED) \"\" *",
                ["(\\HasNoChildren \\Subscribed) a.b", "(\\NonExistent \\HasNoChildren \\Subscribed) gone.x"]
            ),
            ("(SUBSCRIBED) \"\" %", []),
            (
                "(SUBSCRIBED RECURSIVEMATCH) \"\" %",
                [
                    "(\\HasChildren) a (\"CHILDINFO\" (\"SUBSCRIBED\"))",
                    "(\\NonExistent \\HasNoChildren) gone (\"CHILDINFO\" (\"SUBSCRIBED\"))",
                ]
            ),
            ("(SPECIAL-USE) \"\" *", ["(\\HasNoChildren \\Sent) Sent"]),
            ("(REMOTE) \"\" Se%", ["(\\HasNoChildren \\Sent) Sent"]),
            ("() \"\" (a inbox)", ["(\\HasNoChildren) INBOX", "(\\HasChildren) a"]),
            ("\"\" a.* RETURN (SUBSCRIBED CHILDREN)", ["(\\HasNoChildren \\Subscribed) a.b"]),
            ("\"\" S* RETURN (SPECIAL-USE)", ["(\\HasNoChildren \\Sent) Sent"]),
            ("\"\" (a Sent) RETURN ()", ["(\\HasNoChildren \\Sent) Sent", "(\\HasChildren) a"]),
        ] as [(String, [String])])
    func options(arguments: String, answers: [String]) {
        let client = client(["a", "a.b", "Sent"], subscribed: ["a.b", "gone.x"])
        let said = client.say("x LIST \(arguments)\r\n")
        #expect(said.hasSuffix("x OK Completed\r\n"), "\(said)")
        #expect(lines(said) == answers)
    }

    @Test(
        "RECURSIVEMATCH shows what is above others than are shown: RFC 5258 §5, example 9",
        arguments: [
            (
                "*2",
                [
                    "(\\HasNoChildren \\Subscribed) baz2.bar2", "(\\HasNoChildren \\Subscribed) baz2.bar22",
                    "(\\HasNoChildren \\Subscribed) baz2.bar222",
                    "(\\HasChildren \\Subscribed) eps2 (\"CHILDINFO\" (\"SUBSCRIBED\"))",
                    "(\\HasNoChildren \\Subscribed) foo2.bar2",
                    "(\\HasNoChildren \\Subscribed) qux2.bar2",
                    "(\\HasChildren) foo2 (\"CHILDINFO\" (\"SUBSCRIBED\"))",
                ]
            ),
            (
                "(foo2 foo2.bar1 foo2.bar2)",
                ["(\\HasNoChildren \\Subscribed) foo2.bar1", "(\\HasNoChildren \\Subscribed) foo2.bar2"]
            ),
            ("baz2", ["(\\HasChildren) baz2 (\"CHILDINFO\" (\"SUBSCRIBED\"))"]),
        ])
    func recursive(pattern: String, answers: [String]) {
        let subscribed = [
            "baz2.bar2", "baz2.bar22", "baz2.bar222", "eps2", "eps2.mamba", "foo2.bar1", "foo2.bar2",
            "qux2.bar2",
        ]
        let client = client(subscribed + ["foo2", "baz2"], subscribed: subscribed)
        #expect(lines(client.say("x LIST (RECURSIVEMATCH SUBSCRIBED) \"\" \(pattern)\r\n")) == answers)
    }

    @Test(
        "options that mean nothing are refused",
        arguments: [
            "(RECURSIVEMATCH) \"\" *", "(NONE) \"\" *", "(SUBSCRIBED \"\" *", "\"\" * RETURN (NONE)",
            "\"\" * RETURN", "\"\" ()",
            "\"\" (a", "(SUBSCRIBED)", "\"\" * RETURN (CHILDREN",
        ])
    func badOptions(arguments: String) {
        #expect(client([]).say("x LIST \(arguments)\r\n").hasPrefix("x BAD "))
    }
}
