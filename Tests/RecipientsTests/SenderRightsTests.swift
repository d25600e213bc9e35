import Accounts
import Bytes
import Mail
import Program
import TemporaryPlaces
import Testing

@testable import Recipients

/// Which addresses are whose.
@Suite struct SenderRightsTests {
    private let directory: TemporaryDirectory
    private let configuration: Configuration

    init() throws {
        directory = try TemporaryDirectory()
        try directory.write(
            "users",
            """
            ann:x:5001:5001::/m/ann:
            bob:x:5002:5002::/m/bob:
            ann@shop.example:x:5003:5003::/m/shop-ann:

            """)
        let aliases = try directory.write(
            "aliases",
            """
            sales: bob, ann
            support: sales
            root: ann
            around: there
            there: around, ann
            bob: ann, bob
            away: ann@far.example
            mine: \\ann
            list: :include:/nowhere, |prog

            """)
        let table = try directory.write(
            "senders", "press@here.example: ann\nbob@here.example: ann, carl\n@old.example: bob\n")
        var configuration = Configuration()
        configuration.hostname = "mx.here.example"
        configuration.localDomains = ["here.example"]
        configuration.virtualDomains = ["shop.example"]
        configuration.usersFile = "\(directory.path)/users"
        configuration.aliasesFile = aliases
        configuration.senderLoginsFile = table
        configuration.firstUserID = 1000
        self.configuration = configuration
    }

    private func owns(_ login: String, _ address: String, table: Bool = true) throws -> Bool {
        var configuration = configuration
        if !table { configuration.senderLoginsFile = "" }
        var rules = RecipientRules(configuration)
        rules.mayRelay = true
        return try SenderRights(
            of: Array(login.utf8), rules, configuration.accounts, table: configuration.senderLoginsFile
        ).include(try #require(Address(Array(address.utf8))))
    }

    @Test(
        "an account's own are what its mail comes by: its name, extensions, aliases that lead to it, and nobody else's",
        arguments: [
            ("ann", "ann@here.example", true), ("ann", "Ann+x@HERE.example", true),
            ("ann", "sales@here.example", true), ("ann", "support@here.example", true),
            ("ann", "root@here.example", true), ("ann", "mine@here.example", true),
            ("ann", "there@here.example", true), ("ann", "around@here.example", true),
            ("ann", "bob@here.example", true), ("bob", "bob@here.example", true),
            ("bob", "ann@here.example", false), ("bob", "sales@here.example", true),
            ("bob", "there@here.example", false), ("ann", "away@here.example", false),
            ("ann", "list@here.example", false), ("ann", "nobody@here.example", false),
            ("ann", "ann@far.example", false), ("ann", "ann@shop.example", false),
            ("ann@shop.example", "ann@shop.example", true), ("ann@shop.example", "ann+y@shop.example", true),
            ("ann@shop.example", "ann@here.example", false),
            ("ann@shop.example", "sales@here.example", false),
            ("carl", "ann@here.example", false), ("", "ann@here.example", false),
        ])
    func byDefault(login: String, address: String, expected: Bool) throws {
        #expect(try owns(login, address, table: false) == expected)
    }

    @Test(
        "what the table says of an address is all there is to it; what it says of a domain is of each address there",
        arguments: [
            ("ann", "press@here.example", true), ("bob", "press@here.example", false),
            ("ann", "bob@here.example", true), ("bob", "bob@here.example", false),
            ("carl", "BOB@here.example", true), ("bob", "any@old.example", true),
            ("ann", "any@old.example", false), ("ann", "ann@here.example", true),
            ("bob", "any@very.old.example", false),
        ])
    func byTable(login: String, address: String, expected: Bool) throws {
        #expect(try owns(login, address) == expected)
    }

    @Test("a table that cannot be read decides nothing")
    func damaged() throws {
        try directory.write("senders", "press@here.example: \"open\n")
        #expect(throws: LookupFailure.self) { try owns("ann", "press@here.example") }
    }
}
