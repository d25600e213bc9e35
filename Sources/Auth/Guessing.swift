/// How guessing is slowed down, without ever calling a right password wrong: every password is looked at, a right one is
/// answered at once, a wrong one late, and the later the more attempts of its address are waiting already, over all
/// processes. So an address gets few answers in a second, however many connections it has, and whoever shares the
/// address with it notices nothing.
package enum Guessing {
    /// Attempts of one address under way at a time. Behind them nobody's password is looked at, and nobody is told that
    /// it was wrong: they come again.
    package static let mostAttempts = 64

    /// How late a wrong password is answered, counted from its record, whatever was wrong: two seconds, up to ten for
    /// who has `waiting` others waiting.
    package static func delay(behind waiting: Int) -> Duration {
        .seconds(min(2 * (1 + waiting / 5), 10))
    }
}
