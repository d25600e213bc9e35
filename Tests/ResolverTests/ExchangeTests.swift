import Bytes
import Testing
import Unix

@testable import Resolver

/// What counts as an answer, and what an answer's code means for mail.
@Suite struct ExchangeTests {
    static let question = Question(try! DNSName("example.org"), .mx)
    static let query = Query(question: question, id: 0x1234, packet: question.encoded(id: 0x1234))

    private func packet(
        _ flags: UInt16, question: Question = question, id: UInt16 = 0x1234, questions: UInt16 = 1
    ) -> [UInt8] {
        let bytes = Packet(flags: flags, questions: questions).bytes(for: question)
        return Packet.big(id) + (questions == 0 ? bytes[2..<12] : bytes[2...])
    }

    @Test("an answer is an answer, of this kind, with the id, to the question that was asked (T72)")
    func forgeries() throws {
        func isAnswer(_ packet: [UInt8]) -> Bool { Exchange.answers(packet, Self.query) }
        #expect(isAnswer(packet(0x8180)) && isAnswer(packet(0x8583)))
        #expect(isAnswer(packet(0x8180, question: Question(try DNSName("EXAMPLE.org"), .mx))))
        #expect(!isAnswer(packet(0x0180)), "no answer: a query")
        for opcode in 1..<16 as Range<UInt16> { #expect(!isAnswer(packet(0x8180 | opcode << 11))) }
        #expect(!isAnswer(packet(0x8180, id: 0x1235)) && !isAnswer(packet(0x8180, id: 0x3412)))
        #expect(!isAnswer(packet(0x8180, question: Question(try DNSName("example.com"), .mx))))
        #expect(!isAnswer(packet(0x8180, question: Question(Self.question.name, .a))))
        #expect(!isAnswer(packet(0x8180, question: Question(Self.question.name, .mx, 3))))
        let two = packet(0x8180, questions: 2) + Self.question.name.wire + [0, 15, 0, 1]
        #expect(!isAnswer(two), "an answer to another question, too")
        #expect(!isAnswer([]) && !isAnswer([0x12, 0x34]) && !isAnswer(Array(packet(0x8180).prefix(20))))
    }

    @Test("an error of twelve octets is one; that there is nothing is said with the question only")
    func bare() {
        for code in 0..<16 as Range<UInt16> {
            #expect(
                Exchange.answers(packet(0x8180 | code, questions: 0), Self.query) == ![0, 3].contains(code))
        }
    }

    @Test("only NXDOMAIN says that there is no such name; any other code of the 4096 is trouble that passes")
    func codes() throws {
        for code in 1..<4096 as Range<UInt16> where code != 3 {
            var packet = Packet(flags: 0x8180 | code & 15)
            packet.additional = 1
            let opt: [UInt8] = [0] + Packet.big(41) + Packet.big(1232) + [UInt8(code >> 4), 0, 0, 0, 0, 0]
            let message = try DNSMessage(packet.bytes(for: Self.question) + opt)
            #expect(message.code.number == code)
            #expect(message.answer(to: Self.question) == .failed(.response(ResponseCode(code))))
            var random = SystemRandomNumberGenerator()
            #expect {
                try Route.find(.domain(Self.question.name), in: Surroundings(), random: &random) { _ in
                    [.failed(.response(ResponseCode(code)))]
                }
            } throws: { ($0 as? NoRoute)?.isTemporary == true }
        }
        #expect(
            "\(ResponseCode(16)) \(ResponseCode(9)) \(ResponseCode(11)) \(ResponseCode(23))"
                == "BADVERS NOTAUTH RESERVED11 ?23")
    }

    @Test("an answer about other names only is none; nothing at all is no data")
    func unrelated() throws {
        func message(_ records: [[UInt8]]) throws -> DNSMessage {
            try DNSMessage(Packet(records: records).bytes(for: Self.question))
        }
        let foreign = Packet.record(.mx, [0, 1, 1, 0x61, 0], name: [1, 0x62, 0])
        #expect(try message([foreign]).answer(to: Self.question) == .failed(.unrelated))
        #expect(try message([foreign]).related(to: Self.question).isEmpty)
        #expect(try message([]).answer(to: Self.question) == .noData)
        let own = Packet.mx(7, [1, 0x61, 0])
        let both = try message([foreign, own])
        #expect(both.related(to: Self.question).count == 1)
        guard case .records(let records) = both.answer(to: Self.question) else {
            Issue.record("no records")
            return
        }
        #expect(records.count == 1)
        let alias = Packet.record(.cname, [1, 0x62, 0])
        #expect(try message([foreign, alias]).related(to: Self.question).count == 2)
        // Two names that are aliases of each other do not go on for ever.
        let back = Packet.record(.cname, Array(Self.question.name.wire), name: [1, 0x62, 0])
        #expect(try message([alias, back]).related(to: Self.question).count == 2)
        #expect(try message([alias, back]).answer(to: Self.question) == .failed(.aliasLoop))
    }

    @Test("a question goes out with EDNS or without, and asks for recursion or does not")
    func styles() throws {
        let plain = Self.question.encoded(id: 1, Question.Style(isExtended: false, wantsRecursion: false))
        #expect(plain.count == 12 + Self.question.name.wire.count + 4 && plain[2...3].elementsEqual([0, 0]))
        #expect(plain[4..<12].elementsEqual([0, 1, 0, 0, 0, 0, 0, 0]))
        let full = Self.question.encoded(id: 1)
        #expect(full.count == plain.count + 11 && full[2...3].elementsEqual([1, 0x20]) && full[11] == 1)
    }
}
