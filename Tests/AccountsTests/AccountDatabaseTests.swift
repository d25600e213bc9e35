import Accounts
import Testing

@Suite struct AccountDatabaseTests {
    private static let passwd = """
        root:x:0:0:root:/root:/bin/sh
        anna:x:1001:1001:Anna:/home/anna:/bin/sh

        """

    private let directory: TemporaryDirectory
    private let system: SystemAccounts

    init() throws {
        directory = try TemporaryDirectory()
        system = SystemAccounts(
            passwd: try directory.write("passwd", Self.passwd),
            group: try directory.write("group", "staff:x:50:anna\n"))
    }

    private func database(_ users: String) throws -> AccountDatabase {
        AccountDatabase(system, usersFile: try directory.write("users", users, mode: 0o600))
    }

    @Test(
        "whose mailbox it is says the users file, without a password, and for whom it has no line the system")
    func owners() throws {
        let database = try database("anna::::::\nvirtual:{PLAIN}x:2007:2008::/v:\nodd:x\n")
        func owner(_ name: String) throws -> Account? { try database.owner(named: Array(name.utf8)) }
        let known = try #require(try system.account(named: "anna"))
        let anna = try #require(try owner("anna"))
        #expect(anna.uid == known.uid && anna.gid == known.gid && anna.home == known.home)
        #expect(try system.groups(of: anna) == [1001, 50])
        let virtual = try #require(try owner("virtual"))
        #expect(virtual.uid == 2007 && virtual.gid == 2008 && virtual.home == "/v")
        #expect(try system.groups(of: virtual) == [2008])
        for name in ["", "none", "odd", "a:b", "../x", "a\n"] { #expect(try owner(name) == nil) }
        try directory.write("users", "other:{PLAIN}x:2007:2008::/v:\n")
        #expect(try owner("anna")?.uid == known.uid)
    }
}
