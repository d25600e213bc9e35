import Accounts
import Bytes
import Mail
import TemporaryPlaces
import Testing

@testable import Delivery
@testable import Jobs
@testable import Recipients

@Suite struct AliasExpansionTests {
    let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    private func rules(_ text: String) throws -> RecipientRules {
        let file = AliasFile(try directory.write("aliases", text))
        var rules = RecipientRules(
            isLocal: { $0.equalsFolded("here") || $0.equalsFolded("also.here") }, isRelayed: { _ in false },
            alias: { names throws(LookupFailure) in
                do throws(AliasFile.Failure) { return try file.alias(ofAny: names) } catch {
                    throw LookupFailure("\(error)")
                }
            },
            account: { localPart, _ in
                guard localPart.elementsEqual("user".utf8) else { return nil }
                return Account(name: "user", uid: 1001, gid: 100, home: "/", shell: "", isSystems: true)
            })
        rules.aliasFile = file
        return rules
    }

    private func expand(_ text: String, deepest: Int = AliasExpansion.deepest) throws -> AliasExpansion {
        let rules = try rules(text)
        let alias = try #require(try rules.alias([[UInt8]("a")]))
        return try AliasExpansion(
            of: alias.name, alias.targets, origin: [UInt8]("here"), rules: rules, deepest: deepest)
    }

    @Test(
        "each alias is followed once, each address named once",
        arguments: [
            ("a: ann, ann, Ann, ANN@HERE, ann@also.here", ["ann@here/account"]),
            ("a: b, c\nb: ann, x@far\nc: ann, x@FAR, X@far", ["ann@here/account x@far X@far"]),
            ("a: b, b, b\nb: x@far", ["x@far"]), ("a: b, a\nb: a, x@far", ["x@far a@here/account"]),
            ("a: b\nb: c, x@far\nc: b, y@far", ["y@far x@far"]),
            ("a: a+x, a", ["a+x@here/account a@here/account"]),
            ("a: b+x, b\nb+x: x@far\nb: y@far", ["x@far y@far"]), ("a: b+x\nb: y@far", ["y@far"]),
            ("a: \\ann, ann, \\ann", ["ann@here/mailbox ann@here/account"]), ("a: a", ["a@here/account"]),
            // Programs and files of another alias are its own.
            ("a: b, c, x@far\nb: log\nc: log\nlog: |cat, y@far, /f", ["log@here/targets y@far x@far"]),
            ("a: b\nb: :include:/l, |x", ["b@here/targets"]),
            // An owner answers for all that its list leads to, up to the next owner.
            (
                "a: b, ann\nb: bob, c, ann\nowner-b: o\nc: carol\nowner-c: o",
                ["owner-b@here: bob@here/account ann@here/account", "owner-c@here: carol@here/account"]
            ),
            (
                "a: b\nb: c\nowner-b: o\nc: carol, d\nd: dan",
                ["owner-b@here: carol@here/account dan@here/account"]
            ),
            // Aliases of one address, and of all others of a domain.
            ("a: i@here, i@also.here\ni@here: x@far\ni: y@far", ["x@far y@far"]),
            ("a: log@also.here\nlog: |cat\nlog@here: z@far", ["log@also.here/targets"]),
            ("a: i@here\ni@here: i@here, b", ["i@here/account b@here/account"]),
            ("a: i\ni@here: i\ni: x@far", ["x@far"]), ("a: z@here\n@here: x@far", ["x@far"]),
            ("a: z@here\n@here: y@here", ["y@here/account"]), ("a: z@here\n@here: |cat", ["z@here/targets"]),
            ("a: z@here, y@here, Z@here\n@here: |cat, x@far", ["z@here/targets x@far y@here/targets"]),
            ("a: z@here, user@here\n@here: x@far", ["x@far user@here/account"]),
            ("a: i@here\ni@here: bob\nowner-i@here: o", ["owner-i@here: bob@here/account"]),
            ("a: z@here, i@here\n@here: x@far\ni@here: \"open", ["x@far i@here"]),
            // A bad entry is looked at by itself.
            ("a: b, x@far\nb: \"open", ["b@here x@far"]),
        ] as [(String, [String])])
    func once(text: String, expected: [String]) throws {
        #expect(try expand(text + "\n").copies.map { $0.shown } == expected)
    }

    @Test("what the alias itself runs and writes stays with it")
    func others() throws {
        let expansion = try expand("a: |cat, /f, b, :include:/l\nb: |cat, x@far\n")
        #expect(expansion.others.map(\.shown) == ["|cat", "/f", ":include:/l"])
        #expect(expansion.copies.map { $0.shown } == ["b@here/targets x@far"])
    }

    @Test("twenty-four levels of two aliases are two addresses")
    func levels() throws {
        var text = "a: l0, m0\n"
        for level in 0..<24 {
            text += "l\(level): l\(level + 1), m\(level + 1)\nm\(level): m\(level + 1), l\(level + 1)\n"
        }
        #expect(try expand(text).copies.map { $0.shown } == ["l24@here/account m24@here/account"])
    }

