import Bytes
package import MIME
import Mail

/// `body` of RFC 3501 §7.4.2: what a message is made of.
package enum BodyStructure {
    /// `extended`: BODYSTRUCTURE, else BODY. Nesting is bounded by the parser of parts.
    package static func append(_ part: Part, extended: Bool, to output: inout [UInt8]) {
        output += "("
        if part.isMultipart || part.isUndivided {
            for child in part.children { append(child, extended: extended, to: &output) }
            // The grammar wants a part at least.
            if part.isUndivided {
                output += "(\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\""
                output += " \(part.bodyWireSize) \(part.bodyLines)\(extended ? " NIL NIL NIL NIL" : ""))"
            }
            output += " "
            output.append(string: part.subtype.map { $0.uppercased })
            if extended {
                output += " "
                appendParameters(part.contentType, to: &output)
                appendTail(part, to: &output)
            }
        } else {
            appendSingle(part, extended: extended, to: &output)
        }
        output += ")"
    }

    /// `body-type-1part`
    private static func appendSingle(_ part: Part, extended: Bool, to output: inout [UInt8]) {
        output.append(string: part.type.map { $0.uppercased })
        output += " "
        output.append(string: part.subtype.map { $0.uppercased })
        output += " "
        appendParameters(part.contentType, saysCharset: part.isText, to: &output)
        for text in [part.id, part.description] {
            output += " "
            output.append(nstring: text)
        }
        output += " "
        let encoding = part.encoding ?? []
        output.append(string: encoding.isEmpty ? [UInt8]("7BIT") : encoding.map { $0.uppercased })
        output += " \(part.bodyWireSize)"
        // Of message/global RFC 3501's grammar knows nothing: to its clients it is a part like others, as RFC 6532 §3.7 wants.
        if let message = part.message, part.subtype.equalsFolded("rfc822") {
            output += " "
            EnvelopeStructure.append(MessageHeader(toEmptyLine: message.header), to: &output)
            output += " "
            append(message, extended: extended, to: &output)
            output += " \(part.bodyLines)"
        } else if part.isText {
            output += " \(part.bodyLines)"
        }
        if extended {
            output += " "
            output.append(nstring: part.md5)
            appendTail(part, to: &output)
        }
    }

    /// Disposition, language and location.
    private static func appendTail(_ part: Part, to output: inout [UInt8]) {
        output += " "
        if let disposition = part.disposition {
            output += "("
            output.append(string: disposition.value.map { $0.uppercased })
            output += " "
            appendParameters(disposition, to: &output)
            output += ")"
        } else {
            output += "NIL"
        }
        output += " "
        let languages = part.language.map { Self.languages(in: $0) } ?? []
        if languages.isEmpty {
            output += "NIL"
        } else {
            output.append(list: languages) { $0.append(string: $1) }
        }
        output += " "
        output.append(nstring: part.location)
    }

    /// `1#Language-tag`, with comments: RFC 3282 §2. What stands behind a tag without a comma is none.
    private static func languages(in text: [UInt8]) -> [[UInt8]] {
        var cursor = Cursor(text)
        var tags: [[UInt8]] = []
        repeat {
            cursor.skipCFWS()
            let tag = cursor.take {
                !$0.isWhitespace && !$0.isControl && $0 != .ascii(",") && $0 != .ascii("(")
            }
            if !tag.isEmpty { tags.append(Array(tag)) }
            cursor.skipCFWS()
        } while cursor.skip(.ascii(","))
        return tags
    }

    /// `body-fld-param = "(" string SP string *(…) ")" / nil`. `saysCharset`: of a text, what it is when nothing was said,
    /// as other servers do (RFC 2045 §5.2).
    private static func appendParameters(
        _ value: ParameterizedValue?, saysCharset: Bool = false, to output: inout [UInt8]
    ) {
        var words = value?.parameters.flatMap { [$0.name.map { $0.uppercased }, $0.value] } ?? []
        if saysCharset, value?.first("charset") == nil { words += [[UInt8]("CHARSET"), [UInt8]("US-ASCII")] }
        if words.isEmpty { output += "NIL" } else { output.append(list: words) { $0.append(string: $1) } }
    }
}
