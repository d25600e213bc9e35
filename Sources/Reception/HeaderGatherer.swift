import Bytes
package import Mail

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
