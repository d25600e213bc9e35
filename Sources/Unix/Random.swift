import CSystem

/// The kernel's random numbers: for ids, and for choices that a stranger must not foresee.
package struct Randomness: RandomNumberGenerator {
    package init() {}

    package mutating func next() -> UInt64 {
        var value: UInt64 = 0
        // getrandom of so few bytes cannot fail once the kernel is up; a mail id must not be guessable, so
        // nothing weaker stands in for it.
        let failed =
            unsafe withUnsafeMutableBytes(of: &value) { unsafe cs_random($0.baseAddress, $0.count) } != 0
        precondition(!failed, "the kernel gives no random numbers")
        return value
    }
}