    @Test("aliases are followed a hundred deep, and to ten thousand addresses")
    func bounds() throws {
        func chain(_ length: Int) -> String {
            (0..<length).reduce("a: n0\n") { $0 + "n\($1): n\($1 + 1)\n" }
        }
        let last = AliasExpansion.deepest
        #expect(try expand(chain(last)).copies.map { $0.shown } == ["n\(last)@here/account"])
        #expect(throws: AliasExpansion.Failure.self) { try expand(chain(last + 1)) }
        func lists(_ count: Int) -> String {
            let members = (0..<count).map { "u\($0)@far" }
            return "a: b, c\nb: \(members[..<(count / 2)].joined(separator: ","))\nc: "
                + members[(count / 2)...].joined(separator: ",") + "\n"
        }
        #expect(try expand(lists(Target.most)).copies.first?.recipients.count == Target.most)
        let failure = #expect(throws: AliasExpansion.Failure.self) { try expand(lists(Target.most + 1)) }
        #expect(failure?.status == EnhancedStatus(5, 2, 4))
    }

    @Test("aliases that lead to nothing but each other are at fault")
    func round() throws {
        let failure = #expect(throws: AliasExpansion.Failure.self) { try expand("a: b\nb: c\nc: a, b\n") }
        #expect(
            failure == .init(status: EnhancedStatus(5, 4, 6), text: "alias a leads nowhere but to itself"))
        let domains = "a: p@here\n@here: q@also.here\n@also.here: i@here\ni@here: r@here\n"
        #expect(throws: AliasExpansion.Failure.self) { try expand(domains) }
    }

    @Test("a list of thousands, and thousands of aliases, are looked up in memory")
    func large() throws {
        var text = "a: " + (0..<3000).map { "n\($0)" }.joined(separator: ", ") + "\n"
        for number in 0..<3000 { text += "n\(number): u\(number)@far\n" }
        #expect(try expand(text).copies.first?.recipients.count == 3000)
    }
}

@Suite struct CoverageTests {
    /// Recipients with what is decided of them; a successor of the first; whether it needs no copy.
    @Test(
        "who has a message, or gets it directly, needs no copy",
        arguments: [
            ("team ann", .account, "ann", true), ("team ANN@here", .account, "ann@here", true),
            ("team alias", .account, "alias", false), ("team ann", .account, "bob", false),
            ("ann bob", .account, "ann", false), ("team ann+x", .account, "ann", false),
            ("team x@far", .open, "x@FAR", true), ("team X@far", .open, "x@far", false),
            ("x@far bob", .open, "x@far", false),
            // Another's .forward may lead back.
            ("ann bob", .open, "bob", false), ("team ann", .mailbox, "ann", false),
            ("team log", .targets, "log", true), ("team bob", .targets, "log", false),
        ] as [(String, Successor.Meaning, String, Bool)])
    func direct(recipients: String, meaning: Successor.Meaning, address: String, isCovered: Bool) {
        let coverage = Coverage(
            recipients.split(separator: " ").map { Successor(Array($0.utf8)) },
            isLocal: { $0.equalsFolded("here") })
        let successor = Successor(Array(address.utf8), meaning)
        #expect(coverage.covers(successor, of: 1) { $0.localPart.equalsFolded("alias") } == isCovered)
    }

    @Test("what a copy went to is covered, by whatever way it is asked for")
    func copies() {
        var coverage = Coverage(
            [Successor([UInt8]("team")), Successor([UInt8]("list"))], isLocal: { $0.equalsFolded("here") })
        coverage.note([
            Successor([UInt8]("ann@here"), .account), Successor([UInt8]("x@far")), Successor([UInt8]("bob")),
        ])
        func covers(_ text: String, _ meaning: Successor.Meaning) -> Bool {
            coverage.covers(Successor(Array(text.utf8), meaning), of: 2) {
                $0.localPart.equalsFolded("alias")
            }
        }
        #expect(
            covers("ann", .account) && covers("Ann@HERE", .open) && covers("x@far", .open)
                && covers("bob", .account))
        #expect(!covers("ann", .mailbox) && !covers("carol", .open) && !covers("y@far", .open))
        #expect(covers("team", .targets))
    }

    @Test("where domains have users of their own, the same local part in another is somebody else")
    func domains() {
        var coverage = Coverage(
            [Successor([UInt8]("team@here")), Successor([UInt8]("ann@v"))],
            isLocal: { $0.equalsFolded("here") || $0.equalsFolded("v") || $0.equalsFolded("w") },
            sharesUsers: { $0.equalsFolded("here") })
        func covers(_ text: String) -> Bool {
            coverage.covers(Successor(Array(text.utf8), .account), of: 1) { _ in false }
        }
        #expect(
            covers("ann@v") && covers("Ann@V") && !covers("ann@w") && !covers("ann@here") && !covers("ann"))
        coverage.note([Successor([UInt8]("ann@w"), .account)])
        #expect(covers("ann@w") && !covers("ann@here"))
    }
}
