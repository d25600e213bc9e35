import Accounts
import Bytes
import Mail
import TemporaryPlaces
import Testing
import Unix

@testable import Delivery
@testable import Jobs
@testable import Recipients

@Suite struct DeliveryPlanTests {
    let directory: TemporaryDirectory
    let system: SystemAccounts
    let rules: RecipientRules

    init() throws {
        let directory = try TemporaryDirectory()
        self.directory = directory
        let file = AliasFile(
            try directory.write(
                "aliases",
                """
                owner-staff: ann
                staff: bob, carol@example.net, "|cat"
                bob: Bob, \\bob, bob@example.net
                carol: \\carol
                lost: \\nobody, \\missing, \\root
                self: self
                frank: frank, frank+x, Frank
                gina@example.org: gina@example.org, frank
                list: :include:/etc/list, /var/archive/
                """))
        let system = SystemAccounts(
            passwd: try directory.write(
                "passwd",
                """
                root:x:0:0::/root:/bin/sh
                bob:x:1000:1000::/home/bob:/bin/sh
                carol:x:1001:1001::/home/carol:/bin/sh
                dave:x:1002:1002::/home/dave:/bin/sh
                frank:x:1003:1003::/home/frank:/bin/sh
                gina:x:1004:1004::/home/gina:/bin/sh
                nobody:x:65534:65534::/:/bin/sh
                """))
        self.system = system
        let accounts = AccountDatabase(system)
        rules = RecipientRules(
            isLocal: { $0.equalsFolded("example.org") }, isRelayed: { _ in false },
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

    private func plan(
        _ address: String, _ rules: RecipientRules? = nil, meaning: Successor.Meaning = .open,
        isByHand: Bool = false
    ) -> DeliveryPlan {
        var rules = rules ?? self.rules
        rules.looksAtAliases = meaning != .account
        let address = RecipientAddress(Array(address.utf8))
        let decision = rules.decide(localPart: address.localPart, domain: address.domain)
        return DeliveryPlan(decision, for: address, meaning: meaning, isByHand: isByHand, rules: rules)
    }

    private func mailbox(_ user: String, forward: Bool, _ detail: String? = nil) -> DeliveryPlan.Part {
        .init(
            rights: (try? system.account(named: user)).flatMap { $0.map { .account($0) } }
                ?? .service,
            action: .mailbox(followForward: forward, extension: detail.map { Array($0.utf8) }))
    }

    @Test("a user's mail is the user's; root's is relais's")
    func accounts() {
        #expect(plan("dave+x@example.org").parts == [mailbox("dave", forward: true, "x")])
        let root = plan("root@example.org")
        #expect(
            root.parts == [
                .init(rights: .service, action: .mailbox(followForward: true, extension: nil))
            ])
        #expect(root.outcomes == [])
    }

    @Test("an alias sends copies on, runs programs as relais, and has an owner")
    func alias() {
        let staff = plan("Staff@example.org")
        #expect(staff.parts == [.init(rights: .service, action: .targets([.program([UInt8]("cat"))]))])
        // The entry of bob is followed at once.
        #expect(
            forwards(staff) == [
                "Bob@example.org/account bob@example.org/mailbox bob@example.net carol@example.net"
            ])
        #expect(staff.owner == [UInt8]("owner-staff@example.org"))
        #expect(plan("list").parts.count == 1)
    }

    private func forwards(_ plan: DeliveryPlan) -> [String] {
        plan.outcomes.flatMap { $0.forwards }.map { $0.shown }
    }

