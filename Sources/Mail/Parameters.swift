package import Bytes

/// One parameter of MAIL or RCPT: `esmtp-keyword ["=" esmtp-value]` of RFC 5321 §4.1.2.
package struct Parameter: Equatable, Sendable {
    /// Upper case.
    package let keyword: [UInt8]
    /// Nil where there is no `=`.
    package let value: [UInt8]?

    package init(_ keyword: [UInt8], _ value: [UInt8]?) {
        self.keyword = keyword.map(\.uppercased)
        self.value = value
    }

    package func isNamed(_ word: StaticString) -> Bool { keyword.equalsFolded(word) }
}

/// The parameters of a command in order, unknown ones included: they travel through the queue as the text
/// that came, and are asked for by name.
package struct Parameters: Equatable, Sendable {
    package private(set) var all: [Parameter] = []

    package init() {}

    /// Reads what stands behind a path: `SP`-separated parameters; no keyword twice.
    package init(_ text: some Collection<UInt8>) throws(SyntaxError) {
        var cursor = Cursor(Array(text))
        while true {
            _ = cursor.take { $0 == .space }
            if cursor.isAtEnd { return }
            let parameter = try cursor.parameter()
            guard !all.contains(where: { $0.keyword == parameter.keyword }) else {
                throw cursor.failure("parameter given twice")
            }
            all.append(parameter)
        }
    }

    package func first(_ keyword: StaticString) -> Parameter? { all.first { $0.isNamed(keyword) } }

    package mutating func add(_ keyword: StaticString, _ value: [UInt8]?) {
        all.append(Parameter(Array(keyword), value))
    }

    /// As on the wire, one space between.
    package var text: [UInt8] {
        Array(
            all.map { $0.keyword + ($0.value.map { [.ascii("=")] + $0 } ?? []) }.joined(separator: [.space]))
    }
}

/// What a MAIL command's parameters mean to us.
package struct MailParameters: Equatable, Sendable {
    package enum Body: Equatable, Sendable { case sevenBit, eightBitMIME, binaryMIME }
    /// RFC 3461 §4.3.
    package enum Return: Equatable, Sendable { case full, headers }

    package var raw: Parameters
    /// RFC 1870 §6: the size that the client declares.
    package var size: UInt64?
    package var body: Body?
    package var smtpUTF8 = false
    package var returning: Return?

    /// Fails on a value that its RFC does not allow; keywords that we do not know stay in `raw`.
    package init(_ raw: Parameters) throws(SyntaxError) {
        self.raw = raw
        if let parameter = raw.first("SIZE") {
            // RFC 1870 §3: at most 20 digits.
            guard let value = parameter.value, value.count <= 20, let size = UInt64(strictDecimal: value)
            else {
                throw SyntaxError("size-value", at: 0)
            }
            self.size = size
        }
        if let parameter = raw.first("BODY") {
            guard let value = parameter.value, let body = Self.body(value) else {
                throw SyntaxError("body-value", at: 0)
            }
            self.body = body
        }
        smtpUTF8 = raw.first("SMTPUTF8") != nil
        if let parameter = raw.first("RET") {
            guard let value = parameter.value, value.equalsFolded("FULL") || value.equalsFolded("HDRS") else {
                throw SyntaxError("ret-value", at: 0)
            }
            returning = value.equalsFolded("FULL") ? .full : .headers
        }
    }

    /// RFC 6152 §3, RFC 3030 §3.
    private static func body(_ value: [UInt8]) -> Body? {
        if value.equalsFolded("7BIT") { return .sevenBit }
        if value.equalsFolded("8BITMIME") { return .eightBitMIME }
        return value.equalsFolded("BINARYMIME") ? .binaryMIME : nil
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
            guard isAtEnd || peek == .space else { throw failure("esmtp-keyword") }
            return Parameter(Array(keyword), nil)
        }
        let value = take { $0.isVisible && $0 != .ascii("=") }
        guard !value.isEmpty, isAtEnd || peek == .space else { throw failure("esmtp-value") }
        return Parameter(Array(keyword), Array(value))
    }
}

/// RFC 3461 §4: text in which bytes outside of `!`…`~`, and `+` and `=`, are written `+XX`.
package enum XText {
    package static func encode(_ bytes: some Collection<UInt8>) -> [UInt8] {
        bytes.flatMap { byte -> [UInt8] in
            if byte.isVisible, byte != .ascii("+"), byte != .ascii("=") { return [byte] }
            return [.ascii("+"), hexDigit(byte >> 4).uppercased, hexDigit(byte & 15).uppercased]
        }
    }

    /// Nil for a `+` without two upper-case hexadecimal digits behind it, or a byte that must be encoded.
    package static func decode(_ text: some Collection<UInt8>) -> [UInt8]? {
        var cursor = Cursor(Array(text))
        var bytes: [UInt8] = []
        while let byte = cursor.next() {
            if byte == .ascii("+") {
                guard let digits = cursor.take(2), digits.allSatisfy({ $0.hexValue != nil && !$0.isLower })
                else { return nil }
                bytes.append(digits.reduce(0) { $0 << 4 | ($1.hexValue ?? 0) })
            } else {
                guard byte.isVisible, byte != .ascii("=") else { return nil }
                bytes.append(byte)
            }
        }
        return bytes
    }
}
