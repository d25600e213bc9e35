import Bytes
package import Unix

/// The name of a message for all its life: 11 digits of time in microseconds and 13 of chance, in base 31:
/// digits and lower-case consonants, as Postfix's long queue ids, so that what reads its logs finds ours
/// (logwatch). It sorts by arrival, is unique across hosts, and cannot be guessed.
///
/// Ids that were given before, in base 36, begin with 0, as no new one does: they sort first, and stay valid.
package struct MessageID: Hashable, Comparable, CustomStringConvertible {
    package static let length = 24
    private static let timeDigits = 11
    private static let alphabet = Array("0123456789bcdfghjklmnpqrstvwxyz".utf8)
    /// 31^10: with this added to the time the first digit is never 0.
    private static let bias: Int64 = 819_628_286_980_801
    /// What still fits: a day in 2749.
    private static let last: Int64 = 31 * bias - 1 - bias

    /// The digits, eight in a word, the first in the highest byte: a runner keeps many ids, and these need no
    /// memory of their own.
    private let words: (UInt64, UInt64, UInt64)

    package init(arrival: Time, random: UInt64) {
        let time = min(max(0, arrival.microseconds), Self.last) + Self.bias
        self.init(
            digits: Self.digits(UInt64(time), Self.timeDigits)
                + Self.digits(random, Self.length - Self.timeDigits))
    }

    private init(digits: some Collection<UInt8>) {
        func word(_ number: Int) -> UInt64 {
            digits.dropFirst(8 * number).prefix(8).reduce(0) { $0 << 8 | UInt64($1) }
        }
        words = (word(0), word(1), word(2))
    }

    package var text: String { String(decoding: bytes, as: UTF8.self) }

    package var bytes: [UInt8] {
        (0..<Self.length).map { index in
            let word = index < 8 ? words.0 : index < 16 ? words.1 : words.2
            return UInt8(truncatingIfNeeded: word >> UInt64(8 * (7 - index % 8)))
        }
    }

    /// The time that stands in it.
    package var arrival: Time {
        let digits = bytes.prefix(Self.timeDigits)
        guard digits.first != .ascii("0") else {
            return Time(
                microseconds: digits.reduce(Int64(0)) { sum, digit in
                    sum &* 36 &+ Int64(digit.isDigit ? digit - 0x30 : digit - 0x57)
                })
        }
        let value = digits.reduce(Int64(0)) { sum, digit in
            sum &* 31 &+ Int64(Self.alphabet.firstIndex(of: digit) ?? 0)
        }
        return Time(microseconds: value &- Self.bias)
    }

    package static func new(at arrival: Time) -> MessageID {
        var source = Randomness()
        return MessageID(arrival: arrival, random: source.next())
    }

    /// Reads a file's name; nil unless it has the form of an id.
    package init?(name: some Collection<UInt8>) {
        guard name.count == Self.length, name.allSatisfy({ $0.isDigit || $0.isLower }) else { return nil }
        self.init(digits: name)
    }

    package init?(_ name: String) { self.init(name: Array(name.utf8)) }

    /// The id of the `number`-th message that this one gives rise to (a bounce, a forwarded copy): the same
    /// each time it is asked for, so that a step repeated after a crash meets its own trace.
    /// `content`: what besides the number makes one message another.
    package func derived(_ number: Int, of content: [UInt8] = [], at arrival: Time) -> MessageID {
        var mix: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in bytes + content { mix = (mix ^ UInt64(byte)) &* 0x100_0000_01B3 }
        for shift in stride(from: 0, to: 64, by: 8) {
            mix = (mix ^ UInt64(truncatingIfNeeded: number >> shift & 255)) &* 0x100_0000_01B3
        }
        return MessageID(arrival: arrival, random: mix)
    }

    private static func digits(_ value: UInt64, _ width: Int) -> [UInt8] {
        var rest = value
        var digits = [UInt8](repeating: 0x30, count: width)
        for index in (0..<width).reversed() {
            digits[index] = alphabet[Int(rest % 31)]
            rest /= 31
        }
        return digits
    }

    package static func == (a: MessageID, b: MessageID) -> Bool { a.words == b.words }
    package static func < (a: MessageID, b: MessageID) -> Bool { a.words < b.words }

    package func hash(into hasher: inout Hasher) {
        hasher.combine(words.0)
        hasher.combine(words.2)
    }

    package var description: String { text }
}
