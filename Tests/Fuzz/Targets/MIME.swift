import Bytes
import IMAP
import MIME
import Mail

extension FuzzTarget {
    static let mime = [
        FuzzTarget(name: "mime", run: structure), FuzzTarget(name: "words", run: words),
    ]

    /// The tree of a message, its BODYSTRUCTURE and its ENVELOPE.
    private static func structure(_ input: [UInt8], _ seen: inout Findings) throws(Violation) {
        var first: [UInt8]?
        for pieces in input.cuts {
            var parser = PartParser()
            for piece in pieces { parser.take(Array(piece)) }
            let root = parser.finish()
            try nests(root, in: 0...input.count, depth: 0)
            var text: [UInt8] = []
            BodyStructure.append(root, extended: true, to: &text)
            BodyStructure.append(root, extended: false, to: &text)
            EnvelopeStructure.append(MessageHeader(root.header), to: &text)
            try promise("pieces make no difference", first == nil || first == text)
            first = text
        }
        seen.note("structure", ifAny: first)
    }

    private static func nests(_ part: Part, in range: ClosedRange<Int>, depth: Int) throws(Violation) {
        try promise("the tree is bounded", depth <= PartParser.deepest)
        try promise(
            "a part lies in its parent, its body in it",
            range.contains(part.start.stored) && range.contains(part.end.stored)
                && (part.start.stored...part.end.stored).contains(part.body.stored))
        try promise(
            "the wire has no fewer bytes than the file",
            part.bodyWireSize >= part.end.stored - part.body.stored)
        try promise("lines are counted", part.bodyLines >= 0)
        for child in part.children + (part.message.map { [$0] } ?? []) {
            try nests(child, in: part.start.stored...part.end.stored, depth: depth + 1)
        }
    }

    /// Encoded words, charsets, transfer encodings, parameters of RFC 2231.
    private static func words(_ input: [UInt8], _ seen: inout Findings) throws(Violation) {
        seen.note("words", CharsetDecoder().decodeWords(input))
        for parameter in ParameterizedValue(input).parameters {
            seen.note("parameter", parameter.name)
            seen.note("value", parameter.value)
        }
        for encoding in ["base64", "quoted-printable", "8bit", "x-uuencode"] {
            let decoded = TransferDecoding.decode(input, encoding: Array(encoding.utf8))
            try promise("decoding makes nothing longer", decoded.count <= input.count)
            seen.note("decoded", decoded)
        }
        try promise("base64 comes back", TransferDecoding.base64(Base64.encode(input)) == input)
        let charset = Array(input.prefix { $0.isVisible })
        seen.note("text", ifAny: CharsetDecoder().decode(input, charset: charset))
        for name in ["utf-8", "us-ascii", "iso-8859-1", "windows-1252", "utf-16"] {
            seen.note("text", ifAny: CharsetDecoder().decode(input, charset: Array(name.utf8)))
        }
    }
}
