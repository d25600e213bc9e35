import Bytes
package import Mail

/// The front of a message: held back until its header is whole, then given out as the queue
/// keeps it. A header that ends without an empty line gets one, so that no text becomes a field.
///
/// A header without end is not waited for: from `limit` on everything goes through as it comes.
package struct MessageFront {
    private let limit: Int
    private var gatherer = HeaderGatherer()
    /// What was found, once the front is given out: for what is read from the fields.
    package private(set) var header = MessageHeader([])
    package private(set) var isGivenOut = false

    package init(limit: Int) { self.limit = limit }

    /// Adds content; whether the header is there, or will not be waited for.
    package mutating func append(_ content: [UInt8]) -> Bool {
        gatherer.push(content)
        return gatherer.isWhole || gatherer.text.count >= limit
    }

    /// All that was held back: the header, and what of the body came with it. `change` makes another header of one that is
    /// whole, without the empty line; nil leaves it. `isAtEnd`: nothing follows, so the header ends where the content does.
    package mutating func giveOut(
        isAtEnd: Bool, change: (MessageHeader) throws(Rejection) -> [UInt8]?
    ) throws(Rejection) -> (header: [UInt8], rest: [UInt8]) {
        isGivenOut = true
        if isAtEnd { gatherer.finish() }
        var text = gatherer.text
        let isWhole = gatherer.isWhole
        gatherer = HeaderGatherer()
        header = MessageHeader(text)
        let changed = try change(header)
        // The rest of the header is still to come.
        guard isWhole else { return (text, []) }
        let size = header.size
        let rest = Array(text[size...])
        if var changed {
            header = MessageHeader(changed)
            changed.append(.lf)
            return (changed, rest)
        }
        text.removeSubrange(size...)
        let hasEmptyLine = text.last == .lf && text.dropLast().last ?? .lf == .lf
        if !hasEmptyLine, !rest.isEmpty { text.append(.lf) }
        return (text, rest)
    }
}

/// Gathers the front of a message until its header is whole, looking at each line once.
package struct HeaderGatherer {
    /// All that was pushed.
    package private(set) var text: [UInt8] = []
    private var start = MessageStart()
    /// Where the first line begins that was not looked at yet.
    private var position = 0
    /// Up to where no end of it was found.
    private var searched = 0
    /// Whether `header` has all its fields. False for long means a header without an end: how much is too much is
    /// the caller's to say, by `text`.
    package private(set) var isWhole = false

    package init() {}

    /// Takes text with LF line ends, cut anywhere.
    package mutating func push(_ part: [UInt8]) {
        let content = start.push(part)
        if text.isEmpty { text = content } else { text.append(run: content[...]) }
        look()
    }

    /// The message ends here, and so does its header.
    package mutating func finish() {
        text += start.finish()
        isWhole = true
    }

    package var header: MessageHeader { MessageHeader(text) }

    private mutating func look() {
        while !isWhole, let end = text.firstIndex(of: .lf, from: searched) {
            let line = text[position..<end]
            let continues = position > 0 && line.first?.isWhitespace == true
            position = end + 1
            searched = position
            isWhole = !continues && !MessageHeader.isFieldStart(line)
        }
        searched = text.count
    }
}

/// The front of a message as somebody handed it in, made sure of before a trace field is put on top: lines
/// `From ` that an mbox puts in front of a message (and `>From `, as something quoted them) are dropped; and where
/// the first line is no field, the empty line that is missing is put before it, or text would become header.
package struct MessageStart {
    /// The beginning of a line that may still be an mbox's, or a field; nil once that is known.
    private var held: [UInt8]? = []
    private var isDropping = false

    /// A line that has not ended by then is judged by what is there.
    private static let longest = 4096

    package init() {}

    /// Takes lines that end in LF (or CRLF), cut anywhere; gives out what is known to belong to the message.
    package mutating func push(_ part: [UInt8]) -> [UInt8] {
        guard let before = held else { return part }
        let text = before.isEmpty ? part : before + part
        var rest = text[...]
        while true {
            let end = rest.firstIndex(of: .lf)
            if isDropping || Self.isSeparator(rest) {
                // Of a line that is dropped nothing is held.
                isDropping = end == nil
                guard let end else {
                    held = []
                    return []
                }
                rest = rest[(end + 1)...]
                continue
            }
            let text = rest.startIndex == text.startIndex ? text : Array(rest)
            guard end != nil || text.count > Self.longest else {
                held = text
                return []
            }
            return release(text)
        }
    }

    /// The message ends here.
    package mutating func finish() -> [UInt8] {
        guard let text = held, !isDropping, !text.isEmpty else { return [] }
        return release(text)
    }

    private mutating func release(_ text: [UInt8]) -> [UInt8] {
        held = nil
        let line = text[..<(text.firstIndex(of: .lf) ?? text.endIndex)]
        let isHeader = line.isEmpty || line.elementsEqual([.cr]) || MessageHeader.isFieldStart(line)
        return isHeader ? text : [.lf] + text
    }

    private static func isSeparator(_ text: ArraySlice<UInt8>) -> Bool {
        text.drop { $0 == .ascii(">") }.starts(with: "From ".utf8)
    }
}
