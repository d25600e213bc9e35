import Bytes
import Testing

@testable import Unix

@Suite struct ExtentsTests {
    /// `ab` of memory, `cdef` and `XgX` of a file, and its neighbours that do not count.
    private func text(_ file: borrowing Descriptor) throws -> Extents {
        try file.write(Array("..cdef...g".utf8), at: 0)
        var text = Extents()
        text.append(Array("ab".utf8))
        text.append([])
        text.append(file: file.raw, offset: 2, count: 4)
        text.append(file: file.raw, offset: 0, count: 0)
        text.append(file: file.raw, offset: 9, count: 1)
        return text
    }

    private func string(_ text: Extents) throws -> String {
        String(decoding: try text.bytes(upTo: 100), as: UTF8.self)
    }

    @Test("stretches of files and of memory read as one text, from each position")
    func positions() throws {
        let file = try Directory("/tmp").openScratch()
        let text = try text(file)
        #expect(text.count == 7)
        let whole = Array("abcdefg".utf8)
        for position in 0...7 {
            for most in 1...8 {
                let wanted = Array(whole[position...].prefix(most))
                #expect(try text.bytes(at: position, upTo: most) == wanted)
                let part = try text.part(at: position, upTo: most)
                #expect(wanted.starts(with: part) && part.isEmpty == wanted.isEmpty)
            }
        }
        var parts: [[UInt8]] = []
        try text.forEachPart { parts.append($0) }
        #expect(parts == ["ab", "cdef", "g"].map { Array($0.utf8) })
    }

    @Test("bytes in front, and any front and rest of a text, are texts")
    func cutting() throws {
        let file = try Directory("/tmp").openScratch()
        let text = try text(file)
        for place in 0...8 {
            #expect(try string(text.prefix(place)) == String("abcdefg".prefix(place)))
            #expect(try string(text.dropFirst(place)) == String("abcdefg".dropFirst(place)))
            #expect(text.prefix(place).count + text.dropFirst(place).count == 7)
        }
        #expect(try string(text.behind(Array("Received: ".utf8))) == "Received: abcdefg")
    }

    @Test("a file that is shorter than was said is an error, not an end")
    func short() throws {
        let file = try Directory("/tmp").openScratch()
        try file.write(Array("abc".utf8))
        let text = Extents(file: file.raw, count: 4)
        #expect(try text.part(at: 0) == Array("abc".utf8))
        #expect(throws: SystemError("pread", .inputOutput, "message ends too early")) { try text.part(at: 3) }
    }
}
