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
