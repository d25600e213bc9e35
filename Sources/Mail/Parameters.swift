package import Bytes

/// One parameter of MAIL or RCPT: `esmtp-keyword ["=" esmtp-value]` of RFC 5321 §4.1.2.
package struct Parameter: Equatable, Sendable {
    /// Upper case.
    package let keyword: [UInt8]
    /// Nil where there is no `=`.
    package let value: [UInt8]?

    package init(_ keyword: [UInt8], _ value: [UInt8]?) {
        self.keyword = keyword.map { $0.uppercased }
        self.value = value
    }

    package func isNamed(_ word: StaticString) -> Bool { keyword.equalsFolded(word) }
}

/// The parameters of a command in order, unknown ones included: they travel through the queue as the text
/// that came, and are asked for by name.
package struct Parameters: Equatable, Sendable {
    package private(set) var all: [Parameter] = []

    package init() {}

    /// Reads what stands behind a path: parameters with blanks between; no keyword twice.
    package init(_ text: [UInt8]) throws(SyntaxError) { try self.init(text[...]) }

    package init(_ text: ArraySlice<UInt8>) throws(SyntaxError) {
        var cursor = Cursor(text)
        while true {
            _ = cursor.take(while: { $0.isWhitespace })
            if cursor.isAtEnd { return }
            let parameter = try cursor.parameter()
            guard !all.contains(where: { $0.keyword == parameter.keyword }) else {
                throw cursor.failure("parameter given twice")
            }
            all.append(parameter)
        }
    }

    /// What an envelope of the queue holds; nothing, where that is none.
    package init(kept text: [UInt8]) { self = (try? Parameters(text)) ?? Parameters() }

    package func first(_ keyword: StaticString) -> Parameter? { all.first { $0.isNamed(keyword) } }

    /// What `read` makes of a keyword's value; nil where the keyword is not there.
    func value<Value>(
        _ keyword: StaticString, _ production: StaticString, _ read: ([UInt8]) -> Value?
    ) throws(SyntaxError) -> Value? {
        guard let parameter = first(keyword) else { return nil }
        guard let text = parameter.value, let value = read(text) else { throw SyntaxError(production, at: 0) }
        return value
    }

    /// Whether a keyword that takes no value is there.
    func flag(_ keyword: StaticString) throws(SyntaxError) -> Bool {
        guard let parameter = first(keyword) else { return false }
        guard parameter.value == nil else { throw SyntaxError(keyword, at: 0) }
        return true
    }

    package mutating func append(_ parameter: Parameter) { all.append(parameter) }

    package mutating func add(_ keyword: StaticString, _ value: [UInt8]?) {
        all.append(Parameter(Array(keyword), value))
    }

    /// As on the wire, one space between.
    package var text: [UInt8] {
        Array(
            all.map { $0.keyword + ($0.value.map { [.ascii("=")] + $0 } ?? []) }.joined(separator: [.space]))
    }
}

extension Cursor {
    /// RFC 5321 §4.1.2:
    ///
    ///     esmtp-param   = esmtp-keyword ["=" esmtp-value]
    ///     esmtp-keyword = (ALPHA / DIGIT) *(ALPHA / DIGIT / "-")
    ///     esmtp-value   = 1*(%d33-60 / %d62-126)
    package mutating func parameter() throws(SyntaxError) -> Parameter {
        let keyword = take { $0.isAlphanumeric || $0 == .ascii("-") }
        guard let first = keyword.first, first.isAlphanumeric else { throw failure("esmtp-keyword") }
        guard skip(.ascii("=")) else {
            guard isAtEnd || peek?.isWhitespace == true else { throw failure("esmtp-keyword") }
            return Parameter(Array(keyword), nil)
        }
        let value = take { $0.isVisible && $0 != .ascii("=") }
        guard !value.isEmpty, isAtEnd || peek?.isWhitespace == true else { throw failure("esmtp-value") }
        return Parameter(Array(keyword), Array(value))
    }
}

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
