/// JSON as we write it (RFC 8259): ASCII only, so that no terminal and no reader of lines is surprised by what
/// a stranger chose. Bytes are taken for UTF-8; those that are none become U+FFFD.
package struct JSONText {
    package private(set) var bytes: [UInt8] = []
    /// Whether a member or element stands before the next one.
    private var needsComma = false

    package init() {}

    package mutating func removeAll() {
        bytes.removeAll(keepingCapacity: true)
        needsComma = false
    }

    // MARK: Members of an object

    package mutating func member(_ name: StaticString, _ text: String) {
        key(name)
        string(Array(text.utf8))
    }

    package mutating func member(_ name: StaticString, _ text: [UInt8]) {
        key(name)
        string(text)
    }

    package mutating func member(_ name: StaticString, _ number: Int64) {
        key(name)
        bytes.append(decimal: number)
    }

    package mutating func member(_ name: StaticString, _ number: Int) { member(name, Int64(number)) }

    package mutating func member(_ name: StaticString, _ flag: Bool) {
        key(name)
        bytes += flag ? "true" : "false"
    }

    package mutating func member(_ name: StaticString, object body: (inout JSONText) -> Void) {
        key(name)
        object(body)
    }

    package mutating func member(_ name: StaticString, array body: (inout JSONText) -> Void) {
        key(name)
        bytes.append(.ascii("["))
        needsComma = false
        body(&self)
        bytes.append(.ascii("]"))
        needsComma = true
    }

    private mutating func key(_ name: StaticString) {
        separate()
        bytes.append(.quote)
        bytes += name
        bytes += "\": "
        needsComma = true
    }

    // MARK: Values

    /// An element of an array, or the whole text.
    package mutating func element(_ body: (inout JSONText) -> Void) {
        separate()
        object(body)
    }

    package mutating func element(_ text: String) {
        separate()
        string(Array(text.utf8))
        needsComma = true
    }

    private mutating func object(_ body: (inout JSONText) -> Void) {
        bytes.append(.ascii("{"))
        needsComma = false
        body(&self)
        bytes.append(.ascii("}"))
        needsComma = true
    }

    private mutating func separate() {
        if needsComma { bytes += ", " }
    }

    private mutating func string(_ text: [UInt8]) {
        bytes.append(.quote)
        if text.allSatisfy({ $0.isPrintable && $0 != .quote && $0 != .backslash }) {
            bytes += text
        } else {
            for unit in String(decoding: text, as: UTF8.self).utf16 { append(unit) }
        }
        bytes.append(.quote)
    }

    /// RFC 8259 §7.
    private mutating func append(_ unit: UInt16) {
        switch unit {
        case 0x22, 0x5C: bytes += [.backslash, UInt8(unit)]
        case 0x0A: bytes += "\\n"
        case 0x0D: bytes += "\\r"
        case 0x09: bytes += "\\t"
        case 0x20..<0x7F: bytes.append(UInt8(unit))
        default:
            bytes += "\\u"
            for shift in stride(from: 12, through: 0, by: -4) {
                bytes.append(hexDigit(UInt8(unit >> UInt16(shift) & 15)))
            }
        }
    }
}
