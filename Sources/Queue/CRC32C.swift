/// The Castagnoli CRC, as iSCSI and ext4 use it (RFC 3720 §12.1), eight bytes a step.
struct CRC32C {
    private var state: UInt32 = ~0

    var value: UInt32 { ~state }

    mutating func update(_ bytes: ArraySlice<UInt8>) {
        var state = self.state
        let tables = Self.tables
        var index = bytes.startIndex
        while bytes.endIndex - index >= 8 {
            let low =
                state ^ UInt32(bytes[index]) ^ UInt32(bytes[index + 1]) << 8
                ^ UInt32(bytes[index + 2]) << 16 ^ UInt32(bytes[index + 3]) << 24
            let near =
                tables[0x700 + Int(low & 255)] ^ tables[0x600 + Int(low >> 8 & 255)]
                ^ tables[0x500 + Int(low >> 16 & 255)] ^ tables[0x400 + Int(low >> 24)]
            let far =
                tables[0x300 + Int(bytes[index + 4])] ^ tables[0x200 + Int(bytes[index + 5])]
                ^ tables[0x100 + Int(bytes[index + 6])] ^ tables[Int(bytes[index + 7])]
            state = near ^ far
            index += 8
        }
        while index < bytes.endIndex {
            state = tables[Int((state ^ UInt32(bytes[index])) & 255)] ^ state >> 8
            index += 1
        }
        self.state = state
    }

    /// Eight tables of 256: what a byte does that has 0 to 7 bytes behind it.
    private static let tables: [UInt32] = {
        var tables = [UInt32](repeating: 0, count: 8 * 256)
        for byte in 0..<256 {
            var remainder = UInt32(byte)
            for _ in 0..<8 { remainder = remainder & 1 == 1 ? 0x82F6_3B78 ^ remainder >> 1 : remainder >> 1 }
            tables[byte] = remainder
        }
        for index in 256..<2048 {
            let before = tables[index - 256]
            tables[index] = tables[Int(before & 255)] ^ before >> 8
        }
        return tables
    }()
}
