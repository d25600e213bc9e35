import CSystem

/// The Castagnoli CRC of bytes that come in pieces (RFC 3720 §12.1).
package struct CRC32C {
    private var state: UInt32 = ~0

    package init() {}

    package var value: UInt32 { ~state }

    package mutating func update(_ bytes: ArraySlice<UInt8>) {
        state = unsafe bytes.withUnsafeBytes { unsafe cs_crc32c(state, $0.baseAddress, $0.count) }
    }

    /// The same without the processor's help: for the test that compares the two.
    package mutating func updateByTable(_ bytes: ArraySlice<UInt8>) {
        state = unsafe bytes.withUnsafeBytes { unsafe cs_crc32c_by_table(state, $0.baseAddress, $0.count) }
    }
}
