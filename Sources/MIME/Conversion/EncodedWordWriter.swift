import Bytes

/// Writes text that is not ASCII, or has no place to be folded, as encoded words of RFC 2047.
enum EncodedWordWriter {
    /// RFC 2047 §2 allows 75; shorter ones have room behind the name of a field.
    private static let longest = 60
    /// A word that needs encoding even in ASCII, because no line has room for it.
    private static let longestPlainWord = 900

    /// Words of `text` that need it, the white space between two of them included: a reader drops what stands
    /// between encoded words (RFC 2047 §6.2). The text's own folds stay where they are outside.
    static func encode(_ text: ArraySlice<UInt8>) -> [UInt8] {
        var output: [UInt8] = []
        /// Words that are to be encoded together, and the white space behind them.
        var run: ArraySlice<UInt8>?
        var position = text.startIndex
        while position < text.endIndex {
            let start = position
            while position < text.endIndex, !isBlank(text[position]) { position += 1 }
            let word = start..<position
            let blanks = position
            while position < text.endIndex, isBlank(text[position]) { position += 1 }
            if needsEncoding(text[word]) {
                run = text[(run?.startIndex ?? start)..<blanks]
            } else {
                if let run { output += words(run) + text[run.endIndex..<start] }
                run = nil
                output += text[start..<position]
                continue
            }
            // White space is written when it is known what follows it.
            if position == text.endIndex, let run { return output + words(run) + text[blanks...] }
        }
        return output
    }

    static func needsEncoding(_ word: ArraySlice<UInt8>) -> Bool {
        word.count > longestPlainWord || !word.allSatisfy { $0.isASCII }
    }

    static func hasLongWord(_ text: ArraySlice<UInt8>) -> Bool {
        text.split(whereSeparator: isBlank).contains { $0.count > longestPlainWord }
    }

    private static func isBlank(_ byte: UInt8) -> Bool { byte.isWhitespace || byte == .lf || byte == .cr }

    /// All of `text` in as many encoded words as it takes, one line end taken out where it was folded.
    static func words(_ text: some Collection<UInt8>) -> [UInt8] {
        let text = text.filter { $0 != .lf && $0 != .cr }
        let isUTF8 = isUTF8(text)
        // RFC 1428 §3: what cannot be told.
        let front = [UInt8](isUTF8 ? "=?utf-8?q?" : "=?unknown-8bit?q?")
        var output = front
        var length = front.count
        var index = 0
        while index < text.count {
            // RFC 2047 §5: no character is split.
            var end = index + 1
            while isUTF8, end < text.count, text[end] & 0xC0 == 0x80 { end += 1 }
            let character = text[index..<end].flatMap(quoted)
            if length + character.count + 2 > longest {
                output += "?= " as StaticString
                output += front
                length = front.count
            }
            output += character
            length += character.count
            index = end
        }
        return output + [UInt8]("?=")
    }

    /// RFC 2047 §4.2, with no more plain characters than a phrase allows (§5).
    private static func quoted(_ byte: UInt8) -> [UInt8] {
        if byte.isAlphanumeric { return [byte] }
        if byte == .space { return [.ascii("_")] }
        return [.ascii("="), hexDigit(byte >> 4).uppercased, hexDigit(byte & 15).uppercased]
    }

    static func isUTF8(_ text: [UInt8]) -> Bool {
        var check = UTF8Check()
        for byte in text { check.take(byte) }
        return check.isValid && check.isComplete
    }
}
