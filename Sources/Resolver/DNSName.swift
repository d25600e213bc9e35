import Bytes

/// A name of the domain name system, as it stands on the wire: length-prefixed labels of any bytes, closed
/// by the empty root label. At most 255 bytes (RFC 1035 §3.1). Equal without regard to ASCII case.
package struct DNSName: Hashable {
    /// The uncompressed wire form, its final zero included.
    package let wire: [UInt8]

    package static let root = DNSName(wire: [0])
    static let longest = 255
    static let longestLabel = 63

    init(wire: [UInt8]) { self.wire = wire }

    package var isRoot: Bool { wire.count == 1 }

    package var labels: [ArraySlice<UInt8>] {
        var labels: [ArraySlice<UInt8>] = []
        var start = 0
        while wire[start] != 0 {
            let end = start + 1 + Int(wire[start])
            labels.append(wire[start + 1..<end])
            start = end
        }
        return labels
    }

    func isBelow(_ other: DNSName) -> Bool {
        wire.count > other.wire.count && Array(wire.suffix(other.wire.count)).equalsFolded(other.wire)
    }

    // A length is at most 63 and so below every letter: the whole wire form can be folded.
    package static func == (a: DNSName, b: DNSName) -> Bool { a.wire.equalsFolded(b.wire) }

    package func hash(into hasher: inout Hasher) {
        for byte in wire { hasher.combine(byte.lowercased) }
    }

    /// Whether the name can be a host's, and stand in mail, logs and SMTP commands as it is: letters, digits,
    /// hyphens inside and underscores in each label (RFC 1123 §2.1, and what is found), and a last label that
    /// is no number, which would be an address (RFC 3696 §2).
    package var isHostName: Bool {
        let labels = labels
        guard let last = labels.last, !last.allSatisfy({ $0.isDigit }) else { return false }
        return labels.allSatisfy { label in
            label.first != .ascii("-") && label.last != .ascii("-")
                && label.allSatisfy { $0.isAlphanumeric || $0 == .ascii("-") || $0 == .ascii("_") }
        }
    }
}

extension DNSName {
    /// Why a text is no name, in the words of `host`.
    package enum Illegal: Error, Equatable, CustomStringConvertible {
        case emptyLabel, labelTooLong, nameTooLong, badEscape, unexpectedEnd

        package var description: String {
            switch self {
            case .emptyLabel: "empty label"
            case .labelTooLong: "label too long"
            case .nameTooLong: "ran out of space"
            case .badEscape: "bad escape"
            case .unexpectedEnd: "unexpected end of input"
            }
        }
    }

    /// Reads a name in the master-file form of RFC 1035 §5.1: labels and dots, `\.` for a byte that would
    /// mean something else, `\DDD` for one by its decimal value. A final dot changes nothing.
    package init(text: some Collection<UInt8>) throws(Illegal) {
        if text.isEmpty { throw .unexpectedEnd }
        if text.count == 1, text.first == .dot {
            self = .root
            return
        }
        var cursor = Cursor(Array(text))
        var wire: [UInt8] = []
        repeat {
            let label = try cursor.masterFileLabel()
            if label.isEmpty { throw .emptyLabel }
            if label.count > Self.longestLabel { throw .labelTooLong }
            guard wire.count + label.count + 2 <= Self.longest else { throw .nameTooLong }
            wire.append(UInt8(label.count))
            wire += label
        } while cursor.skip(.dot) && !cursor.isAtEnd
        self.init(wire: wire + [0])
    }

    package init(_ text: String) throws(Illegal) { try self.init(text: text.utf8) }

    /// The name that `in-addr.arpa` or `ip6.arpa` keeps for an address (RFC 1035 §3.5, RFC 3596 §2.5).
    package init(reverseOf bytes: [UInt8]) {
        var wire: [UInt8] = []
        if bytes.count == 4 {
            for byte in bytes.reversed() {
                var digits: [UInt8] = []
                digits.append(decimal: byte)
                wire.append(UInt8(digits.count))
                wire += digits
            }
            wire += "\u{7}in-addr\u{4}arpa\u{0}" as StaticString
        } else {
            for byte in bytes.reversed() {
                wire += [1, hexDigit(byte & 15), 1, hexDigit(byte >> 4)]
            }
            wire += "\u{3}ip6\u{4}arpa\u{0}" as StaticString
        }
        self.init(wire: wire)
    }
}

extension DNSName: CustomStringConvertible {
    /// The master-file form, nothing left raw that could steer a terminal or split a line (T73); no final
    /// dot, except for the root.
    package var description: String {
        if isRoot { return "." }
        var text: [UInt8] = []
        for label in labels {
            if !text.isEmpty { text.append(.dot) }
            for byte in label { text.appendMasterFile(byte) }
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// With the final dot that master files and `host` put behind every absolute name.
    package var absoluteDescription: String { isRoot ? "." : description + "." }
}

extension [UInt8] {
    fileprivate mutating func appendMasterFile(_ byte: UInt8) {
        switch byte {
        case .quote, .dot, .backslash, .ascii("("), .ascii(")"), .ascii(";"), .ascii("@"), .ascii("$"):
            append(.backslash)
            append(byte)
        case _ where byte.isVisible: append(byte)
        default:
            append(.backslash)
            append(decimal: byte, width: 3)
        }
    }
}

extension Cursor {
    /// The bytes up to the next bare dot or the end.
    fileprivate mutating func masterFileLabel() throws(DNSName.Illegal) -> [UInt8] {
        var label: [UInt8] = []
        while let byte = peek, byte != .dot {
            _ = next()
            label.append(byte == .backslash ? try masterFileEscape() : byte)
        }
        return label
    }

    /// What follows a backslash: three decimal digits, or one byte that stands for itself.
    private mutating func masterFileEscape() throws(DNSName.Illegal) -> UInt8 {
        guard let first = peek else { throw .unexpectedEnd }
        guard first.isDigit else { return next() ?? first }
        guard let digits = take(3) else { throw .unexpectedEnd }
        guard let value = UInt8(strictDecimal: digits) else { throw .badEscape }
        return value
    }
}
