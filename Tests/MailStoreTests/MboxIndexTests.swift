import Testing
import Unix

@testable import MailStore

@Suite struct MboxIndexTests {
    private let place: TemporaryMaildir
    private var path: String { place.path + "mbox" }

    init() throws { place = try TemporaryMaildir() }

    /// An mbox of these bytes, open for reading and writing.
    private func file(_ text: String) throws -> Descriptor {
        _ = try Directory(place.path).removeIfPresent("mbox")
        try place.write("mbox", text)
        return try Directory(place.path).open("mbox", .readWrite)
    }

    private func messages(_ text: String) throws -> [String] {
        let file = try file(text)
        return try MboxIndex(file).messages.map {
            String(decoding: try file.read(upTo: $0.end - $0.header, at: $0.header), as: UTF8.self)
        }
    }

    static let long = String(repeating: "x", count: 70_000)

    @Test(
        "a From line behind an empty line begins a message, whatever Content-Length says",
        arguments: [
            ("", []), ("\n", []), ("junk\n", []), ("From a\n", [""]),
            ("From a\nH: 1\n\nb\n", ["H: 1\n\nb\n"]),
            ("From a\nH: 1\n\nb\n\nFrom b\nH: 2\n\nc\n\n", ["H: 1\n\nb\n", "H: 2\n\nc\n"]),
            ("From a\n\nb\nFrom c\nd\n", ["\nb\nFrom c\nd\n"]), ("From a\n\n>From c\n\n", ["\n>From c\n"]),
            ("From a\nContent-Length: 9999\n\nb\n\nFrom c\n\nd\n", ["Content-Length: 9999\n\nb\n", "\nd\n"]),
            ("From a\nH: 1\n\nb", ["H: 1\n\nb"]), ("junk\n\nFrom a\n\nb\n", ["\nb\n"]),
            ("From a\n\n\(long)\n\nFrom b\n\n\(long)\n", ["\n\(long)\n", "\n\(long)\n"]),
            ("From a\n\n\n\n\nFrom b\n\n", ["\n\n\n", ""]),
        ] as [(String, [String])])
    func index(text: String, expected: [String]) throws { #expect(try messages(text) == expected) }

    @Test("sizes count line ends as CRLF")
    func sizes() throws {
        let file = try file("From a\nH: 1\n\nb\n\nFrom b\nH: 1\r\n\r\nb\r\n\nFrom c\n\n\(Self.long)\n")
        #expect(try MboxIndex(file).messages.map(\.wireSize) == [11, 11, 70_004])
    }

    @Test("a message's fingerprint is the same when a reader marked it, another when it is another message")
    func fingerprints() throws {
        func fingerprints(_ text: String) throws -> [UInt64] {
            try MboxIndex(file(text)).messages.map(\.fingerprint)
        }
        let plain = try fingerprints("From a\nSubject: s\n\nb\n\n")
        #expect(
            try fingerprints(
                "From a\nX-UID: 7\nSubject: s\nStatus: RO\nX-Status: A\nX-Keywords:\n x\n\nb\n\n") == plain)
        #expect(try fingerprints("junk\n\nFrom a\nSubject: s\n\nother body\n\n") == plain)
        #expect(try fingerprints("From a\nSubject: t\n\nb\n\n") != plain)
        #expect(try fingerprints("From b\nSubject: s\n\nb\n\n") != plain)
    }

    @Test("any set of messages can be removed; the others, and what came since, stay as they are")
    func removal() throws {
        let parts = [
            "From a\nH: 1\n\nshort\n\n", "From b\nH: 2\n\n\(Self.long)\n\n", "From c\nH: 3\n\n",
            "From d\nH: 4\n\n\(Self.long)\n\n",
        ]
        let late = "From e\nH: 5\n\nlate\n"
        for bits in 1..<16 {
            let file = try file(parts.joined())
            let mbox = try Mbox(path)
            try mbox.refresh()
            #expect(mbox.messages.count == 4)
            try file.write(Array(late.utf8), at: mbox.index.size)
            let removing = (0..<4).filter { bits >> $0 & 1 == 1 }
            try mbox.remove { _ in removing }
            let left =
                parts.enumerated().filter { !removing.contains($0.offset) }.map(\.element).joined() + late
            let bytes = try file.read(upTo: 1 << 20, at: 0)
            #expect(bytes == Array(left.utf8), "without \(removing)")
        }
    }

    @Test("a mailbox that is locked stays as it is (T58)")
    func locked() throws {
        let text = "From a\nH: 1\n\nb\n\n"
        let file = try file(text)
        let mbox = try Mbox(path, patience: .milliseconds(1))
        try place.write("mbox.lock", "1\n")
        #expect(throws: SystemError("lock", .again, "mbox")) { try mbox.remove { Array($0.indices) } }
        try Directory(place.path).remove("mbox.lock")
        #expect(try file.tryLockWholeFile())
        #expect(throws: SystemError("fcntl", .again, "mbox")) { try mbox.remove { Array($0.indices) } }
        try file.unlockWholeFile()
        #expect(try place.read("mbox") == text && place.read("mbox.lock") == nil)
    }

    @Test("the file that has taken the mailbox's place is the mailbox")
    func replaced() throws {
        _ = try file("From a\nH: 1\n\nb\n\n")
        let mbox = try Mbox(path)
        try mbox.refresh()
        try place.write("other", "From a\nH: 2\n\nb\n\nFrom b\n\nc\n\n")
        place.run("mv", place.path + "other", path)
        try mbox.refresh()
        #expect(mbox.messages.count == 2)
        place.run("rm", path)
        try mbox.refresh()
        #expect(mbox.messages.isEmpty)
    }

    @Test("what other programs do between two looks is seen", arguments: [0, 1, 2, 3])
    func between(what: Int) throws {
        let text = "From a\nStatus: O\nH: 1\n\nb\n\nFrom b\nH: 2\n\n\(Self.long)\n\n"
        let file = try file(text)
        let mbox = try Mbox(path)
        try mbox.refresh()
        let changed =
            switch what {
            case 0: text + "From c\nH: 3\n\nc\n\n"
            case 1: text.replacing("Status: O", with: "Status: R")
            case 2: String(text.dropFirst(28))
            default: text.replacing("Status: O", with: "Status: RO") + "From c\nH: 3\n\nc\n\n"
            }
        try file.write(Array(changed.utf8), at: 0)
        try file.truncate(to: changed.utf8.count)
        try mbox.refresh()
        #expect(try mbox.index.messages == MboxIndex(file).messages)
    }
}
