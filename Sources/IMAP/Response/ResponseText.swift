import Bytes

/// Pieces of responses: RFC 3501 §9.
extension Array where Element == UInt8 {
    /// `nstring`, as a quoted string where that can hold it, else as a literal.
    mutating func append(nstring text: [UInt8]?) {
        if let text { append(string: text) } else { self += "NIL" }
    }

    mutating func append(string text: some Collection<UInt8>) {
        guard text.count <= 1000, text.allSatisfy({ $0.isPrintable || $0 == .tab }) else {
            return append(literal: text)
        }
        append(.quote)
        for byte in text {
            if byte == .quote || byte == .backslash { append(.backslash) }
            append(byte)
        }
        append(.quote)
    }

    mutating func append(literal text: some Collection<UInt8>) {
        // A literal cannot hold NUL.
        let clean = text.filter { $0 != .nul }
        self += "{\(clean.count)}\r\n"
        append(contentsOf: clean)
    }

    /// `astring` for a mailbox's name.
    mutating func append(mailbox name: [UInt8]) {
        if !name.isEmpty, name.allSatisfy({ $0.isAtomCharacter }) {
            self += name
        } else {
            append(string: name)
        }
    }

    /// Things in parentheses with a space between.
    mutating func append<Item>(list items: some Collection<Item>, _ add: (inout [UInt8], Item) -> Void) {
        append(.ascii("("))
        for (index, item) in items.enumerated() {
            if index > 0 { append(.space) }
            add(&self, item)
        }
        append(.ascii(")"))
    }
}
