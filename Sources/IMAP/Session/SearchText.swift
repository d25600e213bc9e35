import Bytes
// The standard library normalises to compare strings; this is the way to ask for it.
@_spi(_Unicode) import Swift

/// A text that is looked for in others without regard to case, in UTF-8: like RFC 5051's collation, decomposed and
/// case-folded by Unicode, so that it does not matter who wrote an accent as one character and who as two.
struct SearchText {
    private let text: Needle
    /// The same where blanks mean nothing but a space.
    private let spaced: Needle

    init(_ text: [UInt8]) {
        self.text = Needle(Self.folded(text))
        spaced = Needle(Self.folded(Self.singleSpaced(text)))
    }

    var isEmpty: Bool { text.bytes.isEmpty }

    func isFound(in text: [UInt8]) -> Bool {
        var progress = Progress()
        return isFound(in: text, after: &progress)
    }

    /// Whether it ends in this piece of a text; pieces are cut between lines, or at least between characters.
    func isFound(in piece: [UInt8], after progress: inout Progress) -> Bool {
        text.ends(in: piece.allSatisfy { $0.isASCII } ? piece : Self.folded(piece), &progress.matched)
    }

    /// Of a header's field, decoded.
    func isFound(inHeader text: [UInt8]) -> Bool {
        let plain = Self.singleSpaced(text)
        var matched = 0
        return spaced.ends(in: plain.allSatisfy { $0.isASCII } ? plain : Self.folded(plain), &matched)
    }

    /// How far a search has come in a text that comes in pieces.
    struct Progress {
        fileprivate var matched = 0
    }
}

/// Bytes that are looked for by Knuth, Morris and Pratt: no text and needle make it slow (T40).
private struct Needle {
    let bytes: [UInt8]
    /// For each beginning, the length of the longest one that also ends it.
    private let borders: [Int]

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
        var borders = [Int](repeating: 0, count: bytes.count)
        var length = 0
        for index in bytes.indices.dropFirst() {
            while length > 0, bytes[index] != bytes[length] { length = borders[length - 1] }
            if bytes[index] == bytes[length] { length += 1 }
            borders[index] = length
        }
        self.borders = borders
    }

    func ends(in text: [UInt8], _ matched: inout Int) -> Bool {
        if bytes.isEmpty { return true }
        var length = matched
        for byte in text {
            let byte = byte.lowercased
            while length > 0, bytes[length] != byte { length = borders[length - 1] }
            if bytes[length] == byte { length += 1 }
            if length == bytes.count { return true }
        }
        matched = length
        return false
    }
}

/// What texts become before they are compared.
extension SearchText {
    /// ASCII goes through as it is, in small letters; what stands between is decomposed (a mark belongs to the run that it
    /// stands in, whatever letter is before it).
    static func folded(_ text: [UInt8]) -> [UInt8] {
        var output: [UInt8] = []
        output.reserveCapacity(text.count + text.count / 8)
        var index = 0
        while index < text.count {
            if text[index].isASCII {
                output.append(text[index].lowercased)
                index += 1
                continue
            }
            let end = text[index...].firstIndex { $0.isASCII } ?? text.count
            for scalar in String(decoding: text[index..<end], as: UTF8.self)._nfd {
                // By way of the capital: final sigma, ß and ligatures are what they stand for.
                for capital in scalar.properties.uppercaseMapping.unicodeScalars {
                    output += capital.properties.lowercaseMapping.utf8
                }
            }
            index = end
        }
        return output
    }

    /// A run of blanks and line ends is a space: so a header is unfolded (RFC 5322 §2.2.3), whatever its folds are made of.
    static func singleSpaced(_ text: some Collection<UInt8>) -> [UInt8] {
        var output: [UInt8] = []
        output.reserveCapacity(text.count)
        for byte in text {
            if byte.isWhitespace || byte == .cr || byte == .lf {
                if output.last != .space { output.append(.space) }
            } else {
                output.append(byte)
            }
        }
        return output
    }
}
