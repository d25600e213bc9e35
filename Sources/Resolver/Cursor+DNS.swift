import Bytes
import Unix

// The wire grammar of RFC 1035 §4.1; what is wrong is named in the words of `host`. The cursor's unit is the
// whole message, because a compressed name may point to any earlier byte of it. Nothing here recurses, and
// nothing reads more than the message holds.

extension Cursor {
    static var cutShort: StaticString { "unexpected end of input" }

    mutating func byte() throws(SyntaxError) -> UInt8 {
        guard let byte = next() else { throw failure(Self.cutShort) }
        return byte
    }

    mutating func uint16() throws(SyntaxError) -> UInt16 {
        guard let bytes = take(2) else { throw failure(Self.cutShort) }
        return bytes.reduce(0) { $0 << 8 | UInt16($1) }
    }

    mutating func uint32() throws(SyntaxError) -> UInt32 {
        guard let bytes = take(4) else { throw failure(Self.cutShort) }
        return bytes.reduce(0) { $0 << 8 | UInt32($1) }
    }

    /// domain-name, compressed or not (RFC 1035 §4.1.4). A pointer must lead to before the part of the name
    /// that it ends, so that a chain of pointers always moves down and ends (T69).
    mutating func domainName() throws(SyntaxError) -> DNSName {
        var wire: [UInt8] = []
        var lowest = position
        var behindPointer: Int?
        while true {
            let length = try byte()
            switch length {
            case 0:
                if let behindPointer { seek(to: behindPointer) }
                return DNSName(wire: wire + [0])
            case 1...63:
                guard let label = take(Int(length)) else { throw failure(Self.cutShort) }
                guard wire.count + label.count + 2 <= DNSName.longest else { throw failure("name too long") }
                wire.append(length)
                wire += label
            case 0xC0...0xFF:
                let target = unit.startIndex + Int(length & 0x3F) << 8 + Int(try byte())
                guard target < lowest else { throw failure("bad compression pointer") }
                if behindPointer == nil { behindPointer = position }
                lowest = target
                seek(to: target)
            default:
                throw failure("bad label type")
            }
        }
    }

    /// character-string (RFC 1035 §3.3).
    mutating func characterString() throws(SyntaxError) -> [UInt8] {
        let length = try byte()
        guard let bytes = take(Int(length)) else { throw failure(Self.cutShort) }
        return Array(bytes)
    }

    /// How many questions the message says that it has; the position is behind the header then.
    mutating func questionCount() throws(SyntaxError) -> UInt16 {
        guard take(4) != nil else { throw failure(Self.cutShort) }
        let count = try uint16()
        guard take(6) != nil else { throw failure(Self.cutShort) }
        return count
    }

    /// RFC 1035 §4.1.2.
    mutating func question() throws(SyntaxError) -> Question {
        Question(try domainName(), RecordType(try uint16()), try uint16())
    }

    /// A resource record (RFC 1035 §4.1.3).
    mutating func resourceRecord() throws(SyntaxError) -> ResourceRecord {
        let name = try domainName()
        let type = RecordType(try uint16())
        let recordClass = try uint16()
        let timeToLive = try uint32()
        let length = Int(try uint16())
        guard length <= unit.endIndex - position else { throw failure(Self.cutShort) }
        let end = position + length
        let data: ResourceRecord.Data =
            recordClass == Question.internetClass || type == .txt
            ? try recordData(type, end: end) : .opaque(rawBytes(to: end))
        guard position <= end else { throw failure(Self.cutShort) }
        guard position == end else { throw failure("extra input data") }
        return ResourceRecord(
            name: name, type: type, recordClass: recordClass, timeToLive: timeToLive, data: data)
    }

    /// RDATA, up to `end`; the caller checks that it went neither short nor beyond.
    private mutating func recordData(
        _ type: RecordType, end: Int
    ) throws(SyntaxError) -> ResourceRecord.Data {
        switch type {
        case .a where end - position == 4: return .address(.v4(rawBytes(to: end)))
        case .aaaa where end - position == 16: return .address(.v6(rawBytes(to: end)))
        case .a, .aaaa: throw failure(Self.cutShort)
        case .mx: return .exchanger(preference: try uint16(), try domainName())
        case .cname, .ns, .ptr: return .name(try domainName())
        case .txt, RecordType(56), RecordType(99), RecordType(258):
            var strings: [[UInt8]] = []
            repeat { strings.append(try characterString()) } while position < end
            return .text(strings)
        case .srv:
            return .service(
                priority: try uint16(), weight: try uint16(), port: try uint16(),
                try domainName())
        case .soa:
            let (primary, mailbox) = (try domainName(), try domainName())
            var numbers: [UInt32] = []
            for _ in 0..<5 { numbers.append(try uint32()) }
            return .authority(primary: primary, mailbox: mailbox, numbers: numbers)
        case .caa:
            let (flags, tag) = (try byte(), try characterString())
            guard position <= end else { throw failure(Self.cutShort) }
            return .certification(flags: flags, tag: tag, value: rawBytes(to: end))
        case .tlsa:
            let fields = (try byte(), try byte(), try byte())
            guard position <= end else { throw failure(Self.cutShort) }
            return .tlsAssociation(
                usage: fields.0, selector: fields.1, matching: fields.2, rawBytes(to: end))
        default:
            guard let layout = type.layout else { return .opaque(rawBytes(to: end)) }
            return .fields(try fields(layout, end: end))
        }
    }

    mutating func rawBytes(to end: Int) -> [UInt8] {
        take(end - position).map { Array($0) } ?? []
    }
}
