package import Bytes

/// What is asked: all records of one type under one name.
package struct Question: Hashable {
    package let name: DNSName
    package let type: RecordType
    package let recordClass: UInt16

    package static let internetClass: UInt16 = 1
    static let anyClass: UInt16 = 255
    /// What we can take by UDP: fits every path without fragments.
    static let datagramSize: UInt16 = 1232

    package init(_ name: DNSName, _ type: RecordType, _ recordClass: UInt16 = internetClass) {
        self.name = name
        self.type = type
        self.recordClass = recordClass
    }

    /// How a question is put.
    struct Style {
        /// An empty OPT record that says how much fits (RFC 6891 §6.1.2), and the AD bit, so that the answer's means
        /// something (RFC 6840 §5.7).
        var isExtended = true
        var wantsRecursion = true
    }

    /// The query on the wire.
    func encoded(id: UInt16, _ style: Style = Style()) -> [UInt8] {
        func big(_ value: UInt16) -> [UInt8] { [UInt8(value >> 8), UInt8(value & 255)] }
        let flags: UInt16 = (style.wantsRecursion ? 0x0100 : 0) | (style.isExtended ? 0x0020 : 0)
        let packet =
            big(id) + big(flags) + big(1) + big(0) + big(0) + big(style.isExtended ? 1 : 0)
            + name.wire + big(type.number) + big(recordClass)
        guard style.isExtended else { return packet }
        return packet + [0] + big(RecordType.opt.number) + big(Self.datagramSize) + big(0) + big(0) + big(0)
    }
}

/// A reply of a server, read strictly: every section must be whole, whatever its counts promise (T69).
package struct DNSMessage: Equatable {
    package let id: UInt16
    package let flags: UInt16
    package let code: ResponseCode
    /// As the header says, questions first; OPT is counted.
    package let counts: [UInt16]
    package let questions: [Question]
    /// The sections, in the order of the packet, without OPT.
    package let answers: [ResourceRecord]
    package let authorities: [ResourceRecord]
    package let additional: [ResourceRecord]
    /// The OPT record, if the server knows EDNS: its class is how much the server takes, its time to live has the
    /// version and the upper bits of the code.
    package let opt: ResourceRecord?

    package var isResponse: Bool { flags & 0x8000 != 0 }
    package var isTruncated: Bool { flags & 0x0200 != 0 }
    /// The server vouches for the data by DNSSEC (RFC 4035 §3.2.3); worth what the road to it is worth.
    package var isAuthenticated: Bool { flags & 0x0020 != 0 }

    package init(_ packet: [UInt8]) throws(SyntaxError) {
        var cursor = Cursor(packet)
        id = try cursor.uint16()
        flags = try cursor.uint16()
        var counts: [UInt16] = []
        for _ in 0..<4 { counts.append(try cursor.uint16()) }
        self.counts = counts
        var questions: [Question] = []
        for _ in 0..<counts[0] { questions.append(try cursor.question()) }
        self.questions = questions
        var opt: ResourceRecord?
        var sections: [[ResourceRecord]] = []
        for count in counts.dropFirst() {
            var records: [ResourceRecord] = []
            for _ in 0..<count {
                let start = cursor.position
                let record = try cursor.resourceRecord()
                if record.type == .opt {
                    opt = record
                } else {
                    guard Self.expects(record, questions.first) else {
                        throw SyntaxError("FORMERR", at: start)
                    }
                    records.append(record)
                }
            }
            sections.append(records)
        }
        (answers, authorities, additional) = (sections[0], sections[1], sections[2])
        self.opt = opt
        code = ResponseCode(flags & 15 | UInt16((opt?.timeToLive ?? 0) >> 24) << 4)
    }
}

extension DNSMessage {
    /// Whether a record is of the class that was asked for.
    private static func expects(_ record: ResourceRecord, _ question: Question?) -> Bool {
        guard let asked = question?.recordClass, asked != Question.anyClass else { return true }
        return record.recordClass == asked
    }
}

/// What a reply says about a question.
package enum Answer: Equatable {
    /// The records asked for, found under the name or under what it is an alias for.
    case records([ResourceRecord])
    /// The name is an alias, and the reply says nothing more about what it is an alias for.
    case alias(DNSName)
    /// The name exists, such records do not.
    case noData
    case noSuchDomain
    case failed(LookupFailure)
}

extension DNSMessage {
    /// Longest chain of aliases that is followed (T70).
    static let longestAliasChain = 16

    package func answer(to question: Question) -> Answer {
        switch code {
        case .noError: break
        case .noSuchDomain: return .noSuchDomain
        default: return .failed(.response(code))
        }
        var name = question.name
        for _ in 0...Self.longestAliasChain {
            let found = answers.filter {
                $0.name == name && $0.type == question.type && $0.recordClass == question.recordClass
            }
            if !found.isEmpty { return .records(found) }
            guard let target = alias(of: name) else {
                if name != question.name { return .alias(name) }
                // That there is nothing is said by an empty answer, not by one about somebody else.
                return answers.isEmpty || answers.contains { $0.name == name } ? .noData : .failed(.unrelated)
            }
            name = target
        }
        return .failed(.aliasLoop)
    }

    /// The answers that are about what was asked: records under the name, and under what it is an alias for.
    package func related(to question: Question) -> [ResourceRecord] {
        var names: Set<DNSName> = [question.name]
        var name = question.name
        while names.count <= answers.count, let target = alias(of: name), names.insert(target).inserted {
            name = target
        }
        return answers.filter { record in
            // A DNAME stands above the names that it is about (RFC 6672 §2.2).
            names.contains(record.name)
                || record.type == .dname && names.contains { $0.isBelow(record.name) }
        }
    }

    private func alias(of name: DNSName) -> DNSName? {
        for record in answers where record.name == name && record.type == .cname {
            if case .name(let target) = record.data { return target }
        }
        return nil
    }
}
