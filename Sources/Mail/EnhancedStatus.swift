package import Bytes

/// An enhanced status code: RFC 3463 §2, `class "." subject "." detail`.
package struct EnhancedStatus: Hashable, CustomStringConvertible, Sendable {
    package enum Class: UInt8, Sendable {
        case success = 2
        case persistentTransientFailure = 4
        case permanentFailure = 5
    }

    package let kind: Class
    package let subject: UInt16
    package let detail: UInt16

    /// For codes of ours, known to be good: `EnhancedStatus(5, 1, 1)`.
    package init(_ kind: UInt8, _ subject: UInt16, _ detail: UInt16) {
        guard let kind = Class(rawValue: kind), subject < 1000, detail < 1000 else {
            preconditionFailure("no enhanced status code")
        }
        self.kind = kind
        self.subject = subject
        self.detail = detail
    }

    /// A code that fills `text` to its end.
    package init?(_ text: some Collection<UInt8>) {
        var cursor = Cursor(Array(text.prefix(12)))
        guard let status = try? cursor.enhancedStatus(), cursor.isAtEnd else { return nil }
        self = status
    }

    package func append(to bytes: inout [UInt8]) {
        bytes.append(decimal: Int(kind.rawValue))
        bytes.append(.dot)
        bytes.append(decimal: Int(subject))
        bytes.append(.dot)
        bytes.append(decimal: Int(detail))
    }

    package var description: String {
        var bytes: [UInt8] = []
        append(to: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }
}

extension Cursor {
    /// RFC 3463 §2:
    ///
    ///     status-code = class "." subject "." detail
    ///     class       = "2" / "4" / "5"
    ///     subject     = 1*3DIGIT
    ///     detail      = 1*3DIGIT
    ///
    /// subject and detail have no leading zeros.
    package mutating func enhancedStatus() throws(SyntaxError) -> EnhancedStatus {
        guard let digit = next(), digit.isDigit, let kind = EnhancedStatus.Class(rawValue: digit & 0x0F)
        else { throw failure("status-code") }
        try expect(.dot, "status-code")
        let subject = try statusPart()
        try expect(.dot, "status-code")
        return EnhancedStatus(kind.rawValue, subject, try statusPart())
    }

    private mutating func statusPart() throws(SyntaxError) -> UInt16 {
        let digits = take(while: { $0.isDigit })
        guard digits.count <= 3, digits.count == 1 || digits.first != 0x30,
            let value = UInt16(strictDecimal: digits)
        else { throw failure("status-code") }
        return value
    }
}
