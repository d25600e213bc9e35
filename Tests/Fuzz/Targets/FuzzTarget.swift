import Unix

/// One of the parsers and sessions that strangers reach, as a fuzzer, the corpus tests and relais-digest drive it: it takes any
/// bytes at all, must not trap, holds what it promises, and says what it made of them.
struct FuzzTarget: Sendable {
    /// A promise that was not kept.
    struct Violation: Error, CustomStringConvertible {
        let promise: String
        var description: String { promise }
    }

    let name: String
    private let body: @Sendable ([UInt8], inout Findings) throws(Violation) -> Void

    init(name: String, run body: @escaping @Sendable ([UInt8], inout Findings) throws(Violation) -> Void) {
        self.name = name
        self.body = body
    }

    /// What the target makes of the input.
    @discardableResult
    func run(_ input: [UInt8]) throws(Violation) -> Findings {
        var findings = Findings()
        try body(input, &findings)
        return findings
    }

    static let all: [FuzzTarget] = mail + mime + smtp + pop3 + imap + dns + files + exchanges
}

/// For what only a broken system refuses.
func system<Value: ~Copyable>(_ body: () throws(SystemError) -> Value) throws(FuzzTarget.Violation) -> Value {
    do throws(SystemError) { return try body() } catch { throw FuzzTarget.Violation(promise: "\(error)") }
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
