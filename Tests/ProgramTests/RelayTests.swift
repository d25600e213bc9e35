import Bytes
import Program
import TemporaryPlaces
import Testing
import Unix

/// The keys relay-host and relay-passwords.
@Suite struct RelayTests {
    private static func table(_ text: String) throws -> RelayTable {
        try Configuration.parse(Array("relay-host = \(text)\n".utf8), file: "c").relayHost
    }

    private static func name(_ table: RelayTable, _ domain: String, from sender: String = "") -> String {
        guard let line = table.line(for: Array(domain.utf8)[...], from: Array(sender.utf8)) else {
            return "none"
        }
        return line.host.map { String(decoding: $0.name, as: UTF8.self) } ?? "direct"
    }

    @Test(
        "a host has a scheme, perhaps a login, and what every route has",
        arguments: [
            ("mail.example.net", "smtp://mail.example.net", false),
            ("smtp://Mail.example.net", "smtp://mail.example.net", false),
            ("smtps://mail.example.net", "smtps://mail.example.net", true),
            ("[mail.example.net]", "smtp://[mail.example.net]", true),
            ("smtp://mail.example.net:587", "smtp://mail.example.net:587", true),
            ("[192.0.2.1]", "smtp://[192.0.2.1]", true),
            ("[2001:db8::1]:26", "smtp://[2001:db8::1]:26", true),
            ("192.0.2.1", "smtp://192.0.2.1", true), ("192.0.2.1:26", "smtp://192.0.2.1:26", true),
            (
                "smtps://Me@example.com@mail.example.net:466", "smtps://Me@example.com@mail.example.net:466",
                true
            ),
        ])
    func hosts(text: String, name: String, isItself: Bool) throws {
        let host = try #require(RelayHost(text))
        #expect(String(decoding: host.name, as: UTF8.self) == name)
        #expect(host.isHostItself == isItself)
        #expect(RelayHost(name) == host)
    }

    @Test(
        "what is no host is refused",
        arguments: [
            "", "smtp://", "lmtp://mail.example.net", "SMTP://mail.example.net", "smtps://@mail.example.net",
            "mail.example.net:0",
            "mail.example.net:65536", "mail.example.net:", "[192.0.2.1", "[192.0.2.999]", "a b",
            "smtps://a\u{1}@mail.example.net",
            "smtps://" + String(repeating: "@", count: 80) + "mail.example.net", "direct", "example.org=",
            "=mail.example.net",
            "from:=mail.example.net", "from:@x=mail.example.net", ".=mail.example.net",
            "a/b=mail.example.net",
            "a.example=mail.example.net b.example=x:y", "one.example two.example", "a.example=x A.example=y",
            "from:a@b.example=direct from:A@B.example=x",
        ])
    func refusals(text: String) {
        guard !text.isEmpty else { return }
        #expect(throws: ConfigurationError.self) { try Self.table(text) }
    }

    @Test(
        "the most specific line counts, in whatever order: recipient before sender, address before domain, long before short"
    )
    func precedence() throws {
        let lines = [
            "all.example", "from:b.example=domain.example", "from:a@b.example=address.example",
            ".org=below.example",
            ".sub.org=deeper.example", "x.sub.org=exact.example", "mx.org=direct",
        ]
        for order in [lines, lines.reversed()] {
            let table = try Self.table(order.joined(separator: " "))
            for (domain, sender, host) in [
                ("x.sub.org", "a@b.example", "exact.example"), ("X.SUB.ORG.", "a@b.example", "exact.example"),
                ("y.sub.org", "a@b.example", "deeper.example"), ("sub.org", "a@b.example", "below.example"),
                ("org", "A@B.example", "address.example"), ("badsub.organ", "c@b.example", "domain.example"),
                ("else.example", "c@x.b.example", "all.example"), ("else.example", "", "all.example"),
                ("mx.org", "a@b.example", "direct"),
            ] {
                let wanted = host == "direct" ? host : "smtp://\(host)"
                #expect(Self.name(table, domain, from: sender) == wanted, "\(domain) from \(sender)")
            }
        }
        #expect(Self.name(RelayTable(), "x.example") == "none")
        #expect(Self.name(try Self.table("x.example=y.example"), "z.example", from: "a@x.example") == "none")
    }

    @Test("a login with an equals sign, and a line that is nothing but a host")
    func equals() throws {
        let table = try Self.table("smtps://a=b@mail.example.net,example.org=smtps://c=d@mail.example.net")
        #expect(Self.name(table, "x.example") == "smtps://a=b@mail.example.net")
        #expect(Self.name(table, "example.org") == "smtps://c=d@mail.example.net")
    }

    // MARK: - Passwords

    private static let file = """
        # provider
        mail.example.net:587  first@example.com  for 587 alone
        mail.example.net      me@example.com     pass word\u{20}\u{20}
        mail.example.net      you@example.com    other

        [192.0.2.1] joe p
        """

    @Test(
        "the first line of the host, its port and its login",
        arguments: [
            ("smtps://mail.example.net", "me@example.com", "pass word"),
            ("mail.example.net:587", "first@example.com", "for 587 alone"),
            ("smtp://[Mail.Example.NET]", "me@example.com", "pass word"),
            ("smtps://you@example.com@mail.example.net", "you@example.com", "other"),
            ("[192.0.2.1]:26", "joe", "p"), ("192.0.2.1:26", "joe", "p"),
            ("smtps://nobody@mail.example.net", nil, nil),
            ("smtps://first@example.com@mail.example.net", nil, nil), ("smtps://example.net", nil, nil),
        ] as [(String, String?, String?)])
    func logins(host: String, user: String?, password: String?) throws {
        let passwords = try RelayPasswords(Array(Self.file.utf8), file: "p")
        let found = passwords.login(at: try #require(RelayHost(host)), standardPort: 25)
        #expect(found.map { String(decoding: $0.user, as: UTF8.self) } == user)
        #expect(found.map { String(decoding: $0.password, as: UTF8.self) } == password)
    }

    @Test(
        "a line that is none is named, and nothing of it is told",
        arguments: ["mail.example.net me", "x", "smtps://h u p", "h:0 u p", "me@h u p"])
    func badLines(line: String) {
        #expect {
            try RelayPasswords(Array("\n\(line)\n".utf8), file: "p")
        } throws: { "\($0)" == "p:2: expected `host login password`, or `host:port login password`" }
    }

    @Test("a file that others may read or change is refused")
    func modes() throws {
        let directory = try TemporaryDirectory()
        for (mode, isGood) in [(0o600, true), (0o400, true), (0o640, false), (0o604, false), (0o620, false)] {
            let path = try directory.write(
                "passwords\(mode)", Array("h.example u p\n".utf8), mode: UInt32(mode))
            if isGood {
                #expect(throws: Never.self) { try RelayPasswords.read(path) }
            } else {
                #expect {
                    try RelayPasswords.read(path)
                } throws: {
                    "\($0)" == "\(path): others may read or change the passwords in it: chmod 0600 \(path)"
                }
            }
        }
        #expect(throws: ConfigurationError.self) { try RelayPasswords.read("\(directory.path)/none") }
    }
}
