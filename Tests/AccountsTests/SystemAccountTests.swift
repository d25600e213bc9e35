import Accounts
import TemporaryPlaces
import Testing

@Suite struct SystemAccountTests {
    @Test("the system's accounts come from passwd and group, and a strange name finds nobody")
    func accounts() throws {
        let directory = try TemporaryDirectory()
        let accounts = SystemAccounts(
            passwd: try directory.write(
                "passwd",
                Array(
                    "root:x:0:0:root:/root:/bin/sh\nbroken line\nann:x:1001:1002:& Lee,room 1:/home/ann:/bin/sh\n"
                        .utf8) + "joe:x:1003:1003:J".utf8 + [0xF6] + "rg:/home/joe:/bin/sh\n".utf8),
            group: try directory.write("group", "root:x:0:\nstaff:x:50:bob,ann\nann:x:1002:\n"))
        let ann = try #require(try accounts.account(named: "ann"))
        #expect(ann.uid == 1001 && ann.home == "/home/ann" && ann.fullName == Array("Ann Lee".utf8))
        #expect(try accounts.account(withID: 1001) == ann)
        #expect(try accounts.account(named: "joe")?.fullName == [0x4A, 0xF6, 0x72, 0x67])
        #expect(try accounts.groups(of: ann) == [1002, 50])
        #expect(try accounts.group(named: "staff") == 50)
        for name in ["", "an", "ann:x", "Ann", "broken line", "ann\n"] {
            #expect(try accounts.account(named: name) == nil)
        }
    }
}
