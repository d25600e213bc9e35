import Bytes
import Queue
import Testing
import Unix

@Suite struct ScheduleTests {
    static let schedule = RetrySchedule(
        intervals: [.seconds(300), .seconds(900), .seconds(3600)], lifetime: .seconds(86400))

    @Test(
        "the n-th failure waits the n-th interval, the last one repeats",
        arguments: [(0, 300), (1, 300), (2, 900), (3, 3600), (4, 3600), (1000, 3600)])
    func waits(failures: Int, seconds: Int64) {
        let now = Time(seconds: 1000)
        #expect(
            Self.schedule.next(afterFailures: failures, arrival: now, now: now)
                == Time(seconds: 1000 + seconds))
    }

    @Test("a message is given up by the first failure at the end of its life, not before")
    func life() {
        let arrival = Time(seconds: 0)
        #expect(Self.schedule.next(afterFailures: 9, arrival: arrival, now: Time(seconds: 86399)) != nil)
        #expect(Self.schedule.next(afterFailures: 9, arrival: arrival, now: Time(seconds: 86400)) == nil)
    }

    @Test(
        "a destination is probed when a message of so many failures would be tried, and half an hour on at the latest",
        arguments: [(0, 300), (1, 300), (2, 900), (3, 1800), (4, 1800), (1000, 1800)])
    func probes(failures: Int, seconds: Int64) {
        let now = Time(seconds: 1000)
        #expect(
            Self.schedule.nextProbe(afterFailures: failures, now: now) == Time(seconds: 1000 + seconds))
    }

    @Test("ids sort by arrival, differ by chance, and are read strictly")
    func ids() {
        let early = MessageID(arrival: Time(microseconds: 1_795_459_200_000_000), random: .max)
        let late = MessageID(arrival: Time(microseconds: 1_795_459_200_000_001), random: 0)
        #expect(early < late)
        #expect(early.text.count == MessageID.length)
        #expect(MessageID(early.text) == early)
        #expect(early.arrival == Time(microseconds: 1_795_459_200_000_000))
        #expect(MessageID("0MHZK3VXQ7C1P5V0D4X8R2L9") == nil)
        #expect(MessageID("0mhzk3vxq7c1p5v0d4x8r2l") == nil)
        #expect(MessageID("0mhzk3vxq7c1p5v0d4x8r2l.") == nil)
        #expect(early.derived(1, at: Time(seconds: 5)) == early.derived(1, at: Time(seconds: 5)))
        #expect(early.derived(1, at: Time(seconds: 5)) != early.derived(2, at: Time(seconds: 5)))
        let (one, other) = (Array("a".utf8), Array("b".utf8))
        #expect(early.derived(1, of: one, at: early.arrival) == early.derived(1, of: one, at: early.arrival))
        #expect(
            early.derived(1, of: one, at: early.arrival) != early.derived(1, of: other, at: early.arrival))
    }

    /// The long ids of Postfix 2.9, which logwatch's pattern has: no vowel of either case.
    @Test(
        "ids have no vowels, and keep what time they were given at",
        arguments: [0, 1, 1_795_459_200_000_000, 4_102_444_800_000_000, Int64.max])
    func alphabet(microseconds: Int64) {
        for random in [0, 1, UInt64.max, 0x0123_4567_89AB_CDEF] {
            let id = MessageID(arrival: Time(microseconds: microseconds), random: random)
            #expect(id.text.allSatisfy { "0123456789bcdfghjklmnpqrstvwxyz".contains($0) })
            #expect(id.text.first != "0" && id.text.count == 24)
            if microseconds < .max { #expect(id.arrival == Time(microseconds: microseconds)) }
        }
    }

    @Test("an id of the old form is valid, keeps its time and sorts before new ones")
    func oldForm() throws {
        let old = try #require(MessageID("0hofsbazmr01xi9h5ijcmdjf"))
        #expect(old.text == "0hofsbazmr01xi9h5ijcmdjf")
        #expect(old.arrival == Time(microseconds: 1_795_462_997_095_404))
        #expect(old < MessageID(arrival: Time(seconds: 0), random: 0))
    }
}
