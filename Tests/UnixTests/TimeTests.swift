import Testing
import Unix

@Suite struct TimeTests {
    @Test("no number is too large to reckon with")
    func edges() {
        for number in [Int64.min, -1, 0, 1, .max] {
            for other in [Int64.min, -1, 0, 1, .max] {
                let time = Time(microseconds: number)
                let sum = time + .microseconds(other)
                let (exact, over) = number.addingReportingOverflow(other)
                #expect(sum.microseconds == (over ? (other > 0 ? .max : .min) : exact))
                let difference = time - Time(microseconds: other)
                let (exactly, beyond) = number.subtractingReportingOverflow(other)
                #expect(difference == .microseconds(beyond ? (number > other ? .max : .min) : exactly))
                _ = (time.seconds, LocalTime(time).listStamp)
            }
        }
    }
}
