import Bytes
import TemporaryPlaces
import Testing
import Unix

@testable import Accounts

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

    #if DEBUG
        @Test("the users file is read once for many questions, and again when it has changed")
        func heldFile() throws {
            let database = try database("ann@v.example:x:2001:2001::/v/ann:\n")
            func home() throws -> String? {
                try database.account(
                    for: [UInt8]("ann".utf8), at: [UInt8]("v.example".utf8), isVirtual: true)?
                    .home
            }
            #expect(try home() == "/v/ann")
            SystemCall.arm(.none, at: 0)
            for _ in 0..<10 { #expect(try home() == "/v/ann") }
            #expect(SystemCall.callCount == 10)
            // In place, and by another file in its stead that is as long.
            try directory.write("users", "ann@v.example:x:2001:2001::/v/an:\n", mode: 0o600)
            #expect(try home() == "/v/an")
            try directory.write("new", "ann@v.example:x:2001:2001::/v/nn:\n", mode: 0o600)
            try Directory(directory.path).replace("users", with: "new")
            #expect(try home() == "/v/nn")
            try Path.remove(directory.path + "/users")
            #expect(throws: AccountDatabase.Failure.self) { try home() }
        }
    #endif

    private static let users = """
        # ann@virtual.example:{PLAIN}x:1:1::/comment:
        ann@virtual.example:{PLAIN}x:2001:2001::/v/ann:
        Ann@Other.Example:{PLAIN}x:2002:2002::/o/ann:
        anna@a.example:{PLAIN}x:2003:2003::/a/anna:
        box:{PLAIN}x:2004:2004::/box:
        anna::::::

        """

    @Test(
        "whose mail it is say local part and domain, in whatever case; at a virtual domain nobody else has any",
        arguments: [
            ("ann", "virtual.example", "ann@virtual.example"),
            ("ANN", "Virtual.EXAMPLE", "ann@virtual.example"),
            ("ann", "other.example", "Ann@Other.Example"), ("ann", "a.example", nil), ("ann", nil, nil),
            ("anna", "a.example", "anna@a.example"), ("Anna", "b.example", "anna"), ("anna", nil, "anna"),
            ("anna", "virtual.example", nil), ("box", "virtual.example", nil), ("root", "other.example", nil),
            ("box", "b.example", "box"), ("BOX", nil, "box"), ("root", "a.example", "root"),
            // A local part with an @ in it is no other's address.
            ("ann@virtual.example", "a.example", nil), ("ann@virtual.example", nil, nil),
            ("ann@virtual", "example", nil), ("#", nil, nil), ("# ann", "virtual.example", nil),
            ("", nil, nil),
            ("an", "virtual.example", nil), ("ann", "virtual.exampl", nil),
        ] as [(String, String?, String?)])
    func mail(localPart: String, domain: String?, name: String?) throws {
        let found = try database(Self.users).mail(
            for: Array(localPart.utf8), at: domain.map { Array($0.utf8) })
        #expect(found?.name == name)
    }

    @Test("who has a domain has mail there alone, the system's groups are the system's, homes are the line's")
    func whatTheyAre() throws {
        let database = try database(Self.users)
        func account(_ name: String, _ domain: String) throws -> Account {
            try #require(try database.mail(for: Array(name.utf8), at: Array(domain.utf8)))
        }
        let ann = try account("ann", "virtual.example"), other = try account("ann", "other.example")
        #expect(ann.domain == Array("virtual.example".utf8) && ann.localPart == Array("ann".utf8))
        #expect(ann.uid == 2001 && ann.home == "/v/ann" && other.uid == 2002 && other.home == "/o/ann")
        #expect(!ann.isSystems && ann != other)
        let anna = try account("anna", "b.example")
        #expect(anna.forwardHome == "/home/anna" && ann.forwardHome == "/v/ann")
        #expect(anna.isSystems && anna.domain == nil && anna.home == "/home/anna" && anna.uid == 1001)
        #expect(try account("box", "b.example").isSystems == false)
    }

    @Test(
        "a home in the line of a user of the system moves the mailbox, not what the user wrote in the own home"
    )
    func moved() throws {
        let moved = try #require(
            try database("anna:::::/m/anna:\n").mail(for: Array("anna".utf8), at: nil))
        #expect(moved.home == "/m/anna" && moved.forwardHome == "/home/anna" && moved.isSystems)
    }

    @Test("a bad line costs its own user's mail, which waits, and nobody else's")
    func badLines() throws {
        let database = try database(
            """
            none@virtual.example:{PLAIN}x
            half@virtual.example:{PLAIN}x:2001:::/v/half:
            odd@virtual.example:{PLAIN}x:-1:2001::/v/odd:
            big@virtual.example:{PLAIN}x:4294967296:2001::/v/big:
            at@virtual.example:{PLAIN}x:2001:2001::v/at:
            lost:{PLAIN}x::::/v/lost:
            short
            :nobody
            @virtual.example:{PLAIN}x:2001:2001::/v/all:
            ann@virtual.example:{PLAIN}x:2001:2001::/v/ann:

            """)
        for name in ["none", "half", "odd", "big", "at", "lost"] {
            let domain = name == "lost" ? nil : Array("virtual.example".utf8)
            #expect(throws: AccountDatabase.Failure.self, "\(name)") {
                try database.mail(for: Array(name.utf8), at: domain)
            }
        }
        #expect(try database.mail(for: Array("ann".utf8), at: Array("virtual.example".utf8))?.uid == 2001)
        for name in ["short", "", "nobody"] {
            #expect(try database.mail(for: Array(name.utf8), at: Array("virtual.example".utf8)) == nil)
        }
        let report = try database.lookAtUsersFile()
        #expect(report.faults.count == 6 && report.holdsPasswords && report.hasOthers)
        #expect(report.domains == [Array("virtual.example".utf8)])
    }

    @Test("a login is the whole name, an address in whatever case")
    func logins() throws {
        let database = try database(Self.users)
        let file = try database.readUsersFile()
        for (name, found) in [
            ("ann@virtual.example", 2001), ("ANN@VIRTUAL.example", 2001), ("ann@other.example", 2002),
            ("box", 2004),
            ("Box", nil), ("ann", nil), ("ann@a.example", nil), ("# ann@virtual.example", nil),
            ("anna", 1001),
        ] as [(String, UInt32?)] {
            #expect(try database.account(named: Array(name.utf8), in: file)?.uid == found, "\(name)")
        }
    }

    @Test("without a users file everybody is the system's; one that is missing keeps mail waiting")
    func noFile() throws {
        let none = AccountDatabase(system)
        #expect(try none.mail(for: Array("Anna".utf8), at: Array("a.example".utf8))?.uid == 1001)
        #expect(try none.mail(for: Array("anna".utf8), at: Array("virtual.example".utf8)) == nil)
        let missing = AccountDatabase(system, usersFile: directory.path + "/missing")
        #expect(throws: AccountDatabase.Failure.self) {
            try missing.mail(for: Array("anna".utf8), at: nil)
        }
    }

    @Test(
        "the home of a user of the users file is made by that user, with what is above it; the system's is not"
    )
    func homes() throws {
        func account(_ home: String, isSystems: Bool = false) -> Account {
            Account(
                name: "ann@virtual.example", uid: Identity.user, gid: Identity.group, home: home, shell: "",
                isSystems: isSystems)
        }
        let home = directory.path + "/virtual.example/ann"
        try account(home, isSystems: true).makeHome()
        #expect(try Path.status(home) == nil)
        try account(home).makeHome()
        try account(home).makeHome()
        #expect(try Path.status(home)?.kind == .directory && Path.status(home)?.mode == 0o700)
        try account("").makeHome()
        #expect(throws: SystemError.self) { try account(directory.path + "/passwd/ann").makeHome() }
    }
}

extension AccountDatabase {
    /// Where two domains are virtual.
    fileprivate func mail(for localPart: [UInt8], at domain: [UInt8]?) throws -> Account? {
        let isVirtual = domain.map { $0.equalsFolded("virtual.example") || $0.equalsFolded("other.example") }
        return try account(for: localPart, at: domain, isVirtual: isVirtual ?? false)
    }
}
