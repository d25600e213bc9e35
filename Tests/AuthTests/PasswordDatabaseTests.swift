import Accounts
import Bytes
import TemporaryPlaces
import Testing
import Unix

@testable import Auth

/// One at a time: crypt(3) has one buffer for its answer.
@Suite(.serialized) final class PasswordDatabaseTests {
    private let place: TemporaryDirectory
    private var directory: String { place.path }

    static let passwd = """
        root:x:0:0:root:/root:/bin/sh
        mail:x:8:8:mail:/var/mail:/usr/sbin/nologin
        anna:x:1001:1001:Anna:/home/anna:/bin/sh
        bert:x:1002:1002:Bert:/home/bert:/usr/sbin/nologin
        carl:x:1003:1003:Carl:/home/carl:/bin/sh
        dora:x:1004:1004:Dora::/bin/sh
        emil:x:1005:1005:Emil:/home/emil:/bin/sh
        fred:x:1006:1006:Fred:/home/fred:/bin/sh
        zero:x:0:0:another root:/home/zero:/bin/sh

        """

    init() throws {
        place = try TemporaryDirectory()
        try write("passwd", Self.passwd)
        try write("group", "")
    }

    private func write(_ name: String, _ text: String) throws { try place.write(name, text, mode: 0o600) }

    /// Hashes of `secret`, made by crypt(3) itself.
    private static let sha512 = PasswordHash.crypt(Array("secret".utf8), "$6$salt")

    private func accounts(users: String = "") -> AccountDatabase {
        AccountDatabase(
            SystemAccounts(passwd: directory + "/passwd", group: directory + "/group"),
            usersFile: users.isEmpty ? "" : "\(directory)/\(users)")
    }

    private func database(shadow: String) throws -> PasswordDatabase {
        try write("shadow", shadow)
        return PasswordDatabase(accounts(), firstUserID: 1000, shadowFile: directory + "/shadow")
    }

    private func database(users: String) throws -> PasswordDatabase {
        try write("users", users)
        return PasswordDatabase(accounts(users: "users"), firstUserID: 1000)
    }

    private func verify(_ database: PasswordDatabase, _ name: String, _ password: String) throws -> Account? {
        try database.verify(name: Array(name.utf8), password: Array(password.utf8))
    }

    @Test("the system's users log in with the password of shadow(5), system accounts do not")
    func systemAccounts() throws {
        let hash = try #require(Self.sha512.map { String(decoding: $0, as: UTF8.self) })
        let shadow =
            ["root", "mail", "anna", "bert", "dora", "zero", "ghost"]
            .map { "\($0):\(hash):19000:0:99999:7:::\n" }.joined()
            + "carl:!\(hash):19000::::::\nemil::19000::::::\nfred:\(hash):1:0:99999:7::2:\n"
        let database = try database(shadow: shadow)
        let anna = try #require(try verify(database, "anna", "secret"))
        #expect(anna.uid == 1001 && anna.gid == 1001 && anna.home == "/home/anna" && anna.shell == "/bin/sh")
        for name in ["root", "mail", "bert", "carl", "dora", "emil", "fred", "zero", "ghost", "nobody", ""] {
            #expect(try verify(database, name, "secret") == nil, "\(name)")
        }
        for password in ["", "Secret", "secret ", "secre", "secret\0", "secret\0x", hash, "!", "*", "x"] {
            #expect(try verify(database, "anna", password) == nil, "\(password.debugDescription)")
            #expect(try verify(database, "emil", password) == nil)
            #expect(try verify(database, "carl", password) == nil)
        }
    }

