import Bytes
import Testing
import Recipients

@testable import Delivery

@Suite struct SortedTargetsTests {
    private static let lists: [String: String] = [
        "/a": "one@x, :include:/b, two@x", "/b": "three@x, /file, bob", "/loop": "deep@x, :include:/loop",
        "/empty": "", "/1": ":include:/2", "/2": ":include:/3", "/3": ":include:/4", "/4": "end@x",
        "/5": ":include:/1",
        "/many": (0..<6000).map { "u\($0)@x" }.joined(separator: ","),
    ]

    private func sorted(_ text: String) throws(SortedTargets.Failure) -> SortedTargets {
        var cursor = Cursor(Array(text.utf8))
        let list = (try? cursor.targets()) ?? []
        return try SortedTargets(
            list, home: [UInt8]("/home/bob"),
            isOwn: {
                $0.localPart.equalsFolded("bob") && $0.domain.map { $0.equalsFolded("example.org") } ?? true
            },
            origin: [UInt8]("example.org")
        ) { path throws(SortedTargets.Failure) in
            guard let text = Self.lists[String(decoding: path, as: UTF8.self)] else {
                throw SortedTargets.Failure(text: "missing", cause: "missing")
            }
            var cursor = Cursor(Array(text.utf8))
            return (try? cursor.targets()) ?? []
        }
    }

    private func shown(_ targets: SortedTargets) -> String {
        let parts =
            targets.commands.map { "|" + $0.escaped() } + targets.files.map { $0.escaped() }
            + (targets.mailbox ? ["mailbox"] : []) + targets.addresses.map { $0.escaped() }
        return parts.joined(separator: " ")
    }

    @Test(
        "a list comes to commands, files, the mailbox and addresses, in this order",
        arguments: [
            ("", ""), ("bob", "mailbox"), ("Bob@Example.ORG, \\bob, bob", "mailbox"),
            ("x, y@z, \"|cat\", /f, bob", "|cat /f mailbox x@example.org y@z"),
            ("bob@example.net", "bob@example.net"), ("bob+x", "bob+x@example.org"),
            ("\\carol", "carol@example.org"),
            ("|cat, |cat, /f, /f", "|cat /f"),
            ("~/Mail/, \"~/Old mail\", ~/Mail/", "/home/bob/Mail/ /home/bob/Old mail"),
            ("~bob/x", "~bob/x@example.org"), ("\"b o b\"@example.org", "\"b o b\"@example.org"),
            (":include:/a", "/file mailbox one@x three@x two@x"), (":include:/empty", ""),
            (":include:/1, x@y", "end@x x@y"),
        ])
    func sorting(text: String, expected: String) throws {
        #expect(shown(try sorted(text)) == expected)
    }

    @Test(
        "a list that names its own alias leads to the others; what names nothing else is a loop",
        arguments: [
            ("team, x@y", "x@y"), ("x@y, Team@Example.org", "x@y"), ("team, |cat", "|cat"),
            ("team, bob", "mailbox"),
            ("team", "team@example.org"), ("team+x, x@y", "team+x@example.org x@y"),
        ])
    func ownAlias(text: String, expected: String) throws {
        var targets = try sorted(text)
        targets.leaveOut([UInt8]("team@example.org"))
        #expect(shown(targets) == expected)
    }

    @Test(
        "a list that is missing, goes round, is too deep or too long defers mail",
        arguments: [":include:/none", ":include:/loop", ":include:/5", ":include:/many, :include:/many"])
    func failing(text: String) {
        #expect(throws: SortedTargets.Failure.self) { try sorted(text) }
    }
}
