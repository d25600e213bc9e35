/// One of the parsers and sessions that strangers reach, as a fuzzer and the corpus tests drive it: it takes any bytes at all,
/// must not trap, and holds what it promises.
struct FuzzTarget: Sendable {
    /// A promise that was not kept.
    struct Violation: Error { let promise: String }

    let name: String
    let run: @Sendable ([UInt8]) throws -> Void

    static let all: [FuzzTarget] = mail + mime + smtp + pop3 + imap + dns + files + exchanges
}

/// For what always holds.
func promise(_ text: String, _ holds: Bool) throws(FuzzTarget.Violation) {
    guard holds else { throw FuzzTarget.Violation(promise: text) }
}

extension [UInt8] {
    /// The same bytes in pieces: whole, one by one, by sevens. No way may change what comes of them.
    var cuts: [[ArraySlice<UInt8>]] { [Swift.max(1, count), 1, 7].map(pieces) }

    func pieces(of size: Int) -> [ArraySlice<UInt8>] {
        stride(from: 0, to: count, by: size).map { self[$0..<Swift.min($0 + size, count)] }
    }
}
