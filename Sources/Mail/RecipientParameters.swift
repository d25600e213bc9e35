package import Bytes

/// What the parameters of a RCPT command mean; `raw` is what travels, as in `MailParameters`.
package struct RecipientParameters: Equatable, Sendable {
    /// RFC 3461 §4.1: when the sender wants a notification. Without any: NEVER.
    package struct Notify: OptionSet, Sendable {
        package let rawValue: UInt8
        package init(rawValue: UInt8) { self.rawValue = rawValue }

        package static let success = Notify(rawValue: 1)
        package static let failure = Notify(rawValue: 2)
        package static let delay = Notify(rawValue: 4)
        package static let never: Notify = []
    }

    /// RFC 3461 §4.2: whom the sender wrote to, before anybody forwarded.
    package struct OriginalRecipient: Equatable, Sendable {
        /// `rfc822` as a rule.
        package let type: [UInt8]
        /// Decoded: printable ASCII.
        package let address: [UInt8]

        package init(type: [UInt8], address: [UInt8]) {
            self.type = type
            self.address = address
        }
    }

    package let raw: Parameters
    /// Nil where the client did not say: failures, and delays if the server likes.
    package let notify: Notify?
    package let original: OriginalRecipient?

    package static let longestOriginal = 500

    /// Ours, never spoken in SMTP: the next hop, as the operator named it.
    package static let route: StaticString = "X-ROUTE"
    /// Ours, too: how much of a forwarded recipient is decided. Only where the queue-runner has injected it.
    package static let expanded: StaticString = "X-EXPANDED"

    /// Fails on a value that RFC 3461 does not allow.
    package init(_ raw: Parameters) throws(SyntaxError) {
        self.raw = raw
        notify = try raw.value("NOTIFY", "notify-esmtp-value") { Notify($0) }
        original = try raw.value("ORCPT", "original-recipient-address", Self.original)
    }

    /// RFC 3461 §4.2:
    ///
    ///     original-recipient-address = addr-type ";" xtext
    ///     addr-type                  = atom
    private static func original(_ text: [UInt8]) -> OriginalRecipient? {
        guard text.count <= longestOriginal else { return nil }
        var cursor = Cursor(text)
        let type = cursor.take(while: { $0.isAtext })
        guard !type.isEmpty, cursor.skip(.ascii(";")), !cursor.isAtEnd,
            let address = XText.decodePrintable(cursor.rest)
        else { return nil }
        return OriginalRecipient(type: Array(type), address: address)
    }
}

extension RecipientParameters.Notify {
    private static let words: [(text: StaticString, bit: Self)] = [
        ("SUCCESS", .success), ("FAILURE", .failure), ("DELAY", .delay),
    ]

    /// RFC 3461 §4.1:
    ///
    ///     notify-esmtp-value  = "NEVER" / 1#notify-list-element
    ///     notify-list-element = "SUCCESS" / "FAILURE" / "DELAY"
    package init?(_ text: [UInt8]) {
        self = .never
        if text.equalsFolded("NEVER") { return }
        for word in text.split(separator: .ascii(","), omittingEmptySubsequences: false) {
            guard let known = Self.words.first(where: { word.equalsFolded($0.text) }) else { return nil }
            insert(known.bit)
        }
    }

    package var text: [UInt8] {
        if self == .never { return [UInt8]("NEVER") }
        return Array(
            Self.words.filter { contains($0.bit) }.map { Array($0.text) }.joined(separator: [.ascii(",")]))
    }
}
