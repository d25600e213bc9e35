import Bytes
package import Mail

/// The front of a message that comes by SMTP: held back until its header is whole, then given out as the queue
/// keeps it. A header that ends without an empty line gets one, so that no text becomes a field; what one of our own
/// clients left out is added (RFC 5321 §6.4).
///
/// A header without end is not waited for: from `limit` on everything goes through as it comes. sendmail reads its input
/// by the same `HeaderGatherer`, and not by this: there the header names the recipients, and so the envelope, before
/// anything is given out, and what is too long is refused.
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

    /// All that was held back. `author` completes the header; nil: it is a stranger's, and none of our business.
    /// `isAtEnd`: nothing follows, so the header ends where the content does.
    package mutating func giveOut(isAtEnd: Bool, completedBy author: SubmittedHeader.Author?) -> [UInt8] {
        isGivenOut = true
        if isAtEnd { gatherer.finish() }
        let text = gatherer.text
        let isWhole = gatherer.isWhole
        gatherer = HeaderGatherer()
        header = MessageHeader(text)
        // The rest of the header is still to come.
        guard isWhole else { return text }
        let (front, rest) = (text[..<header.size], text[header.size...])
        if let author, let completed = SubmittedHeader(header)?.completed(by: author) {
            header = MessageHeader(completed)
            return Self.joined(completed, rest)
        }
        let hasEmptyLine = front.last == .lf && front.dropLast().last ?? .lf == .lf
        return hasEmptyLine || rest.isEmpty ? text : Self.joined(Array(front), rest)
    }

    private static func joined(_ header: [UInt8], _ rest: ArraySlice<UInt8>) -> [UInt8] {
        var text: [UInt8] = []
        text.reserveCapacity(header.count + 1 + rest.count)
        text.append(run: header[...])
        text.append(.lf)
        text.append(run: rest)
        return text
    }
}