    @Test(
        "no name reaches another line of the file",
        arguments: [
            "anna:", "anna:x", "ann", "anna\n", "\nanna", "anna\0", "../anna", "/anna", "Anna", "ANNA",
            "anna ", " anna", "*",
            "%s", "-anna", "+anna", "#anna", String(repeating: "a", count: 256), "é",
        ])
    func strangeNames(name: String) throws {
        #expect(
            try verify(database(users: "anna:{PLAIN}secret:1001:1001::/h:\n#anna:{PLAIN}x\n"), name, "secret")
                == nil)
    }

    @Test("a line of the users file says who, and passwd(5) what it leaves out")
    func usersFile() throws {
        let hash = try #require(Self.sha512.map { String(decoding: $0, as: UTF8.self) })
        let database = try database(
            users: """
                anna:{PLAIN}secret
                bert:{plain}secret::::/mail/bert:
                box@example.org:{CRYPT}\(hash):2000:2001:A box:/mail/box::userdb_quota=1
                bare:\(hash):2002:2002::/mail/bare:
                sha:{SHA512-CRYPT}\(hash):2003:2003::/mail/sha:
                low:{PLAIN}secret:999:999::/mail/low:
                null:{PLAIN}secret:0:0::/:
                odd:{PLAIN}secret:-1:1::/:
                big:{PLAIN}secret:4294967296:1::/mail/big:
                lost:{PLAIN}secret::::/mail/lost:
                none:{NO-SUCH}secret:2004:2004::/mail/none:
                empty:{PLAIN}:2005:2005::/mail/empty:
                open::2006:2006::/mail/open:
                homeless:{PLAIN}secret:2007:2007:::
                short

                """)
        #expect(try verify(database, "anna", "secret")?.home == "/home/anna")
        #expect(try verify(database, "bert", "secret")?.home == "/mail/bert")
        let box = try #require(try verify(database, "box@example.org", "secret"))
        #expect(box.uid == 2000 && box.gid == 2001 && box.home == "/mail/box")
        #expect(try verify(database, "bare", "secret")?.uid == 2002)
        #expect(try verify(database, "sha", "secret")?.uid == 2003)
        for name in ["low", "null", "odd", "big", "lost", "none", "empty", "open", "homeless", "short"] {
            #expect(try verify(database, name, "secret") == nil, "\(name)")
            #expect(try verify(database, name, "") == nil, "\(name)")
        }
    }

    @Test("a password x is in the file beside the users file")
    func usersShadow() throws {
        try write(
            "users.shadow",
            "ann@a.example:{PLAIN}secret\nbert:{PLAIN}other::\ncarl:\nx:{PLAIN}secret\nemil:x\n")
        let database = try database(
            users: """
                Ann@A.example:x:2000:2000::/mail/ann:
                bert:{PLAIN}secret::::/mail/bert:
                carl:x::::/mail/carl:
                dora:x:2001:2001::/mail/dora:
                emil:x::::/mail/emil:

                """)
        #expect(try verify(database, "ann@a.example", "secret")?.name == "Ann@A.example")
        #expect(try verify(database, "bert", "secret") != nil && verify(database, "bert", "other") == nil)
        for name in ["carl", "dora", "emil", "x"] {
            for password in ["", "x", "secret"] { #expect(try verify(database, name, password) == nil) }
        }
        #expect(try verify(database, "ann@a.example", "x") == nil)
    }

    @Test("a file that cannot be read is trouble, not a wrong password")
    func missingFile() throws {
        let database = PasswordDatabase(accounts(users: "nowhere"), firstUserID: 1000)
        #expect(throws: SystemError.self) { try self.verify(database, "anna", "secret") }
    }

    @Test("a password may have so many octets and no more")
    func longPasswords() throws {
        let longest = String(repeating: "p", count: PasswordHash.longestPassword)
        let database = try database(
            users: "a:{PLAIN}\(longest):2000:2000::/h:\nb:{PLAIN}\(longest)p:2000:2000::/h:\n")
        #expect(try verify(database, "a", longest) != nil)
        #expect(try verify(database, "b", longest + "p") == nil)
    }

    @Test("what no password matches is known by its form, or by what crypt(3) says")
    func usable() throws {
        let hash = try #require(Self.sha512.map { String(decoding: $0, as: UTF8.self) })
        for stored in [
            "", "!", "*", "!!", "*LK*", "!\(hash)", "x", "{PLAIN}", "{NO-SUCH}secret", "{CRYPT}",
            "{CRYPT}!\(hash)",
            "{PLAIN",
        ] {
            #expect(!PasswordHash.isUsable(Array(stored.utf8)), "\(stored)")
            #expect(PasswordHash.check(Array("secret".utf8), against: Array(stored.utf8)) == .unusable)
        }
        for stored in [hash, "{CRYPT}\(hash)", "{sha512-crypt}\(hash)", "{PLAIN}secret"] {
            #expect(PasswordHash.isUsable(Array(stored.utf8)))
            #expect(PasswordHash.check(Array("secret".utf8), against: Array(stored.utf8)) == .right)
            #expect(PasswordHash.check(Array("Secret".utf8), against: Array(stored.utf8)) == .wrong)
        }
        #expect(PasswordHash.check([0x61], against: Array("$nosuch$aaaaaaaaaaaa".utf8)) == .unusable)
        #expect(
            PasswordHash.crypt([], String(decoding: PasswordHash.decoy, as: UTF8.self))?.first == .ascii("$"))
    }

    @Test(
        "a name without a password is checked against somebody's, in the proportion in which their kinds are there"
    )
    func decoys() throws {
        let hash = try #require(Self.sha512.map { String(decoding: $0, as: UTF8.self) })
        try write("mixed", "a:!:\nb:{PLAIN}x:1\nc:\(hash):2\nd:*:\n\ne\nf:{NO}x\ng:{PLAIN}y\n")
        let file = try PasswordFile(directory + "/mixed")
        var seen: [String: Int] = [:]
        for number in 0..<300 {
            let name = Array("nobody\(number)".utf8)
            let decoy = try #require(file.decoys(for: name).first { _ in true })
            seen[String(decoding: decoy, as: UTF8.self), default: 0] += 1
        }
        #expect(
            Set(seen.keys) == ["{PLAIN}x", hash, "{PLAIN}y"] && seen.values.allSatisfy { $0 > 20 }, "\(seen)")
        for text in ["", "\n", "a:!:\n", "a"] {
            try write("none-\(text.utf8.count)", text)
            #expect(
                Array(try PasswordFile(directory + "/none-\(text.utf8.count)").decoys(for: [0x61])).isEmpty)
        }
    }

    /// Measured by what hashing costs here, so that the machine's speed does not matter.
    @Test("whether a name exists, is locked or has no password does not show in the time that no takes")
    func sameWork() throws {
        let slow = try #require(PasswordHash.crypt(Array("secret".utf8), "$6$rounds=120000$salt"))
        let hash = String(decoding: slow, as: UTF8.self)
        let files = [
            try database(
                shadow:
                    "anna:\(hash):19000::::::\ncarl:!\(hash):19000::::::\nemil::19000::::::\nfred:\(hash):1:0:99999:7::2:\n"
            ),
            try database(
                users:
                    "anna:\(hash):1001:1001::/h:\ncarl:{NO-SUCH}x:1:1::/h:\nemil::1:1::/h:\nfred:$nosuch$aaaaaaaaaaa:1:1::/h:\n"
            ),
        ]
        for database in files {
            func fastest(_ name: String) throws -> Int64 {
                try (0..<3).map { (_: Int) throws -> Int64 in
                    let start = Deadline.monotonicMicroseconds()
                    let account = try verify(database, name, "wrong")
                    #expect(account == nil)
                    return Deadline.monotonicMicroseconds() - start
                }.min() ?? 0
            }
            let known = try fastest("anna")
            for name in ["carl", "emil", "fred", "nobody", "", "a b", "root"] {
                let took = try fastest(name)
                // A busy machine makes three or four times of one. Work that is left out is a thousandth, and that of
                // crypt(3)'s own number of rounds a twenty-fourth.
                #expect(took > known / 8, "\(name)")
            }
        }
    }

    @Test("who has no home directory may log in where mailboxes are elsewhere")
    func homeless() throws {
        try write("users", "homeless:{PLAIN}secret:2007:2007:::\n")
        for needsHome in [true, false] {
            let database = PasswordDatabase(
                accounts(users: "users"), firstUserID: 1000, needsHome: needsHome)
            let account = try verify(database, "homeless", "secret")
            #expect((account == nil) == needsHome)
        }
    }

    @Test("an account ends with the beginning of the day that shadow(5) says")
    func expiry() throws {
        let hash = try #require(Self.sha512.map { String(decoding: $0, as: UTF8.self) })
        let today = Time.now().seconds / 86400
        for (day, isOpen) in [
            ("\(today - 1)", false), ("\(today)", false), ("\(today + 2)", true), ("", true),
        ] {
            let database = try database(shadow: "anna:\(hash):1:0:99999:7::\(day):\n")
            #expect((try verify(database, "anna", "secret") != nil) == isOpen, "\(day) of \(today)")
        }
    }

    @Test(
        "nobody logs in as root, whatever is the first uid that may", arguments: [0, 1000, 1001] as [UInt32])
    func root(first: UInt32) throws {
        try write("users", "zero:{PLAIN}secret:0:0::/home/zero:\nlast:{PLAIN}secret:1000:1000::/home/last:\n")
        let database = PasswordDatabase(accounts(users: "users"), firstUserID: first)
        #expect(try verify(database, "zero", "secret") == nil)
        #expect((try verify(database, "last", "secret") != nil) == (first <= 1000))
    }

    @Test("who logged in from somewhere is known there, and there only, for some days")
    func knownLogins() throws {
        let known = KnownLogins(directory + "/known")
        let here = try #require(IPAddress("192.0.2.1")), six = try #require(IPAddress("2001:db8::1"))
        let now = Time.now()
        let anna = Array("anna".utf8)
        #expect(!known.contains(anna, from: here, at: now))
        known.remember(anna, from: here, at: now)
        known.remember(anna, from: six, at: now)
        #expect(known.contains(anna, from: here, at: now) && known.contains(anna, from: six, at: now))
        #expect(known.contains(anna, from: try #require(IPAddress("2001:db8::ffff:2")), at: now))
        #expect(known.contains(anna, from: try #require(IPAddress("::ffff:192.0.2.1")), at: now))
        #expect(!known.contains(anna, from: try #require(IPAddress("192.0.2.2")), at: now))
        #expect(!known.contains(Array("bert".utf8), from: here, at: now))
        // Each day that somebody logs in counts.
        let days = Time(seconds: now.seconds + 5 * 86400)
        known.remember(Array("carl".utf8), from: here, at: now)
        known.remember(Array("carl".utf8), from: here, at: days)
        let end = Time(seconds: days.seconds + KnownLogins.lifetime)
        #expect(known.contains(Array("carl".utf8), from: here, at: end))
        let late = Time(seconds: now.seconds + KnownLogins.lifetime + 1)
        #expect(!known.contains(anna, from: here, at: late))
        known.remember(anna, from: here, at: late)
        #expect(known.contains(anna, from: here, at: late) && !known.contains(anna, from: here, at: now))
        // A damaged file, or none that can be made, is no memory.
        try write("known", "x")
        #expect(!known.contains(anna, from: here, at: now))
        let nowhere = KnownLogins("/nowhere/known")
        nowhere.remember(anna, from: here, at: now)
        #expect(!nowhere.contains(anna, from: here, at: now))
    }

    @Test("a wrong password is answered the later the more are waiting, never at once, never for ever")
    func delays() {
        let delays = (0...300).map { Guessing.delay(behind: $0) }
        #expect(delays.first == .seconds(2) && delays[4] == .seconds(2) && delays[5] == .seconds(4))
        #expect(delays == delays.sorted() && delays.last == .seconds(10))
    }
}
