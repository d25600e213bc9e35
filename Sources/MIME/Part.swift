import Bytes
import Mail

/// A place in a message: in the bytes that are stored, and in those that go over the wire with CRLF line ends.
package struct Offset: Equatable, Sendable {
    package var stored: Int
    package var wire: Int
    /// Line ends before it.
    package var lines: Int

    package static let zero = Offset(stored: 0, wire: 0, lines: 0)
}

/// A part of a message, the message itself included: where it is, and what its header says of its body.
package final class Part {
    package let start: Offset
    package internal(set) var body: Offset
    package internal(set) var end: Offset

    /// Lower case; `text/plain` where nothing was said (RFC 2045 §5.2).
    package internal(set) var type: [UInt8] = [UInt8]("text")
    package internal(set) var subtype: [UInt8] = [UInt8]("plain")
    package internal(set) var contentType: ParameterizedValue?
    package internal(set) var disposition: ParameterizedValue?
    package internal(set) var encoding: [UInt8]?
    package internal(set) var id: [UInt8]?
    package internal(set) var description: [UInt8]?
    package internal(set) var md5: [UInt8]?
    package internal(set) var language: [UInt8]?
    package internal(set) var location: [UInt8]?
    /// The fields, for who needs more: of a message, ENVELOPE's.
    package internal(set) var header: [UInt8] = []
    /// Of a multipart.
    package internal(set) var children: [Part] = []
    /// Of a message/rfc822.
    package internal(set) var message: Part?

    init(start: Offset) {
        self.start = start
        body = start
        end = start
    }

    package var isMultipart: Bool { type.equalsFolded("multipart") && !children.isEmpty }
    /// A multipart in which its boundary is nowhere: one part, all of its text.
    package var isUndivided: Bool { type.equalsFolded("multipart") && children.isEmpty }
    package var isMessage: Bool { message != nil }
    package var isText: Bool { type.equalsFolded("text") }

    package var bodyWireSize: Int { end.wire - body.wire }
    package var bodyLines: Int { end.lines - body.lines }

    /// Reads the header that has been gathered. `inDigest`: the default is message/rfc822 (RFC 2046 §5.1.5).
    func readHeader(_ bytes: [UInt8], inDigest: Bool) {
        header = bytes
        if inDigest {
            type = [UInt8]("message")
            subtype = [UInt8]("rfc822")
        }
        // Of a field that comes twice the first counts, as it does to Dovecot.
        for field in MessageHeader(toEmptyLine: bytes).fields {
            if field.isNamed("Content-Type") {
                if contentType == nil { readType(field.value) }
            } else if field.isNamed("Content-Disposition") {
                disposition = disposition ?? ParameterizedValue(field.value)
            } else if field.isNamed("Content-Transfer-Encoding") {
                encoding = encoding ?? ParameterizedValue(field.value).value
            } else if field.isNamed("Content-ID") {
                id = id ?? field.value
            } else if field.isNamed("Content-Description") {
                description = description ?? field.value
            } else if field.isNamed("Content-MD5") {
                md5 = md5 ?? field.value
            } else if field.isNamed("Content-Language") {
                language = language ?? field.value
            } else if field.isNamed("Content-Location") {
                location = location ?? field.value
            }
        }
    }

    private func readType(_ text: [UInt8]) {
        let value = ParameterizedValue(text)
        let parts = value.value.split(separator: .ascii("/"), maxSplits: 1, omittingEmptySubsequences: false)
        // What is no type at all is text (RFC 2045 §5.2).
        guard parts.count == 2, !parts[0].isEmpty, !parts[1].isEmpty,
            parts.allSatisfy({ $0.allSatisfy { $0.isVisible } })
        else {
            return
        }
        contentType = value
        type = parts[0].folded()
        subtype = parts[1].folded()
    }

    /// The part that a section number names: RFC 3501 §6.4.5. An empty path is the message itself.
    ///
    ///     section-part = nz-number *("." nz-number)
    package func part(_ path: ArraySlice<Int>) -> Part? {
        var part = self
        // Further numbers are those of the message that a part carries, or of a multipart's parts. What has neither is number 1 of
        // itself: a message's body, and a part of a multipart once more, as UW's imapd and Dovecot have it.
        var isItsOwn = false
        for (depth, number) in path.enumerated() {
            if depth > 0, let message = part.message {
                part = message
                isItsOwn = false
            }
            if part.isMultipart {
                guard (1...part.children.count).contains(number) else { return nil }
                part = part.children[number - 1]
                isItsOwn = false
            } else if number == 1, !isItsOwn {
                isItsOwn = true
            } else {
                return nil
            }
        }
        return part
    }
}
