package import Bytes

/// What is asked: all records of one type under one name.
package struct Question: Hashable {
    package let name: DNSName
    package let type: RecordType

    static let internetClass: UInt16 = 1
    /// What we can take by UDP: fits every path without fragments.
    static let datagramSize: UInt16 = 1232

    package init(_ name: DNSName, _ type: RecordType) {
        self.name = name
        self.type = type
    }

    /// The query on the wire: recursion desired, AD set so that the answer's AD bit means something
    /// (RFC 6840 §5.7), and an empty OPT record that says how much fits (RFC 6891 §6.1.2).
    func encoded(id: UInt16) -> [UInt8] {
        func big(_ value: UInt16) -> [UInt8] { [UInt8(value >> 8), UInt8(value & 255)] }
        let header = big(id) + [0x01, 0x20] + big(1) + big(0) + big(0) + big(1)
        let option = [0] + big(RecordType.opt.number) + big(Self.datagramSize) + big(0) + big(0) + big(0)
        return header + name.wire + big(type.number) + big(Self.internetClass) + option
    }
}

/// A reply of a server, read strictly: every section must be whole, whatever its counts promise (T69).
package struct Message: Equatable {
    package let id: UInt16
    package let isResponse: Bool
    package let isTruncated: Bool
    /// The server vouches for the data by DNSSEC (RFC 4035 §3.2.3); worth what the road to it is worth.
    package let isAuthenticated: Bool
    package let code: ResponseCode
    package let questions: [Question]
    /// The answer section, in the order of the packet.
    package let answers: [ResourceRecord]

    package init(_ packet: [UInt8]) throws(SyntaxError) {
        var cursor = Cursor(packet)
        id = try cursor.uint16()
        let flags = try cursor.uint16()
        isResponse = flags & 0x8000 != 0
        isTruncated = flags & 0x0200 != 0
        isAuthenticated = flags & 0x0020 != 0
        code = ResponseCode(UInt8(flags & 15))
        var counts: [UInt16] = []
        for _ in 0..<4 { counts.append(try cursor.uint16()) }
        var questions: [Question] = []
        for _ in 0..<counts[0] {
            questions.append(Question(try cursor.domainName(), RecordType(try cursor.uint16())))
            _ = try cursor.uint16()
        }
        var answers: [ResourceRecord] = []
        for _ in 0..<counts[1] {
            if let record = try cursor.resourceRecord() { answers.append(record) }
        }
        for _ in 0..<(Int(counts[2]) + Int(counts[3])) { _ = try cursor.resourceRecord() }
        self.questions = questions
        self.answers = answers
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

extension Message {
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
            let found = answers.filter { $0.name == name && $0.type == question.type }
            if !found.isEmpty { return .records(found) }
            guard let target = alias(of: name) else { return name == question.name ? .noData : .alias(name) }
            name = target
        }
        return .failed(.aliasLoop)
    }

    private func alias(of name: DNSName) -> DNSName? {
        for record in answers where record.name == name && record.type == .cname {
            if case .name(let target) = record.data { return target }
        }
        return nil
    }
}
