import Bytes
package import Mail

/// The front of a message on its way into the queue: held back until its header is there, then given out as the
/// queue keeps it. Lines that an mbox puts in front (`From `) are dropped, and a header that ends without an empty
/// line gets one, so that no text becomes a field. What one of our own clients left out is added (RFC 5321 §6.4).
///
/// A header without end is not waited for: from `limit` on everything goes through as it comes.
package struct MessageFront {
    private let limit: Int
    private var gathered: [UInt8] = []
    /// What was found, once the front is given out; the trace fields are counted in it.
    package private(set) var header = MessageHeader([])
    package private(set) var isGivenOut = false

    package init(limit: Int) { self.limit = limit }

    /// Adds content; whether the header is there, or will not be waited for.
    package mutating func append(_ content: [UInt8]) -> Bool {
        let before = gathered.count
        gathered += content
        if gathered.count >= limit { return true }
        // The first piece is the whole message as a rule. Behind it only an empty line is looked for: a client that
        // sends its bytes one by one must not have the header read anew for each.
        guard before > 0 else { return Self.end(of: gathered) != nil }
        var index = max(before - 1, 0)
        while index + 1 < gathered.count {
            if gathered[index] == .lf, gathered[index + 1] == .lf { return true }
            index += 1
        }
        return false
    }

    /// The header in whole lines, if its end is among them.
    private static func end(of text: [UInt8]) -> MessageHeader? {
        let lines = text[..<((text.lastIndex(of: .lf) ?? -1) + 1)]
        let header = MessageHeader(lines)
        return header.size < lines.count || lines.prefix(header.size).hasEmptyLineAtEnd ? header : nil
    }

    /// All that was held back. `author` completes the header; nil: it is a stranger's, and none of our business.
    /// `isAtEnd`: nothing follows, so the header ends where the content does.
    package mutating func giveOut(isAtEnd: Bool, completedBy author: SubmittedHeader.Author?) -> [UInt8] {
        isGivenOut = true
        var text = gathered
        gathered = []
        dropSeparators(&text)
        let ended = Self.end(of: text) ?? (isAtEnd ? MessageHeader(text) : nil)
        guard let ended else {
            // The rest of the header is still to come, unless even the first line is none.
            header = MessageHeader(text)
            if header.size == 0, !text.isEmpty { text.insert(.lf, at: 0) }
            return text
        }
        header = ended
        let hasEmptyLine = text[..<header.size].hasEmptyLineAtEnd
        if let author, let completed = SubmittedHeader(header)?.completed(by: author) {
            let rest = text[header.size...]
            header = MessageHeader(completed)
            return completed + [.lf] + rest
        }
        if !hasEmptyLine, header.size < text.count { text.insert(.lf, at: header.size) }
        return text
    }

    private func dropSeparators(_ text: inout [UInt8]) {
        while text.first == .ascii("F") || text.first == .ascii(">") {
            let isSeparator = text.starts(with: "From ".utf8) || text.starts(with: ">From ".utf8)
            guard isSeparator, let end = text.firstIndex(of: .lf) else { return }
            text.removeSubrange(...end)
        }
    }
}

extension ArraySlice<UInt8> {
    /// Whether the last line is empty.
    fileprivate var hasEmptyLineAtEnd: Bool {
        last == .lf && (count == 1 || self[endIndex - 2] == .lf)
    }
}
