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
