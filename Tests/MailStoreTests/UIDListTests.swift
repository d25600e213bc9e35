import Bytes
import Mail
import Testing

@testable import MailStore

@Suite struct UIDListTests {
    static let list = "3 V1275660208 N25022 G3085f01b\n25006 :a.1.h,S=5\n25017 W9 G1 :b.2.h\n25021 :c.3.h\n"

    @Test("a list is written as it was read, words that are not ours included")
    func roundTrip() throws {
        let list = try #require(UIDList(Array(Self.list.utf8)))
        #expect(list.validity == 1_275_660_208 && list.next == 25022)
        #expect(list.entries.map(\.uid) == [25006, 25017, 25021])
        #expect(String(decoding: list.encoded, as: UTF8.self) == Self.list)
    }

    @Test("flags in a listed name do not count; a new message gets the next UID, a gone one leaves a gap")
    func changes() throws {
        var list = try #require(UIDList(Array("3 V7 N4\n1 :a:2,S\n3 :b:2,\n".utf8)))
        list.keep { $0 == MaildirBase(Array("b".utf8)) }
        list.append(MaildirBase(Array("c".utf8)))
        #expect(String(decoding: list.encoded, as: UTF8.self) == "3 V7 N5\n3 :b\n4 :c\n")
    }

    @Test("lines that Dovecot appended may pass the header's next UID")
    func appended() throws {
        let list = try #require(UIDList(Array("3 V7 N2\n1 :a\n2 :b\n9 :c\n".utf8)))
        #expect(list.next == 10 && list.entries.count == 3)
    }

    @Test(
        "a list whose first line is damaged is none (T46)",
        arguments: [
            "", "\n", "3", "3\n", "3 V1\n", "3 N1\n", "3 V0 N1\n", "3 V1 N0\n", "4 V1 N1\n", "V1 N1\n",
            "3 V-1 N1\n", "3 V1 N+1\n", "3 V4294967296 N1\n", "3 V1 N4294967296\n", "3 Vx N1\n", "3  \n",
            "1\n",
            "1 2\n", "1 0 1\n", "1 1 0\n", "1 x 1\n", "2 V1 N1\n", "\0\0\0\0\n",
        ])
    func damaged(text: String) { #expect(UIDList(Array(text.utf8)) == nil) }

    @Test(
        "a line that is none costs its message the UID and no other, and the UIDVALIDITY stays",
        arguments: [
            "2 :a\n1 :b\n", "1 :b\n1 :c\n2 :a\n", "0 :c\n1 :b\n2 :a\n", "1 :b\n2 :a\n4294967295 :c\n",
            "4294967296 :c\n1 :b\n2 :a\n", "-1 :c\n1 :b\n2 :a\n", "1 :b\nx :c\n2 :a\n", "1 :b\n2\n2 :a\n",
            "1 :b\n2 c\n2 :a\n", "1 :b\n2 :\n2 :a\n", "1 :b\n2 ::2,S\n2 :a\n", "1 :b\n:c\n2 :a\n",
            "1 :b\n\0\0\0\n2 :a\n", "\n\n1 :b\n2 :a\n",
        ])
    func badLines(lines: String) throws {
        let list = try #require(UIDList(Array("3 V7 N5\n\(lines)".utf8)))
        #expect(list.validity == 7 && list.next == 5 && list.entries.map(\.uid) == [1, 2])
        #expect(list.entries.map { Array($0.base.bytes) } == [Array("b".utf8), Array("a".utf8)])
        #expect(list.isSound == lines.hasPrefix("\n"))
    }

    @Test("a list of version 1 is read, and written in version 3")
    func versionOne() throws {
        let list = try #require(UIDList(Array("1 7 20222\n20219 a.h:2,S\n20221 b c\n".utf8)))
        #expect(!list.isSound)
        #expect(String(decoding: list.encoded, as: UTF8.self) == "3 V7 N20222\n20219 :a.h\n20221 :b c\n")
    }

    @Test("of two lines for one file the later counts")
    func sameFileTwice() throws {
        var list = try #require(UIDList(Array("3 V7 N4\n1 :a\n2 :b\n3 :a:2,S\n".utf8)))
        list.keep { _ in true }
        #expect(list.entries.map(\.uid) == [2, 3])
    }

    @Test("cut anywhere, with any byte changed, it is a list with ascending UIDs below the next, or none")
    func chance() {
        let bytes = Array(Self.list.utf8)
        var inputs = (0...bytes.count).map { Array(bytes.prefix($0)) }
        for index in bytes.indices {
            for byte: UInt8 in [0, 0x0A, 0x20, 0x30, 0x39, 0x3A, 0x56, 0xFF] {
                var changed = bytes
                changed[index] = byte
                inputs.append(changed)
            }
        }
        for input in inputs {
            guard let list = UIDList(input) else { continue }
            #expect(zip(list.entries, list.entries.dropFirst()).allSatisfy { $0.uid < $1.uid })
            #expect(list.entries.allSatisfy { $0.uid < list.next } && list.validity > 0)
        }
    }

    @Test("keywords keep their numbers, and there are 36; a number that a message has is not given again")
    func keywords() {
        var keywords = KeywordNames(file: Array("0 $Forwarded\n2 Junk\n25 z\n36 no\nx y\n-1 a\n3\n".utf8))
        #expect(keywords.all.count == 3)
        #expect(
            keywords.number(of: Array("junk".utf8)) == 2 && keywords.add(Array("JUNK".utf8), taken: []) == 2)
        #expect(keywords.add(Array("new".utf8), taken: MessageFlags(keyword: 1)) == 3)
        for number in 0..<31 {
            #expect(keywords.add(Array("k\(number)".utf8), taken: MessageFlags(keyword: 1)) != nil)
        }
        #expect(keywords.add(Array("one too many".utf8), taken: MessageFlags(keyword: 1)) == nil)
        #expect(keywords.add(Array("one too many".utf8), taken: []) == 1)
        #expect(keywords.isFull && KeywordNames(file: keywords.file) == keywords)
    }
}
