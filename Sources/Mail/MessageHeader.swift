import Bytes

/// The header section of a message (RFC 5322 §2.2): its fields in order, found by one scan.
///
/// Lines may end in LF or CRLF. To who writes a message, what is no field (no colon, or a name with strange bytes) ends the
/// header, as the empty line does, and the caller decides what that means. To who reads one that is stored, only the empty
/// line ends it: an mbox line on top or a fold that lost its blank must not hide the fields behind it.
package struct MessageHeader {
    package struct Field: Equatable {
        package let name: ArraySlice<UInt8>
        /// Behind the colon, as it stands, folds included, without the last line end.
        package let rawValue: ArraySlice<UInt8>
        /// The whole field with its last line end.
        package let raw: ArraySlice<UInt8>

        /// RFC 5322 §2.2.3: line ends taken out, white space around taken off.
        package var value: [UInt8] {
            Array(rawValue.filter { $0 != .cr && $0 != .lf }.trimmed())
        }

        package func isNamed(_ word: StaticString) -> Bool { name.equalsFolded(word) }
    }

    package private(set) var fields: [Field] = []
    /// How many bytes the header has, with the empty line behind it if there is one.
    package private(set) var size = 0
    /// Whether the empty line was seen, or the text ended with the header.
    package private(set) var isComplete = false

    /// Most fields that are looked at (T13, T38); the header goes on as far as it goes.
    package static let mostFields = 10_000

    /// Reads the header at the front of `text`. Without its end in `text` the last field may be cut.
    package init(_ text: ArraySlice<UInt8>) { self.init(text, passingOverOthers: false) }

    package init(_ text: [UInt8]) { self.init(text[...]) }

    /// The same up to the empty line: a line that is no field is passed over with its folds.
    package init(toEmptyLine text: [UInt8]) { self.init(text[...], passingOverOthers: true) }

    private init(_ text: ArraySlice<UInt8>, passingOverOthers: Bool) {
        var position = text.startIndex
        while position < text.endIndex {
            let lineEnd = text.firstIndex(of: .lf, from: position) ?? text.endIndex
            let next = min(lineEnd + 1, text.endIndex)
            let first = text[position]
            if first == .lf || (first == .cr && lineEnd == position + 1) {
                isComplete = true
                size = next - text.startIndex
                return
            }
            guard let colon = Self.colon(in: text[position..<lineEnd]) else {
                guard passingOverOthers else { break }
                position = Self.endOfField(text, from: next)
                continue
            }
            let end = Self.endOfField(text, from: next)
            if fields.count < Self.mostFields { fields.append(Self.field(text, position, colon, end)) }
            position = end
        }
        size = position - text.startIndex
        isComplete = position == text.endIndex
    }

    /// Whether a field begins on this line.
    package static func isFieldStart(_ line: ArraySlice<UInt8>) -> Bool { colon(in: line) != nil }

    /// Where the name of the field on this line ends, if it is a field: `1*ftext *WSP ":"` (RFC 5322 §2.2, §4.5).
    private static func colon(in line: ArraySlice<UInt8>) -> Int? {
        guard let colon = line.firstIndex(of: .ascii(":")) else { return nil }
        let name = line[..<colon].trimmed()
        guard name.startIndex == line.startIndex, !name.isEmpty, name.allSatisfy({ $0.isVisible }) else {
            return nil
        }
        return colon
    }

    /// A line that begins with white space belongs to the field before it.
    private static func endOfField(_ text: ArraySlice<UInt8>, from start: Int) -> Int {
        var position = start
        while position < text.endIndex, text[position].isWhitespace {
            position = (text.firstIndex(of: .lf, from: position) ?? text.endIndex - 1) + 1
        }
        return position
    }

    private static func field(_ text: ArraySlice<UInt8>, _ start: Int, _ colon: Int, _ end: Int) -> Field {
        var valueEnd = end
        if valueEnd > colon + 1, text[valueEnd - 1] == .lf { valueEnd -= 1 }
        if valueEnd > colon + 1, text[valueEnd - 1] == .cr { valueEnd -= 1 }
        return Field(
            name: text[start..<colon].trimmed(), rawValue: text[(colon + 1)..<valueEnd],
            raw: text[start..<end])
    }

    package func first(_ name: StaticString) -> Field? { fields.first { $0.isNamed(name) } }
    package func all(_ name: StaticString) -> [Field] { fields.filter { $0.isNamed(name) } }
    package func contains(_ name: StaticString) -> Bool { first(name) != nil }
}

extension MessageHeader {
    /// Whether the message was sent to many, or by a program: a warning about it would reach nobody who waits
    /// for it, or many who do not (RFC 3834 §2, RFC 2919).
    package var isBulk: Bool {
        if contains("List-Id") { return true }
        if let value = first("Precedence")?.value.prefix(while: { $0.isAlpha }),
            ["bulk", "list", "junk"].contains(where: { value.equalsFolded($0.utf8) })
        {
            return true
        }
        guard let value = first("Auto-Submitted")?.value else { return false }
        return !value.prefix { $0.isAlpha || $0 == .ascii("-") }.equalsFolded("no")
    }
}
