import Bytes
import Mail
import Testing
import Unix

@testable import MailStore

/// What is made of an mbox in which messages were moving when a process died; what each call leaves the crash tests show.
@Suite struct MboxMoveTests {
    private let place: TemporaryMaildir
    private var path: String { place.path + "mbox" }
    private var journal: MboxJournal { MboxJournal(in: place.path, isInbox: true) }
    private static let parts = (1...3).map { number in
        "From s@example Thu Jan  1 00:00:0\(number) 1970\nSubject: \(number)\n\n\(String(repeating: "body \(number)\n", count: 90))\n"
    }
    private static let late = "From late@example Thu Jan  1 00:00:09 1970\nSubject: late\n\nlate\n\n"

    init() throws { place = try TemporaryMaildir() }

    enum Stage: String, CaseIterable { case told, room, half, copied, moving, moved, over }

    /// An mbox of three messages of which the first is being taken out, as a process leaves it that dies at this stage; what was,
    /// and what is to be.
    private func interrupted(_ stage: Stage, delivered: String) throws -> (old: String, new: String) {
        let (old, new) = (Self.parts.joined(), Self.parts.dropFirst().joined())
        _ = try Directory(place.path).removeIfPresent("mbox")
        try place.write("mbox", old)
        let file = try Directory(place.path).open("mbox", .readWrite)
        var sum = CRC32C()
        sum.update(Array(new.utf8)[...])
        let move = MboxMove(
            inode: try file.status().inode, start: 0, old: old.utf8.count, count: new.utf8.count,
            checksum: sum.value)
        #expect(try journal.tell(move))
        let number = Stage.allCases.firstIndex(of: stage)!
        let bytes = Array(new.utf8)
        if number >= 1 { try move.makeRoom(file) }
        if number == 2 { try file.write(Array(bytes.prefix(700)), at: move.copy) }
        if number >= 3 { try file.write(bytes, at: move.copy) }
        if number == 4 { try file.write(Array(bytes.prefix(1000)), at: 0) }
        if number >= 5 { try file.write(bytes, at: 0) }
        if number >= 6 { try file.truncate(to: bytes.count) }
        try file.write(Array(delivered.utf8), at: try file.status().size)
        return (old, new)
    }

    @Test(
        "what was interrupted is taken back or brought to its end, and what came meanwhile stays",
        arguments: Stage.allCases)
    func ends(stage: Stage) throws {
        for count in [0, 1, 40] {
            let late = String(repeating: Self.late, count: count)
            let (old, new) = try interrupted(stage, delivered: late)
            let mbox = try Mbox(path, journal: journal)
            try mbox.refresh()
            let isTakenBack = [.told, .room, .half].contains(stage)
            #expect(
                try place.read("mbox") == (isTakenBack ? old : new) + late, "\(stage), \(count) delivered")
            #expect(mbox.messages.count == (isTakenBack ? 3 : 2) + count)
            #expect(try place.read("mbox.lock") == nil)
        }
    }

    @Test("the copy lies apart from what was, and from what is written over it")
    func apart() {
        for (start, old, count) in [(0, 100, 50), (0, 100, 100), (0, 100, 500), (40, 100, 60), (40, 100, 61)]
        {
            let move = MboxMove(inode: 1, start: start, old: old, count: count, checksum: 0)
            #expect(move.copy == max(old, start + count) + MboxMove.gap && move.end == move.copy + count)
        }
    }

    @Test("on a full disk, too")
    func filled() throws {
        _ = try interrupted(.moved, delivered: Self.late)
        let mbox = try Mbox(path, journal: journal)
        mbox.freeSpace = { _ in 0 }
        try mbox.refresh()
        // With so little room the rest moves at once.
        #expect(try place.read("mbox") == Self.parts.dropFirst().joined() + Self.late)
        #expect(try journal.move(of: mbox.inodeOfFile()) == nil)
    }

    @Test("a check of the mailboxes tells of it, and has it mended")
    func checked() throws {
        let (_, new) = try interrupted(.moving, delivered: "")
        let before = try place.read("mbox")
        for isDry in [true, false] {
            let mbox = MboxCheck(path: path, name: Array("INBOX".utf8), uids: UIDTable(in: place.path))
            #expect(mbox.look().map { $0.what } == ["its rewriting was interrupted"])
            #expect(try place.read("mbox") == before)
            if !isDry { try mbox.mend() }
        }
        let mbox = try NumberedMbox(path, named: Array("INBOX".utf8), UIDTable(in: place.path))
        _ = try mbox.refresh(claiming: false)
        #expect(mbox.messages.map { $0.marks.uid } == [1, 2])
        #expect(try place.read("mbox")?.contains("Subject: 1\n") == false && new.contains("Subject: 2\n"))
    }

    @Test("what is told of another file, or is damaged, is nothing")
    func strange() throws {
        _ = try interrupted(.copied, delivered: "")
        let inode = try Mbox(path).inodeOfFile()
        let name = ".relais-move-inbox"
        let text = try #require(try place.read(name))
        #expect(try journal.move(of: inode) != nil && journal.move(of: inode + 1) == nil)
        for cut in 0..<text.utf8.count {
            try Directory(place.path).remove(name)
            try place.write(name, String(text.prefix(cut)))
            #expect(try journal.move(of: inode) == nil, "\(cut)")
        }
    }
}

extension Mbox {
    fileprivate func inodeOfFile() throws -> UInt64 {
        try #require(try Path.status(path, following: false)).inode
    }
}
