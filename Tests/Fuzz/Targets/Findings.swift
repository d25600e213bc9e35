import Bytes

/// What a parser made of an input, in one form: the same whichever runtime the parser was built with. A line a finding: what it is,
/// how many bytes, and the bytes.
struct Findings {
    private(set) var text: [UInt8] = []

    mutating func note(_ what: StaticString, _ bytes: some Collection<UInt8>) {
        text += what
        text.append(.space)
        text.append(decimal: bytes.count)
        text += [.ascii(":"), .space]
        text += bytes
        text.append(.lf)
    }

    mutating func note(_ what: StaticString, ifAny bytes: [UInt8]?) {
        if let bytes { note(what, bytes) } else { noteNone(what) }
    }

    mutating func note(_ what: StaticString, _ string: String) { note(what, string.utf8) }

    mutating func note(_ what: StaticString, _ holds: Bool) { note(what, holds ? "yes" : "no") }

    mutating func note(_ what: StaticString, _ numbers: Int64...) {
        var digits: [UInt8] = []
        for number in numbers {
            digits.append(decimal: number)
            digits.append(.space)
        }
        note(what, digits)
    }

    mutating func note(_ what: StaticString, _ ranges: [Range<Int>]) {
        for range in ranges { note(what, Int64(range.lowerBound), Int64(range.upperBound)) }
    }

    /// There is none of it.
    mutating func noteNone(_ what: StaticString) {
        text += what
        text += " none\n"
    }
}
