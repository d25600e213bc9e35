import Bytes
import Mail

/// A value with parameters: Content-Type (RFC 2045 §5.1) and Content-Disposition (RFC 2183 §2), read with good will.
package struct ParameterizedValue: Equatable, Sendable {
    package struct Parameter: Equatable, Sendable {
        package let name: [UInt8]
        package let value: [UInt8]
    }

    /// As it was written, without the parameters: `text/plain`, `attachment`.
    package let value: [UInt8]
    package let parameters: [Parameter]

    /// Most parameters that are kept (T37).
    package static let mostParameters = 200

    package init(_ text: some Collection<UInt8>) {
        var cursor = Cursor(Array(text))
        cursor.skipCFWS()
        value = Array(
            cursor.take {
                $0 != .ascii(";") && !$0.isWhitespace && $0 != .ascii("(") && $0 != .cr && $0 != .lf
            })
        var parameters: [Parameter] = []
        while parameters.count < Self.mostParameters, let parameter = Self.parameter(&cursor) {
            if !parameter.name.isEmpty { parameters.append(parameter) }
        }
        self.parameters = parameters
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
        if cursor.peek != .quote {
            let value = cursor.take { $0 != .ascii(";") && !$0.isWhitespace && $0 != .cr && $0 != .lf }
            return Parameter(name: name, value: Array(value))
        }
        _ = cursor.next()
        var value: [UInt8] = []
        while let byte = cursor.next(), byte != .quote {
            if byte == .backslash {
                if let quoted = cursor.next() { value.append(quoted) }
            } else if byte != .cr, byte != .lf {
                value.append(byte)
            }
        }
        return Parameter(name: name, value: value)
    }

    package func first(_ name: StaticString) -> [UInt8]? {
        parameters.first { $0.name.equalsFolded(name) }?.value
    }
}
