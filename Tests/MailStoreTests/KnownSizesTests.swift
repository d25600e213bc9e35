import Bytes
import Mail
import Testing
import Unix

@testable import MailStore

/// What sessions remember of the sizes of messages.
@Suite struct KnownSizesTests {
    let maildir: TemporaryMaildir
    private static let count = KnownSizes.fewMeasured

    init() throws {
        maildir = try TemporaryMaildir()
        for number in 0..<Self.count { try maildir.write(Self.name(number), "a\nb\n") }
    }

    private static func name(_ number: Int) -> String { "cur/\(1000 + number).M1P1Q1R1.h:2,S" }

    /// All sizes as a session sees them that ends then.
    private func sizes() throws -> [Int?] {
        let folder = try maildir.folder()
        return try folder.list.messages.indices.map { try folder.size(at: $0) }
    }

    private func maildropSizes() throws -> [Int?] {
        let drop = try POP3Maildir(maildir.path)
        try drop.look()
        return drop.messages.map { $0.size }
    }

    /// The same file, with other octets in it, as if nothing had happened.
    private func overwrite(_ number: Int, _ text: String) throws {
        let directory = OpenDirectory(try Directory(maildir.path))
        let file = try directory.directory.open(Self.name(number), .readWrite)
        try file.truncate(to: 0)
        try file.write(Array(text.utf8), at: 0)
    }

    /// Another file in its place.
    private func replace(_ number: Int, _ text: String) throws {
        try maildir.write("tmp/x", text)
        let directory = OpenDirectory(try Directory(maildir.path))
        try directory.directory.replace(Self.name(number), with: "tmp/x")
    }

    private let all = [Int?](repeating: 6, count: count)

    @Test("sizes are measured once, for IMAP and POP3")
    func once() throws {
        #expect(try sizes() == all)
        #expect(try maildir.read("relais-sizes") != nil)
        // Nobody looks at the files.
        try overwrite(3, "a\nb\nc\n")
        #expect(try sizes() == all)
        #expect(try maildropSizes() == all)
    }

    @Test("a few are not worth a file")
    func few() throws {
        maildir.run("rm", maildir.path + Self.name(0))
        #expect(try sizes().count == Self.count - 1)
        #expect(try maildropSizes().count == Self.count - 1)
        #expect(try maildir.read("relais-sizes") == nil)
    }

    @Test("nor is one of a few that somebody wrote into")
    func fewOverwritten() throws {
        maildir.run("rm", maildir.path + Self.name(0))
        let folder = try maildir.folder()
        #expect(try folder.size(at: 2) == 6)
        try overwrite(3, "a\nb\nc\n")
        _ = try folder.open(at: 2)
        #expect(try folder.size(at: 2) == 9)
        _ = consume folder
        #expect(try maildir.read("relais-sizes") == nil)
    }

    @Test("a mailbox that is only looked at gets none")
    func readOnly() throws {
        let folder = try maildir.folder(readOnly: true)
        for index in folder.list.messages.indices { _ = try folder.size(at: index) }
        _ = consume folder
        #expect(try maildir.read("relais-sizes") == nil)
    }

    @Test("flags change nothing, and who takes another's place is measured")
    func replaced() throws {
        #expect(try sizes() == all)
        let folder = try maildir.folder()
        _ = try folder.change([3], by: FlagChange(adding: .flagged))
        #expect(try folder.size(at: 3) == 6)
        try replace(4, "a\nb\nc\n")
        var now = all
        now[4] = 9
        #expect(try sizes() == now)
        #expect(try maildropSizes() == now)
    }

    @Test("what was written into in place is right from when somebody reads it", arguments: [true, false])
    func overwritten(byPOP3: Bool) throws {
        #expect(try sizes() == all)
        try overwrite(3, "a\nb\nc\n")
        if byPOP3 {
            let drop = try POP3Maildir(maildir.path)
            try drop.look()
            _ = try drop.open(3)
            #expect(drop.messages[3].size == 9)
        } else {
            let folder = try maildir.folder()
            #expect(try folder.size(at: 3) == 6)
            _ = try folder.open(at: 3)
            #expect(try folder.size(at: 3) == 9)
        }
        var now = all
        now[3] = 9
        #expect(try sizes() == now)
        #expect(try maildropSizes() == now)
    }

    @Test("after a day the files are looked at")
    func expiry() throws {
        #expect(try sizes() == all)
        try overwrite(3, "a\nb\nc\n")
        let files = try Maildir(maildir.path)
        let changed = try #require(try files.files().first { $0.name.starts(with: Array("1003.".utf8)) })
        func size(after seconds: Int) throws -> Int? {
            try KnownSizes(files, at: Time.now() + .seconds(seconds)).size(of: changed)
        }
        #expect(try size(after: 86_390) == 6)
        #expect(try size(after: 86_410) == 9)
        // A clock that was set back.
        #expect(try size(after: -60) == 9)
    }

    @Test("a damaged file costs nothing but time")
    func damaged() throws {
        #expect(try sizes() == all)
        let file = maildir.path + "relais-sizes"
        let good = try #require(try Path.contents(file))
        #expect(good.count == (Self.count + 1) * 32)
        var damaged: [[UInt8]] = [[], [0], good.dropLast(), good.dropLast(32), good + good]
        for place in [0, 8, 16, 32, 40, 48, 56, good.count - 1] {
            damaged.append(good)
            damaged[damaged.count - 1][place] ^= 1
        }
        for bytes in damaged where bytes != good {
            try maildir.write("relais-sizes", "")
            let directory = OpenDirectory(try Directory(maildir.path))
            let opened = try directory.directory.open("relais-sizes", .readWrite)
            try opened.truncate(to: 0)
            try opened.write(bytes, at: 0)
            #expect(try sizes() == all)
        }
        #expect(try maildir.read("relais-sizes.tmp") == nil)
    }

    @Test("what is in its place and no file of ours is left alone")
    func hidden() throws {
        try maildir.write("elsewhere", "x")
        maildir.run("ln", "-s", "elsewhere", maildir.path + "relais-sizes")
        #expect(try sizes() == all)
        #expect(try maildir.read("elsewhere") == "x")
        #expect(try sizes() == all)
    }

    @Test("messages that are gone leave it")
    func bounded() throws {
        #expect(try sizes() == all)
        for number in 10..<20 { maildir.run("rm", maildir.path + Self.name(number)) }
        try overwrite(3, "a\nb\nc\n")
        let folder = try maildir.folder()
        _ = try folder.size(at: 3)
        _ = try folder.open(at: 3)
        _ = consume folder
        #expect(try Path.contents(maildir.path + "relais-sizes")?.count == (Self.count - 10) * 32)
    }
}
