@testable import Resolver

/// A reply built by hand, right or wrong.
struct Packet {
    var flags: UInt16 = 0x8180
    var questions: UInt16 = 1
    var answers: UInt16?
    var authorities: UInt16 = 0
    var additional: UInt16 = 0
    var records: [[UInt8]] = []

    /// Where the name of the question begins.
    static let questionOffset: UInt8 = 12
    static let pointerToQuestion: [UInt8] = [0xC0, questionOffset]

    static func big(_ value: UInt16) -> [UInt8] { [UInt8(value >> 8), UInt8(value & 255)] }

    static func record(
        _ type: RecordType, _ data: [UInt8], name: [UInt8] = pointerToQuestion, length: UInt16? = nil
    ) -> [UInt8] {
        name + big(type.number) + big(1) + [0, 0, 0, 60] + big(length ?? UInt16(data.count)) + data
    }

    static func mx(_ preference: UInt16, _ name: [UInt8]) -> [UInt8] { record(.mx, big(preference) + name) }

    func bytes(for question: Question) -> [UInt8] {
        let counts = [questions, answers ?? UInt16(records.count), authorities, additional]
        return [0x12, 0x34] + Self.big(flags) + counts.flatMap(Self.big)
            + question.name.wire + Self.big(question.type.number) + Self.big(question.recordClass)
            + records.flatMap { $0 }
    }
}
