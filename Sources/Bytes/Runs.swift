// What is done to every byte of a message, many at a time: of a loop over bytes, and of `append(contentsOf:)`, the compiler
// makes four to eight instructions a byte in the release tools.

import CMemory

private let every: UInt64 = 0x0101_0101_0101_0101

extension ArraySlice<UInt8> {
    /// Where `byte` stands first from `position` on: how line ends are found.
    package func firstIndex(of byte: UInt8, from position: Int) -> Int? {
        unsafe withUnsafeBytes { bytes in
            unsafe place(of: byte, in: bytes, from: position - startIndex).map { startIndex + $0 }
        }
    }

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

/// Where `byte` is from `start` on.
private func place(of byte: UInt8, in bytes: UnsafeRawBufferPointer, from start: Int) -> Int? {
    guard start < bytes.count, let base = bytes.baseAddress,
        let found = unsafe cm_find(base + start, CInt(byte), UInt(bytes.count - start))
    else { return nil }
    return unsafe UnsafeRawPointer(found) - base
}

extension [UInt8] {
    /// Where `byte` stands first from `start` on: how line ends are found.
    package func firstIndex(of byte: UInt8, from start: Int) -> Int? {
        unsafe withUnsafeBytes { unsafe place(of: byte, in: $0, from: start) }
    }

    /// The eight bytes at `offset` as a number, the least first.
    package func word(at offset: Int) -> UInt64 {
        precondition(offset >= 0 && offset + 8 <= count)
        return unsafe withUnsafeBytes {
            UInt64(littleEndian: unsafe $0.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
        }
    }

    package mutating func append(word: UInt64) {
        unsafe Swift.withUnsafeBytes(of: word.littleEndian) { unsafe append(contentsOf: $0) }
    }

    /// Whether the first `count` bytes come before the first `otherCount` of another, as bytes do.
    package func precedes(_ other: [UInt8], first count: Int, _ otherCount: Int) -> Bool {
        unsafe withUnsafeBytes { mine in
            unsafe other.withUnsafeBytes { theirs in
                let both = Swift.min(count, otherCount)
                var offset = 0
                while offset + 8 <= both {
                    let a = unsafe mine.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
                    let b = unsafe theirs.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
                    if a != b { return a.bigEndian < b.bigEndian }
                    offset += 8
                }
                while offset < both {
                    let (a, b) = unsafe (mine[offset], theirs[offset])
                    if a != b { return a < b }
                    offset += 1
                }
                return count < otherCount
            }
        }
    }

    /// Appends all of `bytes` in one copy; `initialize(from:count:)` would be a loop over bytes again.
    package mutating func append(run bytes: ArraySlice<UInt8>) {
        append(addingCapacity: bytes.count) { room in
            unsafe room.withUnsafeMutableBufferPointer { free, filled in
                unsafe bytes.withUnsafeBytes { source in
                    guard let first = source.baseAddress, let place = free.baseAddress else { return }
                    unsafe UnsafeMutableRawPointer(place + filled).copyMemory(
                        from: first, byteCount: source.count)
                    filled += source.count
                }
            }
        }
    }
}
