import Bytes
import Testing
import Unix

@testable import Resolver

@Suite struct MessageTests {
    static let question = Question(try! DNSName("example.org"), .mx)
    static func name(_ text: String) -> DNSName { try! DNSName(text) }

    static func message(_ records: [[UInt8]], _ change: (inout Packet) -> Void = { _ in }) throws
        -> DNSMessage
    {
        var packet = Packet(records: records)
        change(&packet)
        return try DNSMessage(packet.bytes(for: question))
    }

    @Test("Records are read with their compressed names, in order")
    func records() throws {
        let message = try Self.message([
            Packet.mx(10, [3] + Array("mx1".utf8) + Packet.pointerToQuestion),
            Packet.mx(0, [0]),
        ])
        #expect(
            message.answers.map(\.data) == [
                .exchanger(preference: 10, Self.name("mx1.example.org")), .exchanger(preference: 0, .root),
            ])
        #expect(message.answers.allSatisfy { $0.name == Self.question.name })
        #expect(message.isResponse && !message.isTruncated && !message.isAuthenticated)
    }

    @Test("Every cut of a good packet is an error, never a trap")
    func cuts() throws {
        let packet = Packet(records: [
            Packet.mx(10, [3] + Array("mx1".utf8) + Packet.pointerToQuestion),
            Packet.record(.txt, [3] + Array("one".utf8) + [0]),
            Packet.record(.soa, [0, 0] + [UInt8](repeating: 1, count: 20)),
            Packet.record(.srv, [0, 1, 0, 2, 0, 25, 0]), Packet.record(.caa, [0, 1, 0x61, 0x62]),
            Packet.record(.tlsa, [3, 1, 1, 9]), Packet.record(RecordType(99), [1, 2]),
        ]).bytes(for: Self.question)
        _ = try DNSMessage(packet)
        for length in 0..<packet.count {
            #expect(throws: SyntaxError.self) { try DNSMessage(Array(packet.prefix(length))) }
        }
    }

    @Test("Every change of one byte gives a message or an error, never a trap")
    func changes() throws {
        let packet = Packet(records: [
            Packet.mx(10, [3] + Array("mx1".utf8) + Packet.pointerToQuestion),
            Packet.record(.cname, [1, 0x61, 0]), Packet.record(.a, [192, 0, 2, 1]),
        ]).bytes(for: Self.question)
        for index in packet.indices {
            for value in [0, 1, 0x3F, 0x40, 0x7F, 0x80, 0xC0, 0xFF] as [UInt8] {
                var changed = packet
                changed[index] = value
                if let message = try? DNSMessage(changed) { _ = message.answer(to: Self.question) }
            }
        }
    }

    @Test(
        "Chance changes of many bytes give a message or an error, never a trap (T69)",
        arguments: 0..<8 as Range<UInt64>)
    func chance(seed: UInt64) throws {
        let packet = Packet(records: [
            Packet.mx(10, [3] + Array("mx1".utf8) + Packet.pointerToQuestion),
            Packet.record(.txt, [3] + Array("one".utf8)),
            Packet.record(.soa, [0, 0] + [UInt8](repeating: 1, count: 20)),
            Packet.record(.srv, [0, 1, 0, 2, 0, 25, 0]), Packet.record(.caa, [0, 1, 0x61, 0x62]),
        ]).bytes(for: Self.question)
        var random = RouteTests.Seeded(state: seed)
        for _ in 0..<500 {
            var changed = packet
            for _ in 0..<Int.random(in: 1...12, using: &random) {
                let index = Int.random(in: 0..<changed.count, using: &random)
                changed[index] = UInt8.random(in: 0...255, using: &random)
            }
            changed.removeLast(Int.random(in: 0...4, using: &random))
            if let message = try? DNSMessage(changed) {
                _ = message.answer(to: Self.question)
                _ = message.answers.map(\.name.description)
            }
        }
    }

    static let malformed: [(String, [[UInt8]])] = [
        ("a pointer to itself", [Packet.mx(1, [0xC0, 43])]),
        ("a pointer forward", [Packet.mx(1, [0xC0, 200])]),
        ("a pointer behind the packet", [Packet.mx(1, [0xFF, 0xFF])]),
        ("a pointer cut in half", [Packet.mx(1, [0xC0])]),
        ("a label type of the future", [Packet.mx(1, [0x41, 0])]),
        ("a label beyond the packet", [Packet.mx(1, [63, 1, 2])]),
        ("data longer than its length says", [Packet.record(.mx, [0, 1, 1, 0x61, 0], length: 3)]),
        ("data shorter than its length says", [Packet.mx(1, [0, 9, 9])]),
        ("an IPv4 address of 5 bytes", [Packet.record(.a, [1, 2, 3, 4, 5])]),
        ("an IPv6 address of 4 bytes", [Packet.record(.aaaa, [1, 2, 3, 4])]),
        ("a text beyond its record", [Packet.record(.txt, [9, 0x61])]),
        ("an empty text record", [Packet.record(.txt, [])]),
        ("an association of 2 bytes", [Packet.record(.tlsa, [1, 2])]),
        (
            "a record of a class that was not asked for",
            [Packet.pointerToQuestion + [0, 16, 0, 3, 0, 0, 0, 60, 0, 2, 1, 0x61]]
        ),
    ]

    @Test("What is malformed is an error", arguments: malformed)
    func refused(what: String, records: [[UInt8]]) {
        #expect(throws: SyntaxError.self, "\(what)") { try Self.message(records) }
    }

    @Test("Counts larger than the packet are an error in every section")
    func counts() {
        for section in [\Packet.questions, \.authorities, \.additional] {
            #expect(throws: SyntaxError.self) {
                try Self.message([]) { $0[keyPath: section] = 65535 }
            }
        }
        #expect(throws: SyntaxError.self) { try Self.message([]) { $0.answers = 65535 } }
    }

    @Test("A name of 255 bytes is read, one of 256 is refused, however it is compressed")
    func longNames() throws {
        let label = [63] + [UInt8](repeating: 0x61, count: 63)
        let tail = label + label + label + [47] + [UInt8](repeating: 0x62, count: 47)
        // Behind 3 × 64 + 48 bytes the 13 of "example.org" make 253; two more fit, three do not.
        #expect(throws: Never.self) {
            try Self.message([Packet.mx(1, [1, 0x63] + tail + Packet.pointerToQuestion)])
        }
        #expect(throws: SyntaxError.self) {
            try Self.message([Packet.mx(1, [2, 0x63, 0x63] + tail + Packet.pointerToQuestion)])
        }
    }

    @Test("A packet full of names is read in bounded room")
    func many() throws {
        let record = Packet.mx(1, [1, 0x61] + Packet.pointerToQuestion)
        let message = try Self.message([[UInt8]](repeating: record, count: 3000))
        guard case .records(let records) = message.answer(to: Self.question) else {
            Issue.record("no records")
            return
        }
        #expect(records.count == 3000)
    }

    @Test("The AD and TC bits are seen")
    func bits() throws {
        #expect(try Self.message([]) { $0.flags = 0x81A0 }.isAuthenticated)
        #expect(try Self.message([]) { $0.flags = 0x8380 }.isTruncated)
    }

    // MARK: - Answers

    static func alias(_ from: String, _ to: String) -> [UInt8] {
        Packet.record(.cname, name(to).wire, name: name(from).wire)
    }

    @Test("The response code tells permanent from temporary")
    func codes() throws {
        func answer(_ code: UInt16) throws -> Answer {
            try Self.message([]) { $0.flags = 0x8180 | code }.answer(to: Self.question)
        }
        #expect(try answer(0) == .noData)
        #expect(try answer(3) == .noSuchDomain)
        for code: UInt16 in [1, 2, 4, 5, 9, 15] {
            #expect(try answer(code) == .failed(.response(ResponseCode(code))))
        }
    }

    @Test("Aliases lead to the records, records of other names are nothing to us")
    func aliases() throws {
        let records = [
            Self.alias("Example.org", "a.example"), Self.alias("a.example", "b.example"),
            Packet.record(.mx, [0, 1, 0], name: Self.name("other.example").wire),
            Packet.record(.mx, [0, 5, 0], name: Self.name("b.example").wire),
        ]
        let answer = try Self.message(records).answer(to: Self.question)
        guard case .records(let found) = answer else {
            Issue.record("\(answer)")
            return
        }
        #expect(found.map(\.data) == [.exchanger(preference: 5, .root)])
    }

    @Test(
        "A chain of aliases is followed up to a length, and one more is a failure (T70)", arguments: [0, 1])
    func longChain(more: Int) throws {
        let count = DNSMessage.longestAliasChain + more
        let chain = try Self.message(
            [Self.alias("example.org", "1.x")] + (1..<count).map { Self.alias("\($0).x", "\($0 + 1).x") }
                + [Packet.record(.mx, [0, 1, 1, 0x61, 0], name: Self.name("\(count).x").wire)])
        if more == 0 {
            guard case .records(let records) = chain.answer(to: Self.question) else {
                Issue.record("\(chain.answer(to: Self.question))")
                return
            }
            #expect(records.map(\.data) == [.exchanger(preference: 1, Self.name("a"))])
        } else {
            #expect(chain.answer(to: Self.question) == .failed(.aliasLoop))
        }
    }

    @Test("An alias without more says where to go on; a loop of aliases is a failure (T70)")
    func unfinishedAliases() throws {
        let open = try Self.message([Self.alias("example.org", "a.example")])
        #expect(open.answer(to: Self.question) == .alias(Self.name("a.example")))
        let loop = try Self.message([
            Self.alias("example.org", "a.example"), Self.alias("a.example", "example.org"),
        ])
        #expect(loop.answer(to: Self.question) == .failed(.aliasLoop))
        let chain = try Self.message(
            [Self.alias("example.org", "0.x")] + (0..<100).map { Self.alias("\($0).x", "\($0 + 1).x") })
        #expect(chain.answer(to: Self.question) == .failed(.aliasLoop))
    }

    @Test("A query asks for recursion and for the AD bit, and says what size fits")
    func query() throws {
        let packet = Self.question.encoded(id: 0xBEEF)
        let message = try DNSMessage(packet)
        #expect(message.id == 0xBEEF && !message.isResponse)
        #expect(message.questions == [Self.question])
        #expect(packet[2...3].elementsEqual([0x01, 0x20]))
    }
}
