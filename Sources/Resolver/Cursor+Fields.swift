import Bytes

/// The data of types that are only shown, by their `RecordType.layout`.
extension Cursor {
    mutating func fields(_ layout: [UInt8], end: Int) throws(SyntaxError) -> [ResourceRecord.Field] {
        var fields: [ResourceRecord.Field] = []
        for kind in layout {
            let field = try field(kind, end: end)
            guard position <= end else { throw failure(Self.cutShort) }
            fields.append(field)
        }
        return fields
    }

    private mutating func field(_ kind: UInt8, end: Int) throws(SyntaxError) -> ResourceRecord.Field {
        switch kind {
        case .ascii("1"): .number(UInt32(try byte()))
        case .ascii("2"): .number(UInt32(try uint16()))
        case .ascii("4"): .number(try uint32())
        case .ascii("n"): .name(try domainName())
        case .ascii("s"): .string(try characterString())
        case .ascii("T"): .types([RecordType(try uint16())])
        case .ascii("B"): .types(try types(to: end))
        case .ascii("d"): .time(try uint32())
        case .ascii("h"): .salt(try characterString())
        case .ascii("H"): .base32(try characterString())
        case .ascii("g"): .locator(try octets(8))
        case .ascii("a"): .address(try octets(4))
        case .ascii("L"): .location(try octets(16))
        case .ascii("v"): .parameters(try parameters(to: end))
        case .ascii("e"): .hardware(rawBytes(to: end))
        case .ascii("x"): .hexadecimal(rawBytes(to: end))
        case .ascii("b"): .base64(rawBytes(to: end))
        default: .string(rawBytes(to: end))
        }
    }

    private mutating func octets(_ count: Int) throws(SyntaxError) -> [UInt8] {
        guard let octets = take(count) else { throw failure(Self.cutShort) }
        return Array(octets)
    }

    /// RFC 4034 §4.1.2: windows of types, a bit each.
    private mutating func types(to end: Int) throws(SyntaxError) -> [RecordType] {
        var types: [RecordType] = []
        while position < end {
            let window = UInt16(try byte()) << 8
            for (index, octet) in try characterString().enumerated() where index < 32 {
                for bit in 0..<8 where octet & 0x80 >> bit != 0 {
                    types.append(RecordType(window | UInt16(index * 8 + bit)))
                }
            }
        }
        return types
    }

    /// RFC 9460 §2.2: a key, a length and a value each.
    private mutating func parameters(to end: Int) throws(SyntaxError) -> [ResourceRecord.ServiceParameter] {
        var parameters: [ResourceRecord.ServiceParameter] = []
        while position < end {
            let key = try uint16()
            parameters.append(.init(key: key, value: try octets(Int(try uint16()))))
        }
        return parameters
    }
}
