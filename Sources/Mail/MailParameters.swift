package import Bytes

/// What the parameters of a MAIL command mean. `raw` is what travels, unknown keywords included; the rest is
/// read from it once and never written back.
package struct MailParameters: Equatable, Sendable {
    package enum Body: Equatable, Sendable { case sevenBit, eightBitMIME, binaryMIME }
    /// RFC 3461 §4.3.
    package enum Return: Equatable, Sendable {
        case full, headers

        package init?(_ text: [UInt8]) {
            if text.equalsFolded("FULL") {
                self = .full
            } else if text.equalsFolded("HDRS") {
                self = .headers
            } else {
                return nil
            }
        }

        package var text: [UInt8] {
            switch self {
            case .full: [UInt8]("FULL")
            case .headers: [UInt8]("HDRS")
            }
        }
    }
    /// RFC 4954 §5: who submitted the message, as far as the client vouches for it.
    package enum Submitter: Equatable, Sendable {
        /// `AUTH=<>`: not known.
        case unknown
        case mailbox(Address)
    }

    package let raw: Parameters
    /// RFC 1870 §6: the size that the client declares.
    package let size: UInt64?
    package let body: Body?
    /// RFC 6531 §3.4.
    package let smtpUTF8: Bool
    package let returning: Return?
    /// RFC 3461 §4.4, decoded: printable ASCII.
    package let envelopeID: [UInt8]?
    package let submitter: Submitter?
    /// RFC 8689 §4.1.
    package let requiresTLS: Bool

    package static let longestEnvelopeID = 100

    /// Ours, never spoken in SMTP: a report of a report, after which nobody is told anything.
    package static let doubleBounce: StaticString = "X-DOUBLE-BOUNCE"
    package var isDoubleBounce: Bool { raw.first(Self.doubleBounce) != nil }

    /// Fails on a value that its RFC does not allow; keywords that we do not know stay in `raw`.
    package init(_ raw: Parameters) throws(SyntaxError) {
        self.raw = raw
        // RFC 1870 §3: at most 20 digits.
        size = try raw.value("SIZE", "size-value") { $0.count <= 20 ? UInt64(strictDecimal: $0) : nil }
        // RFC 6152 §3, RFC 3030 §3.
        body = try raw.value("BODY", "body-value") {
            $0.equalsFolded("7BIT")
                ? .sevenBit
                : $0.equalsFolded("8BITMIME")
                    ? .eightBitMIME : $0.equalsFolded("BINARYMIME") ? .binaryMIME : nil
        }
        returning = try raw.value("RET", "ret-value") { Return($0) }
        envelopeID = try raw.value("ENVID", "envid-parameter") {
            $0.count <= Self.longestEnvelopeID ? XText.decodePrintable($0) : nil
        }
        submitter = try raw.value("AUTH", "auth-value") { text in
            guard let mailbox = XText.decode(text) else { return nil }
            return mailbox == Array("<>") ? .unknown : Address(mailbox).map { .mailbox($0) }
        }
        smtpUTF8 = try raw.flag("SMTPUTF8")
        requiresTLS = try raw.flag("REQUIRETLS")
    }
}
