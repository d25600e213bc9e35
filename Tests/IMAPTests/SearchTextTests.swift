import Testing

@testable import IMAP

@Suite struct SearchTextTests {
    @Test("a text is found wherever it is, and nowhere else")
    func everyPair() {
        // All words of up to six letters of two, in each other.
        var words: [[UInt8]] = [[]]
        for length in 1...6 {
            words += (0..<(1 << length)).map { bits in (0..<length).map { 97 + UInt8(bits >> $0 & 1) } }
        }
        for text in words {
            for needle in words {
                let expected =
                    needle.isEmpty
                    || text.indices.contains { text[$0...].prefix(needle.count).elementsEqual(needle) }
                #expect(SearchText.contains(text, needle) == expected, "\(needle) in \(text)")
            }
        }
    }

    @Test("what repeats itself is not slow (T40)")
    func repetition() {
        let text = [UInt8](repeating: 97, count: 100_000)
        let half = [UInt8](repeating: 97, count: 5000)
        #expect(!SearchText.contains(text, half + [98] + half))
        #expect(!SearchText.contains(text, [98] + half))
        #expect(SearchText.contains(text + [98] + text, half + [98] + half))
    }
}
