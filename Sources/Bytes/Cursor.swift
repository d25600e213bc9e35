/// A reading position in one complete unit: a command line, a header field, a record. Grammars are
/// extensions of it, a method a production; a method that fails leaves the position where it noticed.
package struct Cursor {
    package let unit: ArraySlice<UInt8>
    package private(set) var position: Int

    package init(_ unit: ArraySlice<UInt8>) {
        self.unit = unit
        position = unit.startIndex
    }

    package init(_ unit: [UInt8]) { self.init(unit[...]) }

    package var isAtEnd: Bool { position == unit.endIndex }
    /// How many bytes of the unit have been read.
    package var offset: Int { position - unit.startIndex }
    package var rest: ArraySlice<UInt8> { unit[position...] }
    package var peek: UInt8? { position < unit.endIndex ? unit[position] : nil }

    /// The byte `distance` behind the next one, without reading it.
    package func peek(ahead distance: Int) -> UInt8? {
        distance < unit.endIndex - position ? unit[position + distance] : nil
    }

    package mutating func next() -> UInt8? {
        guard position < unit.endIndex else { return nil }
        defer { position += 1 }
        return unit[position]
    }

    /// Goes back (or on) to a position that `position` gave before.
    package mutating func seek(to position: Int) {
        precondition(position >= unit.startIndex && position <= unit.endIndex)
        self.position = position
    }

    /// Reads `byte` if it is next.
    package mutating func skip(_ byte: UInt8) -> Bool {
        guard peek == byte else { return false }
        position += 1
        return true
    }

    /// Reads `word` if it is next, letters compared without case.
    package mutating func skip(_ word: StaticString) -> Bool {
        guard rest.hasPrefixFolded(word) else { return false }
        position += word.utf8CodeUnitCount
        return true
    }

    /// Reads the longest run of bytes that `belongs` accepts; it may be empty.
    package mutating func take(while belongs: (UInt8) -> Bool) -> ArraySlice<UInt8> {
        let start = position
        while position < unit.endIndex, belongs(unit[position]) { position += 1 }
        return unit[start..<position]
    }

    /// Reads exactly `count` bytes, or none and nil when fewer are left.
    package mutating func take(_ count: Int) -> ArraySlice<UInt8>? {
        guard count >= 0, count <= unit.endIndex - position else { return nil }
        defer { position += count }
        return unit[position..<position + count]
    }

    package mutating func expect(_ byte: UInt8, _ production: StaticString) throws(SyntaxError) {
        guard skip(byte) else { throw SyntaxError(production, at: offset) }
    }

    package mutating func expect(_ word: StaticString, _ production: StaticString) throws(SyntaxError) {
        guard skip(word) else { throw SyntaxError(production, at: offset) }
    }

    package func expectEnd(_ production: StaticString) throws(SyntaxError) {
        guard isAtEnd else { throw SyntaxError(production, at: offset) }
    }

    /// 1*DIGIT with a value of at most `limit`: no sign, no other base, no overflow.
    package mutating func decimal(
        upTo limit: UInt64 = .max, _ production: StaticString
    ) throws(SyntaxError) -> UInt64 {
        let start = offset
        guard let value = UInt64(strictDecimal: take(while: { $0.isDigit })), value <= limit else {
            throw SyntaxError(production, at: start)
        }
        return value
    }

    package func failure(_ production: StaticString) -> SyntaxError {
        SyntaxError(production, at: offset)
    }
}

/// Input that does not follow a grammar: which production failed, and at which byte of the unit.
package struct SyntaxError: Error, Equatable {
    package let production: StaticString
    package let offset: Int

    package init(_ production: StaticString, at offset: Int) {
        self.production = production
        self.offset = offset
    }

    package static func == (a: SyntaxError, b: SyntaxError) -> Bool {
        a.offset == b.offset && a.production.description == b.production.description
    }
}
