import Bytes
import MIME
import Mail

/// What SEARCH's BODY and TEXT look at (RFC 3501 §6.4.4): everything in a message that is text, decoded. Headers of parts
/// and of attached messages are, and so are reports; nothing is too far behind.
struct SearchedMessage {
    private let reader: MessageReader
    private let charsets: CharsetDecoder

    /// A part is read and decoded in pieces of this size.
    private static let piece = 1 << 20

    init(_ reader: MessageReader, _ charsets: CharsetDecoder) {
        self.reader = reader
        self.charsets = charsets
    }

    func headerContains(_ text: SearchText) throws(StoreFailure) -> Bool {
        isFound(text, inHeader: try reader.header())
    }

    /// A field at a time: its name, and its value unfolded and decoded. What is no field is text all the same.
    private func isFound(_ text: SearchText, inHeader header: [UInt8]) -> Bool {
        func isFound(in lines: ArraySlice<UInt8>) -> Bool {
            !lines.isEmpty && text.isFound(inHeader: charsets.decodeWords(SearchText.singleSpaced(lines)))
        }
        if text.isEmpty { return true }
        var position = header.startIndex
        for field in MessageHeader(toEmptyLine: header).fields {
            if isFound(in: header[position..<field.raw.startIndex]) || isFound(in: field.raw) { return true }
            position = field.raw.endIndex
        }
        return isFound(in: header[position...])
    }

    func bodyContains(_ text: SearchText) throws(StoreFailure) -> Bool {
        if text.isEmpty { return true }
        let root = try reader.structure()
        var parts = [root]
        while let part = parts.popLast() {
            if part !== root, isFound(text, inHeader: part.header) { return true }
            parts += part.children
            if let message = part.message {
                parts.append(message)
            } else if part.isSearchable, try isFound(text, inBodyOf: part) {
                return true
            }
        }
        return false
    }

    private func isFound(_ text: SearchText, inBodyOf part: Part) throws(StoreFailure) -> Bool {
        let charset = part.contentType?.first("charset") ?? []
        var transfer = TransferDecoder(encoding: part.encoding)
        var progress = SearchText.Progress()
        var waiting: [UInt8] = []
        var offset = part.body.stored
        while offset < part.end.stored {
            let raw = try reader.read(offset..<min(offset + Self.piece, part.end.stored))
            if raw.isEmpty { break }
            offset += raw.count
            let isLast = offset >= part.end.stored
            waiting += transfer.decode(raw, isLast: isLast)
            let end = isLast ? waiting.count : Self.lastCut(in: waiting, charset)
            let bytes = Array(waiting[..<end])
            waiting.removeFirst(end)
            if text.isFound(in: charsets.decode(bytes, charset: charset) ?? bytes, after: &progress) {
                return true
            }
        }
        return false
    }

    /// Where a text may be cut: behind a line, at least not within a character.
    private static func lastCut(in text: [UInt8], _ charset: [UInt8]) -> Int {
        // Of those that do not contain ASCII, units of two or four bytes.
        if charset.hasPrefixFolded("utf-16") || charset.hasPrefixFolded("utf-32")
            || charset.hasPrefixFolded("ucs-")
        {
            return text.count & ~3
        }
        let cut = text.lastIndex(of: .lf) ?? text.lastIndex { $0.isASCII }
        return cut.map { $0 + 1 } ?? text.count
    }
}

extension Part {
    /// Text, and what a message/… part that is no message has to say: delivery status, disposition (RFC 3464, RFC 8098).
    fileprivate var isSearchable: Bool {
        children.isEmpty && (isText || isUndivided || type.equalsFolded("message"))
    }
}
