import Bytes
import Mail

extension Part {
    enum EncodingKind { case none, base64, quotedPrintable, other }

    /// How the body is encoded. Names that nobody registered, `8-bit` or `utf-8`, are taken for none, as readers do; those that
    /// begin with `x-` are encodings of somebody's (RFC 2045 §6.3).
    var encodingKind: EncodingKind {
        guard let encoding else { return .none }
        if encoding.equalsFolded("base64") { return .base64 }
        if encoding.equalsFolded("quoted-printable") { return .quotedPrintable }
        return encoding.hasPrefixFolded("x-") ? .other : .none
    }

    /// RFC 6532 §3.7, RFC 6533 §6: messages in UTF-8, and what reports say in it.
    var isGlobal: Bool { type.equalsFolded("message") && subtype.hasPrefixFolded("global") }

    func hasField(_ name: StaticString) -> Bool { MessageHeader(header).contains(name) }
}
