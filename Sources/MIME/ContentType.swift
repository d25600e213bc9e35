import Bytes
import Mail

/// A value with parameters: Content-Type (RFC 2045 §5.1) and Content-Disposition (RFC 2183 §2), read with good will.
package struct ParameterizedValue: Equatable, Sendable {
    package struct Parameter: Equatable, Sendable {
        package let name: [UInt8]
        package let value: [UInt8]
    }

    /// As it was written, without the parameters and without quotes: `text/plain`, `attachment`.
    package let value: [UInt8]
    /// In the order of the text; those that came in pieces (RFC 2231 §3) are one, at the end, with a `*` behind the name
    /// where a piece has one: then the value begins with charset and language, and is percent-encoded.
    package let parameters: [Parameter]

    /// Most parameters that are kept (T37).
    package static let mostParameters = 200

    package init(_ text: some Collection<UInt8>) {
        var cursor = Cursor(Array(text))
        cursor.skipCFWS()
        value = cursor.peek == .quote ? Self.quoted(&cursor) : Self.value(&cursor)
        var parameters: [Parameter] = []
        while parameters.count < Self.mostParameters, let parameter = Self.parameter(&cursor) {
            if !parameter.name.isEmpty { parameters.append(parameter) }
        }
        self.parameters = Self.joined(parameters)
    }

    /// Blanks and comments may stand around a type's slash, as between all tokens of old.
    private static func value(_ cursor: inout Cursor) -> [UInt8] {
        var value = Array(cursor.take(while: isValue))
        while true {
            cursor.skipCFWS()
            guard cursor.peek == .ascii("/") || value.last == .ascii("/") else { return value }
            let more = cursor.take(while: isValue)
            if more.isEmpty { return value }
            value += more
        }
    }

    private static func isValue(_ byte: UInt8) -> Bool {
        byte != .ascii(";") && !byte.isWhitespace && byte != .ascii("(") && byte != .cr && byte != .lf
    }

    /// The next `; name=value`; an empty name stands for a piece that is none. Nil at the end.
    private static func parameter(_ cursor: inout Cursor) -> Parameter? {
        _ = cursor.take { $0 != .ascii(";") }
        guard cursor.skip(.ascii(";")) else { return nil }
        cursor.skipCFWS()
        let name = Array(cursor.take { $0.isVisible && $0 != .ascii("=") && $0 != .ascii(";") })
        cursor.skipCFWS()
        guard cursor.skip(.ascii("=")) else { return Parameter(name: [], value: []) }
        cursor.skipCFWS()
        if cursor.peek == .quote { return Parameter(name: name, value: quoted(&cursor)) }
        let value = cursor.take { $0 != .ascii(";") && !$0.isWhitespace && $0 != .cr && $0 != .lf }
        return Parameter(name: name, value: Array(value))
    }

    /// `quoted-string`, of which the end may be missing.
    private static func quoted(_ cursor: inout Cursor) -> [UInt8] {
        _ = cursor.next()
        var value: [UInt8] = []
        while let byte = cursor.next(), byte != .quote {
            if byte == .backslash {
                if let quoted = cursor.next() { value.append(quoted) }
            } else if byte != .cr, byte != .lf {
                value.append(byte)
            }
        }
        return value
    }

    /// A parameter for our own use; percent-encoding is undone, charset and language are left out (RFC 2231 §4).
    package func first(_ name: StaticString) -> [UInt8]? {
        if let plain = parameters.first(where: { $0.name.equalsFolded(name) }) { return plain.value }
        let extended = parameters.first {
            $0.name.last == .ascii("*") && $0.name.dropLast().equalsFolded(name)
        }
        guard let text = extended?.value else { return nil }
        let fields = text.split(separator: .ascii("'"), maxSplits: 2, omittingEmptySubsequences: false)
        return Self.withoutPercent(fields.count == 3 ? fields[2] : text[...])
    }

    private static func withoutPercent(_ text: ArraySlice<UInt8>) -> [UInt8] {
        var cursor = Cursor(text)
        var bytes: [UInt8] = []
        while let byte = cursor.next() {
            if byte == .ascii("%"), let high = cursor.peek?.hexValue,
                let low = cursor.peek(ahead: 1)?.hexValue
            {
                bytes.append(high << 4 | low)
                _ = cursor.take(2)
            } else {
                bytes.append(byte)
            }
        }
        return bytes
    }
}

/// Parameters in pieces: RFC 2231 §3.
///
///     section = initial-section / other-sections
///     name*0="first"; name*1*=%73econd
extension ParameterizedValue {
    private struct Piece {
        let name: ArraySlice<UInt8>
        let number: Int
        let isExtended: Bool
        let whole: Parameter

        /// Nil for a parameter that is whole: `name` or `name*`.
        init?(_ parameter: Parameter) {
            guard let star = parameter.name.firstIndex(of: .ascii("*")), star > 0 else { return nil }
            var digits = parameter.name[(star + 1)...]
            isExtended = digits.last == .ascii("*")
            if isExtended { digits = digits.dropLast() }
            guard let number = Int(strictDecimal: digits) else { return nil }
            name = parameter.name[..<star]
            self.number = number
            whole = parameter
        }
    }

    /// Pieces that fit are put together, whatever their order; what lacks its first piece stays as it came.
    private static func joined(_ all: [Parameter]) -> [Parameter] {
        guard all.contains(where: { $0.name.contains(.ascii("*")) }) else { return all }
        var parameters: [Parameter] = []
        var pieces: [Piece] = []
        for parameter in all {
            if let piece = Piece(parameter) { pieces.append(piece) } else { parameters.append(parameter) }
        }
        pieces.sort { $0.number < $1.number }
        while let first = pieces.first {
            let mine = pieces.filter { $0.name.equalsFolded(first.name) }
            pieces.removeAll { $0.name.equalsFolded(first.name) }
            guard first.number == 0 else {
                parameters += mine.map { $0.whole }
                continue
            }
            var value: [UInt8] = []
            var isExtended = false
            for (index, piece) in mine.enumerated() where piece.number == index {
                value += piece.whole.value
                isExtended = isExtended || piece.isExtended
            }
            parameters.append(
                Parameter(name: Array(first.name) + (isExtended ? [.ascii("*")] : []), value: value))
        }
        return parameters
    }
}
