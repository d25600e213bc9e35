import Testing

import Unix

@Suite struct UserTests {
    @Test("accounts come from passwd and group, and a strange name finds nobody")
    func users() throws {
        let place = try TemporaryDirectory()
        let directory = try Directory(place.path)
        try directory.open("passwd", .createNew(mode: 0o600)).write(
            Array(
                "root:x:0:0:root:/root:/bin/sh\nbroken line\nann:x:1001:1002:& Lee,room 1:/home/ann:/bin/sh\n"
                    .utf8) + "joe:x:1003:1003:J".utf8 + [0xF6] + "rg:/home/joe:/bin/sh\n".utf8)
        try directory.open("group", .createNew(mode: 0o600)).write(
            Array("root:x:0:\nstaff:x:50:bob,ann\nann:x:1002:\n".utf8))
        let users = UserDatabase(.files, passwd: place.path + "/passwd", group: place.path + "/group")
        let ann = try #require(try users.user(named: "ann"))
        #expect(ann.uid == 1001 && ann.home == "/home/ann" && ann.fullName == Array("Ann Lee".utf8))
        #expect(try users.user(withID: 1001) == ann)
        #expect(try users.user(named: "joe")?.fullName == [0x4A, 0xF6, 0x72, 0x67])
        #expect(try users.groups(of: ann) == [1002, 50])
        #expect(try users.group(named: "staff") == 50)
        for name in ["", "an", "ann:x", "Ann", "broken line", "ann\n"] {
            #expect(try users.user(named: name) == nil)
        }
    }
}
