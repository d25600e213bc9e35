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

    /// What makes a line that begins so one that begins a message.
    static let d = " Thu Jan  1 00:00:00 1970"
    static let long = String(repeating: "x", count: 70_000)

    @Test(
        "a line that says from whom and when begins a message, whatever stands before it, and whatever Content-Length says",
        arguments: [
            ("", []), ("\n", []), ("From a\(Self.d)\n", [""]),
            ("From a\(Self.d)\nH: 1\n\nb\n", ["H: 1\n\nb\n"]),
            ("From a\(Self.d)\nH: 1\n\nb\n\nFrom b\(Self.d)\nH: 2\n\nc\n\n", ["H: 1\n\nb\n", "H: 2\n\nc\n"]),
            ("From a\(Self.d)\n\nb\nFrom c\(Self.d)\nd\n", ["\nb\n", "d\n"]),
            ("From a\(Self.d)\n\nb\n\nFrom c\nd\n", ["\nb\n\nFrom c\nd\n"]),
            ("From a\(Self.d)\n\n>From c\(Self.d)\n\n", ["\n>From c\(Self.d)\n"]),
            (
                "From a\(Self.d)\nContent-Length: 9999\n\nb\n\nFrom c\(Self.d)\n\nd\n",
                ["Content-Length: 9999\n\nb\n", "\nd\n"]
            ),
            ("From a\(Self.d)\nH: 1\n\nb", ["H: 1\n\nb"]), ("\n\nFrom a\(Self.d)\n\nb\n", ["\nb\n"]),
            ("From a\(Self.d)\n\n\(long)\n\nFrom b\(Self.d)\n\n\(long)\n", ["\n\(long)\n", "\n\(long)\n"]),
            ("From a\(Self.d)\n\n\n\n\nFrom b\(Self.d)\n\n", ["\n\n\n", ""]),
        ] as [(String, [String])])
    func index(text: String, expected: [String]) throws { #expect(try messages(text) == expected) }

    @Test(
        "a From line says from whom, in a word or quoted, and when",
        arguments: [
            ("From a@b Thu Jan  1 10:00:00 1970", 36000), ("From a Thu Jan 1 10:00 1970", 36000),
            ("From a  Thu Jan  1 10:00:00 MET 1970", 36000),
            ("From a Thu Jan  1 10:00:00 MET DST 1970\r", 36000),
            ("From \"a b\"@c Thu Jan  1 10:00:00 1970", 36000), ("From - thu jan 01 10:00:00 1970", 36000),
            ("From <> Thu Jan  1 10:00:00 1970 remote from x", 36000),
            ("From a Thu, 1 Jan 1970 10:00:00 +0000", 36000),
            ("From a Thu Jan  1 10:00:00 1970 +0100", 36000), ("From  Thu Jan  1 10:00:00 1970", 36000),
            ("From now on you can use it.", nil), ("From Thu Jan  1 10:00:00 1970", nil), ("From a", nil),
            ("From the meeting on Thu Jan  1 10:00:00 1970", nil), ("From a Thu Jan  1 25:00:00 1970", nil),
            ("From a Thu Foo  1 10:00:00 1970", nil), ("From a Thu Jan 32 10:00:00 1970", nil),
            ("From a Thu Jan  1 10:00:00", nil), ("from a Thu Jan  1 10:00:00 1970", nil),
            (">From a Thu Jan  1 10:00:00 1970", nil), ("From \"a Thu Jan  1 10:00:00 1970", nil),
            ("From a Thu Jan  1 10:00:00 99999999999999999999", nil), ("From a Thu Jan  1 9:9 1970", 32940),
        ] as [(String, Int64?)])
    func fromLines(line: String, date: Int64?) {
        #expect(MboxFormat.date(of: Array("\(line)\n".utf8)[...]) == date)
    }

    @Test(
        "a file that begins otherwise is no mbox, and stays as it is",
        arguments: [
            "junk\n", "junk\n\nFrom a Thu Jan  1 10:00:00 1970\n\nx\n", "no line end", "\u{89}PNG\r\n\0",
            "From now on\n",
        ])
    func foreign(text: String) throws {
        _ = try file(text)
        #expect(throws: SystemError("read", .invalid, path)) { try Mbox(path).refresh() }
        let numbered = try NumberedMbox(path, named: [0x78], UIDTable(in: place.path))
        #expect(throws: SystemError("read", .invalid, path)) { _ = try numbered.refresh(claiming: true) }
        #expect(throws: SystemError("read", .invalid, path)) { _ = try numbered.append([]) }
        #expect(try place.read("mbox") == text)
    }

    @Test("sizes count line ends as CRLF")
    func sizes() throws {
        let file = try file(
            "From a\(Self.d)\nH: 1\n\nb\n\nFrom b\(Self.d)\nH: 1\r\n\r\nb\r\n\nFrom c\(Self.d)\n\n\(Self.long)\n"
        )
        #expect(try MboxIndex(file).messages.map(\.wireSize) == [11, 11, 70_004])
    }

    @Test("a message's fingerprint is the same when a reader marked it, another when it is another message")
    func fingerprints() throws {
        func fingerprints(_ text: String) throws -> [UInt64] {
            try MboxIndex(file(text)).messages.map(\.fingerprint)
        }
        let plain = try fingerprints("From a\(Self.d)\nSubject: s\n\nb\n\n")
        #expect(
            try fingerprints(
                "From a\(Self.d)\nX-UID: 7\nSubject: s\nStatus: RO\nX-Status: A\nX-Keywords:\n x\n\nb\n\n")
                == plain)
        // Its last line may have no end yet.
        for end in ["", "\n", "\r\n\r\n"] {
            #expect(try fingerprints("\nFrom a\(Self.d)\nSubject: s\n\nb\(end)") == plain)
        }
        #expect(try fingerprints("From a\(Self.d)\nSubject: s\n\nc\n\n") != plain)
        #expect(
            try fingerprints("From a\(Self.d)\nSubject: s\n\n\(Self.long)a\n\n")
                != fingerprints("From a\(Self.d)\nSubject: s\n\n\(Self.long)\n\n"))
        #expect(try fingerprints("From a\(Self.d)\nSubject: t\n\nb\n\n") != plain)
        #expect(try fingerprints("From b\(Self.d)\nSubject: s\n\nb\n\n") != plain)
    }

    @Test("any set of messages can be removed; the others, and what came since, stay as they are")
    func removal() throws {
        let parts = [
            "From a\(Self.d)\nH: 1\n\nshort\n\n", "From b\(Self.d)\nH: 2\n\n\(Self.long)\n\n",
            "From c\(Self.d)\nH: 3\n\n",
            "From d\(Self.d)\nH: 4\n\n\(Self.long)\n\n",
        ]
        let late = "From e\(Self.d)\nH: 5\n\nlate\n"
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
        let text = "From a\(Self.d)\nH: 1\n\nb\n\n"
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
        _ = try file("From a\(Self.d)\nH: 1\n\nb\n\n")
        let mbox = try Mbox(path)
        try mbox.refresh()
        try place.write("other", "From a\(Self.d)\nH: 2\n\nb\n\nFrom b\(Self.d)\n\nc\n\n")
        place.run("mv", place.path + "other", path)
        try mbox.refresh()
        #expect(mbox.messages.count == 2)
        place.run("rm", path)
        try mbox.refresh()
        #expect(mbox.messages.isEmpty)
    }

    @Test("what other programs do between two looks is seen", arguments: [0, 1, 2, 3])
    func between(what: Int) throws {
        let text = "From a\(Self.d)\nStatus: O\nH: 1\n\nb\n\nFrom b\(Self.d)\nH: 2\n\n\(Self.long)\n\n"
        let file = try file(text)
        let mbox = try Mbox(path)
        try mbox.refresh()
        let changed =
            switch what {
            case 0: text + "From c\(Self.d)\nH: 3\n\nc\n\n"
            case 1: text.replacing("Status: O", with: "Status: R")
            case 2: String(text[text.firstRange(of: "From b")!.lowerBound...])
            default: text.replacing("Status: O", with: "Status: RO") + "From c\(Self.d)\nH: 3\n\nc\n\n"
            }
        try file.write(Array(changed.utf8), at: 0)
        try file.truncate(to: changed.utf8.count)
        try mbox.refresh()
        #expect(try mbox.index.messages == MboxIndex(file).messages)
    }
}
