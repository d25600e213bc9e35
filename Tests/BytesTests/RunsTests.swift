import Testing

@testable import Bytes

/// Beside a loop over bytes, for all places and lengths around a word.
@Suite struct RunsTests {
    private static let samples: [[UInt8]] = (0..<40).flatMap { length in
        (0...length).flatMap { place in
            ([0x00, 0x09, 0x0A, 0x0D, 0x0E, 0x7F, 0x80, 0x8A, 0xFF] as [UInt8]).map { byte in
                var bytes = [UInt8](repeating: 0x20, count: length)
                if place < length { bytes[place] = byte }
                return bytes
            }
        }
    }

    @Test("a run ends where a loop over its bytes would end it")
    func ends() {
        for bytes in Self.samples + [Array(0...255), Array((0...255).reversed())] {
            for start in 0..<min(9, bytes.count + 1) {
                let slice = bytes[start...]
                #expect(slice.endOfRun { $0 == .lf } == slice.firstIndex(of: .lf) ?? slice.endIndex)
                #expect(
                    slice.endOfRun { $0 == .cr || $0 == .nul }
                        == slice.firstIndex { $0 == .cr || $0 == .nul } ?? slice.endIndex)
                #expect(slice.hasEightBits == slice.contains { $0 >= 0x80 })
            }
        }
    }

    @Test("a byte is found where a loop over the bytes would find it")
    func finds() {
        for bytes in Self.samples + [Array(0...255), Array((0...255).reversed())] {
            for start in 0..<min(9, bytes.count + 1) {
                for byte in [0x00, 0x0A, 0x80, 0xFF] as [UInt8] {
                    let place = bytes[start...].firstIndex(of: byte)
                    #expect(bytes.firstIndex(of: byte, from: start) == place)
                    #expect(bytes.dropFirst(start).firstIndex(of: byte, from: start) == place)
                    #expect(bytes[..<start].firstIndex(of: byte, from: start) == nil)
                }
            }
        }
        #expect(([] as [UInt8]).firstIndex(of: .lf, from: 0) == nil)
    }

    @Test("what is appended stands behind what was there")
    func appends() {
        for bytes in Self.samples {
            var output: [UInt8] = [1, 2, 3]
            output.append(run: bytes[...])
            output.append(run: bytes.dropFirst(3))
            #expect(output == [1, 2, 3] + bytes + bytes.dropFirst(3))
        }
    }
}
