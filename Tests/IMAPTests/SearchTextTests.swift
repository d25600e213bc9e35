import Testing

@testable import IMAP

@Suite struct SearchTextTests {
    private func isFound(_ needle: [UInt8], _ text: [UInt8]) -> Bool { SearchText(needle).isFound(in: text) }

    @Test("a text is found wherever it is, and nowhere else")
    func everyPair() {
        // All words of up to six letters of two, in each other.
        var words: [[UInt8]] = [[]]
        for length in 1...6 {
            words += (0..<(1 << length)).map { bits in (0..<length).map { 97 + UInt8(bits >> $0 & 1) } }
        }
        for needle in words {
            let search = SearchText(needle)
            for text in words {
                let expected =
                    needle.isEmpty
                    || text.indices.contains { text[$0...].prefix(needle.count).elementsEqual(needle) }
                #expect(search.isFound(in: text) == expected, "\(needle) in \(text)")
                var progress = SearchText.Progress()
                let pieces = text.map { search.isFound(in: [$0], after: &progress) }
                #expect(pieces.contains(true) || needle.isEmpty == expected, "\(needle) in pieces of \(text)")
            }
        }
    }

    @Test("what repeats itself is not slow (T40)")
    func repetition() {
        let text = [UInt8](repeating: 97, count: 100_000)
        let half = [UInt8](repeating: 97, count: 5000)
        #expect(!isFound(half + [98] + half, text))
        #expect(!isFound([98] + half, text))
        #expect(isFound(half + [98] + half, text + [98] + text))
    }

    @Test(
        "letters are compared by what they are, however they are written",
        arguments: [
            ("ökologie", "O\u{308}KOLOGIE"), ("O\u{308}kologie", "Ökologie"), ("οδος", "ΟΔΟΣ"),
            ("ΟΔΟΣ", "οδος"),
            ("STRASSE", "straße"), ("straße", "STRASSE"), ("ﬁn", "FIN"), ("тест", "ТЕСТ"),
            ("가", "\u{1100}\u{1161}"),
            ("\u{1EC7}", "e\u{323}\u{302}"), ("\u{1EC7}", "e\u{302}\u{323}"), ("K", "\u{212A}"),
            ("Å", "\u{212B}"),
        ])
    func unicode(needle: String, text: String) {
        #expect(isFound(Array(needle.utf8), Array("… \(text) …".utf8)))
        #expect(!isFound(Array(needle.utf8), Array("… ∅ …".utf8)))
    }

    @Test(
        "in a header a run of blanks is a space, in a body it is what it is",
        arguments: [
            ("about things", "about\r\n\tthings"), ("about  things", "about \n  things"), ("a b", "a\t \tb"),
        ])
    func blanks(needle: String, text: String) {
        let search = SearchText(Array(needle.utf8))
        #expect(search.isFound(inHeader: Array(text.utf8)))
        #expect(!search.isFound(in: Array(text.utf8)))
    }

    @Test("bytes that are no text match nothing but themselves, and end nothing")
    func noText() {
        let bytes: [UInt8] = [0xFF, 0xC3, 0x28, 0xA0, 0x80, 0x61]
        #expect(isFound([0x61], bytes))
        #expect(isFound([0x28], bytes))
        #expect(!isFound(Array("é".utf8), bytes))
    }
}
