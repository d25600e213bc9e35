import Accounts
import Bytes
import Delivery
import Jobs
import Mail
import Program
import TemporaryPlaces
import Testing
import Unix

@testable import Recipients

private let passwd = """
    root:x:0:0:root:/root:/bin/sh
    daemon:x:1:1::/usr/sbin:/usr/sbin/nologin
    bob:x:1000:1000:Bob:/home/bob:/bin/sh
    a+b:x:1001:1001::/home/ab:/bin/sh
    postie:x:1002:1002::/home/postie:/bin/sh
    nobody:x:65534:65534::/nonexistent:/usr/sbin/nologin
    overflow:x:65535:65535::/nonexistent:/usr/sbin/nologin
    """

private let aliases = """
    sales: bob, carol@example.net
    bob+list: carol@example.net
    staff: :include:/etc/staff
    owner-staff: bob
    broken: "open
    """

/// What an outcome is, in a word or two.
private func short(_ outcome: RecipientDecision.Outcome) -> String {
    switch outcome {
    case .user(let user, let detail):
        "user \(user.name)" + (detail.map { "+\(String(decoding: $0, as: UTF8.self))" } ?? "")
    case .alias(let name, let targets, let owner):
        "alias \(String(decoding: name, as: UTF8.self)) \(targets.count)"
            + (owner.map { " \(String(decoding: $0, as: UTF8.self))" } ?? "")
    case .rootMailbox: "root"
    case .relay(let domain): "relay \(String(decoding: domain, as: UTF8.self))"
    case .refused(let status, _): "\(status)"
    case .deferred(let status, _, _): "\(status)"
    }
}

@Suite struct RecipientDecisionTests {
    let directory: TemporaryDirectory
    let rules: RecipientRules

    init() throws {
        let directory = try TemporaryDirectory()
        self.directory = directory
        let file = AliasFile(try directory.write("aliases", aliases))
        let accounts = AccountDatabase(SystemAccounts(passwd: try directory.write("passwd", passwd)))
        rules = RecipientRules(
            isLocal: { $0.equalsFolded("example.org") || $0.equalsFolded("localhost") },
            isRelayed: { $0.equalsFolded("backup.example") },
            alias: { names throws(LookupFailure) in
                do throws(AliasFile.Failure) { return try file.alias(ofAny: names) } catch {
                    throw LookupFailure("\(error)")
                }
            },
            account: { localPart, domain throws(LookupFailure) in
                do throws(AccountDatabase.Failure) {
                    return try accounts.account(for: localPart, at: domain)
                } catch {
                    throw LookupFailure("\(error)")
                }
            })
    }

    static let table: [(String, String?, String)] = [
        ("bob", "example.org", "user bob"), ("BOB", "Example.ORG", "user bob"), ("bob", nil, "user bob"),
        ("bob", "", "5.1.3"), ("bob+x", "example.org", "user bob+x"), ("Bob+X", nil, "user bob+X"),
        ("bob+", nil, "user bob+"), ("bob+a+b", nil, "user bob+a+b"), ("+bob", nil, "5.1.1"),
        ("bob+../../etc", nil, "user bob+../../etc"),
        // A name with the delimiter in it is found whole first.
        ("a+b", nil, "user a+b"), ("a+b+c", nil, "5.1.1"),
        ("sales", "example.org", "alias sales 2"), ("Sales+x", nil, "alias sales 2"),
        ("bob+list", nil, "alias bob+list 1"), ("staff", nil, "alias staff 1 owner-staff"),
        ("broken", nil, "4.3.0"),
        ("carol", "example.org", "5.1.1"), ("bo", nil, "5.1.1"), ("bob:x", nil, "5.1.1"),
        ("bob/", nil, "5.1.1"), ("-f", nil, "5.1.1"), ("\u{212A}arl", nil, "5.1.1"), (" ", nil, "5.1.1"),
        // Accounts that are no person's: what programs write to them is root's.
        ("daemon", "example.org", "root"), ("Daemon+x", nil, "root"), ("nobody", nil, "5.1.1"),
        ("overflow", nil, "5.1.1"),
        ("root", "example.org", "root"), ("root+x", nil, "root"), ("ROOT", nil, "root"),
        // RFC 5321 §4.5.1.
        ("postmaster", "example.org", "root"), ("PostMaster", nil, "root"), ("postmaster+x", nil, "root"),
        ("postmaster", "example.net", "5.7.1"),
        // T20: no way through us.
        ("bob", "example.net", "5.7.1"), ("bob%example.net", "example.org", "5.1.1"),
        ("bob@example.net", "example.org", "5.1.1"), ("example.net!bob", "example.org", "5.1.1"),
        ("@example.net:bob", "example.org", "5.1.1"), ("bob", "example.org.", "5.7.1"),
        ("bob", "[127.0.0.1]", "5.7.1"), ("bob", "xexample.org", "5.7.1"), ("bob", "a.example.org", "5.7.1"),
        ("bob", "example.org\0.example.net", "5.7.1"),
        ("x", "backup.example", "relay backup.example"), ("x%example.net", "backup.example", "5.7.1"),
        ("example.net!x", "backup.example", "5.7.1"), ("x@example.net", "backup.example", "5.7.1"),
        ("example.net:x", "backup.example", "5.7.1"),
        ("", "example.org", "5.1.3"), ("", nil, "5.1.3"), ("bob\0", nil, "5.1.3"), ("bob\nx", nil, "5.1.3"),
        ("bob\u{7f}", "backup.example", "5.1.3"),
    ]