    @Test("an alias that names itself means the account behind it, and goes round nowhere")
    func itself() {
        #expect(
            forwards(plan("bob@example.org")) == [
                "Bob@example.org/account bob@example.org/mailbox bob@example.net"
            ])
        #expect(plan("bob@example.org").parts == [])
        #expect(forwards(plan("self@example.org")) == ["self@example.org/account"])
        // By hand there is no queue that keeps what is decided.
        let byHand = plan("bob@example.org", isByHand: true)
        #expect(byHand.parts == [mailbox("bob", forward: true), mailbox("bob", forward: false)])
        #expect(forwards(byHand) == ["bob@example.net"])
        #expect(forwards(plan("staff@example.org", isByHand: true)) == ["bob@example.org carol@example.net"])
    }

    @Test("an account that an alias names in several ways has its mail once")
    func once() {
        let byHand = plan("frank@example.org", isByHand: true)
        #expect(byHand.parts == [mailbox("frank", forward: true)] && forwards(byHand) == [])
        let own = plan("gina@example.org", isByHand: true)
        #expect(own.parts == [mailbox("gina", forward: true)] && forwards(own) == ["frank@example.org"])
    }

    @Test("what is decided of an address is not asked again")
    func decided() {
        #expect(plan("bob@example.org", meaning: .account).parts == [mailbox("bob", forward: true)])
        #expect(plan("bob@example.org", meaning: .mailbox).parts == [mailbox("bob", forward: false)])
        #expect(plan("eve@example.org", meaning: .mailbox).outcomes.map(\.verdict) == [.failed])
        let staff = plan("staff@example.org", meaning: .targets)
        #expect(staff.parts.count == 1 && staff.outcomes == [])
        for meaning: Successor.Meaning in [.account, .mailbox, .targets] {
            #expect(!plan("staff@example.org", meaning: meaning).looksForLoops)
        }
        #expect(plan("staff@example.org").looksForLoops && plan("carol@example.org").looksForLoops)
    }

    @Test("a mailbox that nobody may have is no such user")
    func nobody() {
        #expect(
            forwards(plan("lost@example.org")) == [
                "nobody@example.org/mailbox missing@example.org/mailbox root@example.org/mailbox"
            ])
        for name in ["nobody", "missing"] {
            let lost = plan("\(name)@example.org", meaning: .mailbox)
            #expect(lost.parts == [] && lost.outcomes.map(\.verdict) == [.failed])
        }
    }

    @Test("a lookup that fails in the middle defers all of it")
    func failing() {
        var rules = rules
        let account = rules.account
        rules.account = { localPart, domain throws(LookupFailure) in
            if localPart == Array("carol".utf8) { throw LookupFailure("I/O error") }
            return try account(localPart, domain)
        }
        let plan = plan("carol@example.org", rules, meaning: .mailbox)
        #expect(plan.parts == [] && plan.outcomes.map(\.verdict) == [.deferred])
    }

    @Test("what was refused or cannot be decided is told at once")
    func refused() {
        #expect(plan("eve@example.org").outcomes.map(\.verdict) == [.failed])
        #expect(plan("dave@example.net").outcomes.map(\.verdict) == [.failed])
        var rules = rules
        rules.mayRelay = true
        // The configuration changed since the message was accepted.
        #expect(plan("dave@example.net", rules).outcomes.map(\.verdict) == [.deferred])
    }

    @Test(
        "the parts of a recipient's delivery have one outcome",
        arguments: [
            ([.delivered("a")], .delivered), ([], .delivered),
            ([.delivered("a"), .forwarded(to: [[UInt8]("x")])], .forwarded),
            ([.forwarded(to: [[UInt8]("x")]), .failed(EnhancedStatus(5, 3, 0), "b")], .failed),
            ([.failed(EnhancedStatus(5, 3, 0), "b"), .deferred(EnhancedStatus(4, 3, 0), "c")], .deferred),
        ] as [([DeliveryOutcome], Report.Verdict)])
    func merging(outcomes: [DeliveryOutcome], verdict: Report.Verdict) {
        let merged = DeliveryOutcome.merged(outcomes)
        #expect(merged.verdict == verdict)
        #expect(merged.forwards.isEmpty == (verdict != .forwarded))
    }

    @Test(
        "an address is taken apart at its last @, and loses the quotes of its local part",
        arguments: [
            ("bob", "bob", nil), ("bob@x", "bob", "x"), ("a@b@c", "a@b", "c"), ("\"a@b\"@c", "a@b", "c"),
            ("\"a\\\"b\"@c", "a\"b", "c"), ("\"bob\"", "bob", nil), ("bob@", "bob", ""), ("@", "", ""),
            ("", "", nil), ("\"", "", nil), ("\"\"@x", "", "x"),
        ] as [(String, String, String?)])
    func addresses(text: String, localPart: String, domain: String?) {
        let address = RecipientAddress(Array(text.utf8))
        #expect(address.localPart == Array(localPart.utf8))
        #expect(address.domain == domain.map { Array($0.utf8) })
    }
}
