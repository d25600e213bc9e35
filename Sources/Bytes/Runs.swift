// What is done to every byte of a message, a word at a time: of a loop over bytes, and of `append(contentsOf:)`, the compiler
// makes four to eight instructions a byte in the release tools.

private let every: UInt64 = 0x0101_0101_0101_0101

extension ArraySlice<UInt8> {
    /// Where the first byte stands that `ends` says yes to, else the end. Only bytes up to CR (0x0D) are asked for.
    @inlinable package func endOfRun(_ ends: (UInt8) -> Bool) -> Int {
        var position = startIndex
        while true {
            position = endOfText(from: position)
            if position == endIndex || ends(self[position]) { return position }
            position += 1
        }
    }

    /// Where the first byte stands from `position` on that is not above CR, else the end.
    @usableFromInline package func endOfText(from position: Int) -> Int {
        let bound: UInt64 = every &* 0x0E
        return unsafe withUnsafeBytes { bytes in
            var offset = position - startIndex
            while offset + 8 <= bytes.count {
                let word = unsafe bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
                // A byte borrows from its high bit where it is smaller.
                guard (word &- bound) & ~word & (every &* 0x80) == 0 else { break }
                offset += 8
            }
            while unsafe offset < bytes.count && bytes[offset] > .cr { offset += 1 }
            return startIndex + offset
        }
    }

    /// Whether one of the bytes is no ASCII.
    package var hasEightBits: Bool {
        unsafe withUnsafeBytes { bytes in
            var seen: UInt64 = 0
            var offset = 0
            while offset + 8 <= bytes.count {
                seen |= unsafe bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
                offset += 8
            }
            while offset < bytes.count {
                seen |= UInt64(unsafe bytes[offset])
                offset += 1
            }
            return seen & (every &* 0x80) != 0
        }
    }
}

extension [UInt8] {
    /// Appends all of `bytes` in one copy.
    package mutating func append(run bytes: ArraySlice<UInt8>) {
        append(addingCapacity: bytes.count) { room in
            unsafe room.withUnsafeMutableBufferPointer { free, filled in
                unsafe bytes.withUnsafeBufferPointer { source in
                    guard let first = source.baseAddress, let place = free.baseAddress else { return }
                    unsafe (place + filled).initialize(from: first, count: source.count)
                    filled += source.count
                }
            }
        }
    }
}
