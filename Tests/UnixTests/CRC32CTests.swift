import Testing
import Unix

@Suite struct CRC32CTests {
    @Test("the values of RFC 3720 §B.4 come out, with and without the processor's help")
    func knownValues() {
        let rows: [([UInt8], UInt32)] = [
            ([], 0), (Array("123456789".utf8), 0xE306_9283),
            ([UInt8](repeating: 0, count: 32), 0x8A91_36AA),
            ([UInt8](repeating: 0xFF, count: 32), 0x62A8_AB43),
            (Array(0..<32), 0x46DD_794E), (Array((0..<32).reversed()), 0x113F_DB5C),
        ]
        for (bytes, value) in rows {
            var crc = CRC32C()
            var byTable = CRC32C()
            crc.update(bytes[...])
            byTable.updateByTable(bytes[...])
            #expect(crc.value == value)
            #expect(byTable.value == value)
        }
    }

    @Test("in whatever pieces bytes come, at whatever address, the value is the same")
    func pieces() {
        let bytes = (0..<300).map { UInt8(truncatingIfNeeded: $0 &* 167 &+ 13) }
        for start in 0..<9 {
            for end in start..<bytes.count {
                var byTable = CRC32C()
                byTable.updateByTable(bytes[start..<end])
                var whole = CRC32C()
                whole.update(bytes[start..<end])
                let middle = start + (end - start) / 3
                var parts = CRC32C()
                parts.update(bytes[start..<middle])
                parts.update(bytes[middle..<end])
                #expect(whole.value == byTable.value && parts.value == byTable.value, "\(start)..<\(end)")
            }
        }
    }
}
