import Bytes

/// `sequence-set` of RFC 3501 §9: message numbers, or UIDs.
package struct SequenceSet: Equatable, Sendable {
    /// Nil stands for `*`, the largest there is.
    package struct Range: Equatable, Sendable {
        package let first: UInt32?
        package let last: UInt32?
    }

    package let ranges: [Range]
    /// More than a client needs; each costs a look at every message's number.
    static let mostRanges = 10_000

    package init(ranges: [Range]) { self.ranges = ranges }

    /// The set as sorted, disjoint ranges of numbers, `*` being `largest`.
    package func resolved(largest: UInt32) -> [ClosedRange<UInt32>] {
        let plain = ranges.map { range -> ClosedRange<UInt32> in
            let ends = (range.first ?? largest, range.last ?? largest)
            return min(ends.0, ends.1)...max(ends.0, ends.1)
        }.sorted { $0.lowerBound < $1.lowerBound }
        var merged: [ClosedRange<UInt32>] = []
        for range in plain {
            if let last = merged.last,
                range.lowerBound <= last.upperBound || range.lowerBound - 1 == last.upperBound
            {
                merged[merged.count - 1] = last.lowerBound...max(last.upperBound, range.upperBound)
            } else {
                merged.append(range)
            }
        }
        return merged
    }

    /// Numbers in ascending order, in the shortest form.
    package static func text(_ numbers: [UInt32]) -> String {
        var parts: [String] = []
        var index = 0
        while index < numbers.count {
            var end = index
            while end + 1 < numbers.count, numbers[end + 1] == numbers[end] + 1 { end += 1 }
            parts.append(end == index ? "\(numbers[index])" : "\(numbers[index]):\(numbers[end])")
            index = end + 1
        }
        return parts.joined(separator: ",")
    }
}

extension Cursor {
    /// `sequence-set = (seq-number / seq-range) *("," sequence-set)`, `seq-number = nz-number / "*"`
    mutating func sequenceSet() throws(SyntaxError) -> SequenceSet {
        var ranges: [SequenceSet.Range] = []
        repeat {
            let first = try sequenceNumber()
            let last = skip(.ascii(":")) ? try sequenceNumber() : first
            ranges.append(SequenceSet.Range(first: first, last: last))
            guard ranges.count <= SequenceSet.mostRanges else { throw failure("sequence-set") }
        } while skip(.ascii(","))
        return SequenceSet(ranges: ranges)
    }

    private mutating func sequenceNumber() throws(SyntaxError) -> UInt32? {
        if skip(.ascii("*")) { return nil }
        guard peek != 0x30 else { throw failure("nz-number") }
        return try number()
    }
}