    @Test("what an address becomes, for a stranger", arguments: table)
    func decide(localPart: String, domain: String?, expected: String) {
        let decision = rules.decide(
            localPart: Array(localPart.utf8), domain: domain.map { Array($0.utf8) }, explaining: true)
        #expect(short(decision.outcome) == expected, "\(decision.steps)")
        #expect(!decision.steps.isEmpty)
        #expect(decision.steps.allSatisfy { $0.utf8.allSatisfy(\.isPrintable) })
        #expect(
            decision.isAccepted == ["user", "alias", "root", "relay"].contains { expected.hasPrefix($0) })
    }

    @Test("who may relay may send anywhere, and still finds no unknown user here")
    func relaying() {
        var rules = rules
        rules.mayRelay = true
        func outcome(_ local: String, _ domain: String) -> String {
            short(rules.decide(localPart: Array(local.utf8), domain: Array(domain.utf8)).outcome)
        }
        #expect(outcome("x", "example.net") == "relay example.net")
        #expect(outcome("x%y", "example.net") == "relay example.net")
        #expect(outcome("carol", "example.org") == "5.1.1")
    }

    @Test("postmaster goes where the configuration says, and is never refused")
    func postmaster() {
        for (configured, expected) in [
            ("bob", "user bob"), ("missing", "root"), ("sales", "alias sales 2"), ("daemon", "root"),
            ("it@example.net", "alias postmaster 1"), ("postmaster", "root"),
            ("bob@localhost", "alias postmaster 1"), ("sales@localhost", "alias postmaster 1"),
            // They would come back.
            ("postmaster@example.org", "root"), ("Postmaster+x@localhost", "root"),
            ("missing@example.org", "root"),
        ] {
            var rules = rules
            rules.postmaster = Array(configured.utf8)
            #expect(short(rules.decide(localPart: [UInt8]("postmaster"), domain: nil).outcome) == expected)
        }
    }

    @Test("a private instance delivers for its own user alone")
    func privateInstance() {
        var rules = rules
        rules.onlyUserID = 1000
        func outcome(_ local: String) -> String {
            short(rules.decide(localPart: Array(local.utf8), domain: nil).outcome)
        }
        #expect(outcome("bob") == "user bob")
        #expect(outcome("postie") == "5.1.1")
        #expect(outcome("root") == "5.1.1")
        #expect(outcome("postmaster") == "root")
        // They are there, for somebody with more rights: no mail that was accepted is returned for that.
        rules.defersOthers = true
        #expect(outcome("postie") == "4.3.5")
        #expect(outcome("missing") == "5.1.1")
        #expect(outcome("root") == "root")
        #expect(outcome("daemon") == "root")
        #expect(outcome("postmaster") == "root")
        // Whoever runs it is a person, whatever first-user-id says.
        rules.onlyUserID = 1
        #expect(outcome("daemon") == "user daemon")
    }

    @Test("nothing is delivered as root, whatever is the first uid of a person")
    func firstUser() {
        var rules = rules
        for (first, daemon) in [(0, "user daemon"), (1, "user daemon"), (2, "root")] as [(UInt32, String)] {
            rules.firstUserID = first
            #expect(short(rules.decide(localPart: [UInt8]("root"), domain: nil).outcome) == "root")
            #expect(short(rules.decide(localPart: [UInt8]("daemon"), domain: nil).outcome) == daemon)
        }
    }

    @Test("an account that is no person's has root's alias, where it has none of its own")
    func systemAccounts() {
        var rules = rules
        let before = rules.alias
        rules.alias = { names throws(LookupFailure) in
            let root = [UInt8]("root")
            return names == [root] ? Alias(root, [.address([UInt8]("bob"))]) : try before(names)
        }
        #expect(short(rules.decide(localPart: [UInt8]("daemon"), domain: nil).outcome) == "alias root 1")
        rules.alias = { names throws(LookupFailure) in
            let daemon = [UInt8]("daemon")
            let targets: [Target] = [.address([UInt8]("bob")), .address([UInt8]("carol@example.net"))]
            return names.contains(daemon) ? Alias(daemon, targets) : nil
        }
        #expect(short(rules.decide(localPart: [UInt8]("daemon"), domain: nil).outcome) == "alias daemon 2")
    }

    @Test("no delimiter, no extensions")
    func noDelimiter() {
        var rules = rules
        rules.delimiter = nil
        #expect(short(rules.decide(localPart: [UInt8]("bob+x"), domain: nil).outcome) == "5.1.1")
        #expect(
            short(rules.decide(localPart: [UInt8]("bob+list"), domain: nil).outcome) == "alias bob+list 1")
    }

    @Test("a lookup that fails defers, it does not refuse")
    func failing() {
        var rules = rules
        rules.account = { _, _ throws(LookupFailure) in throw LookupFailure("open /etc/passwd: I/O error") }
        #expect(short(rules.decide(localPart: [UInt8]("bob"), domain: nil).outcome) == "4.3.0")
        #expect(short(rules.decide(localPart: [UInt8]("sales"), domain: nil).outcome) == "alias sales 2")
    }

    @Test(
        "an extension begins at the first delimiter that is not at the front",
        arguments: [
            ("bob", "bob", nil), ("bob+x", "bob", "x"), ("bob+x+y", "bob", "x+y"), ("bob+", "bob", ""),
            ("+x", "+x", nil), ("+x+y", "+x", "y"), ("", "", nil), ("+", "+", nil),
        ] as [(String, String, String?)])
    func split(text: String, base: String, detail: String?) {
        let parts = RecipientRules.split(Array(text.utf8), at: .ascii("+"))
        #expect(parts.base == Array(base.utf8) && parts.detail == detail.map { Array($0.utf8) })
        #expect(RecipientRules.split(Array(text.utf8), at: nil).base == Array(text.utf8))
    }

    /// Rules of a host with a users file, and two domains of nobody else's.
    private func virtual() throws -> RecipientRules {
        let isVirtual: ([UInt8]) -> Bool = { $0.equalsFolded("v.example") || $0.equalsFolded("w.example") }
        let accounts = AccountDatabase(
            SystemAccounts(passwd: try directory.write("passwd", passwd)),
            usersFile: try directory.write(
                "users",
                """
                ann@v.example:x:2001:2001::/v/ann:
                ann@w.example:x:2002:2002::/w/ann:
                sales@v.example:x:2003:2003::/v/sales:
                low@v.example:x:999:999::/v/low:
                nil@v.example:x:0:0::/v/nil:
                bad@v.example:x
                bob@example.org:x:2004:2004::/o/bob:

                """))
        var rules = rules
        let isLocal = rules.isLocal
        rules.isLocal = { isVirtual($0) || isLocal($0) }
        rules.isVirtual = isVirtual
        rules.sharesUsers = { _ in false }
        rules.ownDomain = Array("example.org".utf8)
        rules.account = { localPart, domain throws(LookupFailure) in
            do throws(AccountDatabase.Failure) {
                return try accounts.account(
                    for: localPart, at: domain, isVirtual: domain.map(isVirtual) ?? false)
            } catch { throw LookupFailure("\(error)") }
        }
        return rules
    }

    @Test(
        "at a virtual domain those have mail whom the users file names with it: no alias, and nobody of the system",
        arguments: [
            ("ann@v.example", "user ann@v.example"), ("ANN+x@V.Example", "user ann@v.example+x"),
            ("ann@w.example", "user ann@w.example"), ("ann@example.org", "5.1.1"),
            ("bob@v.example", "5.1.1"), ("sales@v.example", "user sales@v.example"),
            ("sales@w.example", "5.1.1"),
            ("sales@example.org", "alias sales 2"), ("root@v.example", "5.1.1"),
            ("daemon@v.example", "5.1.1"),
            ("bob@example.org", "user bob@example.org"), ("bob@localhost", "user bob"), ("bob", "user bob"),
            // uids that are no person's, and a line without one.
            ("low@v.example", "5.1.1"), ("nil@v.example", "5.1.1"), ("bad@v.example", "4.3.0"),
            ("postmaster@v.example", "root"), ("Postmaster+x@w.example", "root"),
        ])
    func virtualDomains(address: String, expected: String) throws {
        let rules = try virtual()
        let address = RecipientAddress(Array(address.utf8))
        #expect(short(rules.decide(localPart: address.localPart, domain: address.domain).outcome) == expected)
    }

    @Test(
        "an alias of one address goes before that of the name and before accounts, one of a whole domain behind them",
        arguments: [
            ("info@v.example", "alias info@v.example 2 owner-info@v.example"),
            ("INFO+x@V.Example.", "alias info@v.example 2 owner-info@v.example"),
            ("sales@v.example", "alias sales@v.example 1"), ("info@w.example", "alias @w.example 1"),
            ("info@example.org", "alias info@example.org 1"), ("info", "alias info@example.org 1"),
            ("info@localhost", "alias info 1"), ("info+x+y@localhost", "alias info 1"),
            ("ann@w.example", "user ann@w.example"), ("Ann+x@w.example", "user ann@w.example+x"),
            ("root@w.example", "alias @w.example 1"), ("postmaster@w.example", "alias @w.example 1"),
            ("postmaster@v.example", "root"), ("nobody@v.example", "5.1.1"), ("x@example.org", "5.1.1"),
            ("x@localhost", "alias @localhost 1"), ("bob@localhost", "user bob"),
            ("daemon@localhost", "root"), ("bad@localhost", "4.3.0"),
            // What looks like somebody's address in quotes is none.
            ("\"info@v.example\"@example.org", "5.1.1"),
            ("\"info@v.example\"@w.example", "alias @w.example 1"),
            ("\"@w.example\"@v.example", "5.1.1"),
        ])
    func domainAliases(address: String, expected: String) throws {
        var rules = try virtual()
        let file = AliasFile(
            try directory.write(
                "domains",
                """
                info: bob
                bad@localhost: "open
                @w.example: bob
                Info@V.example: bob, x@far.example
                owner-info@v.example: bob
                info@example.org.: carol@example.net
                sales@v.example: bob
                @localhost: bob

                """))
        rules.alias = { names throws(LookupFailure) in
            do throws(AliasFile.Failure) { return try file.alias(ofAny: names) } catch {
                throw LookupFailure("\(error)")
            }
        }
        let address = RecipientAddress(Array(address.utf8))
        #expect(short(rules.decide(localPart: address.localPart, domain: address.domain).outcome) == expected)
    }

    @Test("local domains share their users where there is no users file, and no alias of one domain")
    func sharing() throws {
        var configuration = Configuration()
        configuration.localDomains = ["a.example", "b.example"]
        configuration.virtualDomains = ["v.example"]
        configuration.aliasesFile = try directory.write("shared", "ann: bob\n")
        let rules = RecipientRules(configuration)
        func shares(_ domain: String) -> Bool { rules.sharesUsers(Array(domain.utf8)) }
        #expect(shares("a.example") && shares("B.example") && !shares("v.example"))
        try directory.write("shared", "ann: bob\nann@v.example: bob\n")
        #expect(!shares("a.example"))
        try Path.remove(configuration.aliasesFile)
        #expect(shares("a.example"))
    }

    @Test("a virtual domain's postmaster is the host's, whose aliases lead to users of the host")
    func virtualPostmaster() throws {
        var rules = try virtual()
        rules.alias = { names throws(LookupFailure) in
            let name = [UInt8]("postmaster")
            return names.contains(name) ? Alias(name, [.address(Array("bob".utf8))]) : nil
        }
        let address = RecipientAddress(Array("postmaster@v.example".utf8))
        let plan = DeliveryPlan(
            rules.decide(localPart: address.localPart, domain: address.domain), for: address, rules: rules)
        #expect(
            plan.outcomes.flatMap { $0.forwards.flatMap { $0.recipients } }.map {
                String(decoding: $0.address, as: UTF8.self)
            } == ["bob@example.org"])
    }

    @Test(
        "a list means its owner's mailbox by the owner's name, and by it at the owner's own domain",
        arguments: [
            ("ann@v.example", "ann@v.example", "ann", true),
            ("ann@v.example", "ann@v.example", "ann@V.EXAMPLE", true),
            ("ann@v.example", "ann@v.example", "ann@w.example", false),
            ("ann@v.example", "ann@v.example", "bob", false), ("bob", "bob@localhost", "bob@localhost", true),
            ("bob", "bob@localhost", "bob@example.org", false), ("bob", "bob", "bob", true),
            ("bob", "postmaster@v.example", "bob@v.example", false),
            ("bob", "bob@localhost", "bob@v.example", false),
        ])
    func own(name: String, recipient: String, address: String, isOwn: Bool) throws {
        let account = Account(
            name: name, uid: 2001, gid: 2001, home: "/", shell: "", isSystems: !name.contains("@"))
        let result = try virtual().isOwn(
            RecipientAddress(Array(address.utf8)), of: account, as: RecipientAddress(Array(recipient.utf8)))
        #expect(result == isOwn)
    }
}
