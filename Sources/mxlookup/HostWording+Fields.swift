import Bytes
import Mail
import Resolver
import Unix

/// The data of types that nothing but a listing has a use for.
extension HostWording {
    static func presentation(_ field: ResourceRecord.Field) -> String {
        switch field {
        case .number(let number): String(number)
        case .name(let name): name.absoluteDescription
        case .string(let string): quoted(string)
        case .hexadecimal(let bytes): hexadecimal(bytes)
        case .base64(let bytes): broken(Base64.encode(bytes), every: longestRun)
        case .base32(let bytes): base32(bytes)
        case .salt(let bytes):
            bytes.isEmpty
                ? "-" : String(decoding: plainHexadecimal(bytes).utf8.map { $0.uppercased }, as: UTF8.self)
        case .types(let types): types.map { "\($0)" }.joined(separator: " ")
        case .time(let seconds): time(seconds)
        case .locator(let octets): locator(octets)
        case .address(let octets): "\(IPAddress.v4(octets))"
        case .location(let octets): location(octets)
        case .hardware(let octets): octets.map { plainHexadecimal([$0]) }.joined(separator: "-")
        case .parameters(let parameters):
            parameters.map(presentation).joined(separator: " ")
        }
    }

    private static func plainHexadecimal(_ bytes: [UInt8]) -> String {
        String(decoding: bytes.flatMap { [hexDigit($0 >> 4), hexDigit($0 & 15)] }, as: UTF8.self)
    }

    private static func locator(_ octets: [UInt8]) -> String {
        stride(from: 0, to: octets.count - 1, by: 2).map {
            String(UInt16(octets[$0]) << 8 | UInt16(octets[$0 + 1]), radix: 16)
        }.joined(separator: ":")
    }

    /// RFC 4648 §7, without padding.
    private static func base32(_ bytes: [UInt8]) -> String {
        let digits = [UInt8]("0123456789ABCDEFGHIJKLMNOPQRSTUV".utf8)
        var text: [UInt8] = []
        var bits: UInt32 = 0
        var count = 0
        for byte in bytes {
            bits = bits << 8 | UInt32(byte)
            count += 8
            while count >= 5 {
                count -= 5
                text.append(digits[Int(bits >> count & 31)])
            }
            bits &= 31
        }
        if count > 0 { text.append(digits[Int(bits << (5 - count) & 31)]) }
        return String(decoding: text, as: UTF8.self)
    }

    /// RFC 4034 §3.2: YYYYMMDDHHmmSS.
    private static func time(_ seconds: UInt32) -> String {
        let fields = DateTime(seconds: Int64(seconds)).fields
        var text: [UInt8] = []
        text.append(decimal: fields.year, width: 4)
        for number in [fields.month, fields.day, fields.hour, fields.minute, fields.second] {
            text.append(decimal: number, width: 2)
        }
        return String(decoding: text, as: UTF8.self)
    }

    // MARK: - Places

    /// RFC 1876 §3. What is of no version that is known is shown as octets.
    private static func location(_ octets: [UInt8]) -> String {
        let sizes = octets[1...3].map { (mantissa: Int($0 >> 4), exponent: Int($0 & 15)) }
        guard octets[0] == 0, sizes.allSatisfy({ $0.mantissa < 10 && $0.exponent < 10 }) else {
            return "\\# \(octets.count) \(hexadecimal(octets))"
        }
        func number(_ start: Int) -> Int { octets[start..<(start + 4)].reduce(0) { $0 << 8 | Int($1) } }
        let metres = sizes.map { size in
            let power = (0..<max(0, size.exponent - 2)).reduce(size.mantissa) { power, _ in power * 10 }
            guard size.exponent < 2 else { return "\(power)m" }
            return "0.\(padded(size.exponent == 1 ? size.mantissa * 10 : size.mantissa, 2))m"
        }
        let height = number(12) - 10_000_000
        let altitude =
            "\(height < 0 ? "-" : "")\(abs(height) / 100).\(padded(abs(height) % 100, 2))m"
        return
            ([angle(number(4), "N", "S"), angle(number(8), "E", "W"), altitude] + metres)
            .joined(separator: " ")
    }

    private static func angle(_ number: Int, _ positive: String, _ negative: String) -> String {
        let thousandths = number - 1 << 31
        let size = abs(thousandths)
        let seconds = "\(size / 1000 % 60).\(padded(size % 1000, 3))"
        return "\(size / 3_600_000) \(size / 60_000 % 60) \(seconds) \(thousandths < 0 ? negative : positive)"
    }

    private static func padded(_ number: Int, _ width: Int) -> String {
        var text: [UInt8] = []
        text.append(decimal: number, width: width)
        return String(decoding: text, as: UTF8.self)
    }

    // MARK: - Services

    private static let keys: [StaticString] = [
        "mandatory", "alpn", "no-default-alpn", "port", "ipv4hint", "ech", "ipv6hint", "dohpath",
    ]

    private static func key(_ number: UInt16) -> String {
        number < keys.count ? keys[Int(number)].description : "key\(number)"
    }

    /// RFC 9460 §2.1, §7. A value that is not what its key wants is shown as that of a key that is not known.
    private static func presentation(_ parameter: ResourceRecord.ServiceParameter) -> String {
        let (name, value) = (key(parameter.key), parameter.value)
        func pieces(of size: Int) -> [[UInt8]] {
            stride(from: 0, to: value.count, by: size).map { Array(value[$0..<min($0 + size, value.count)]) }
        }
        switch parameter.key {
        case 0 where value.count % 2 == 0:
            return "\(name)="
                + pieces(of: 2).map { key(UInt16($0[0]) << 8 | UInt16($0[1])) }.joined(separator: ",")
        case 1:
            var cursor = Cursor(value)
            var names: [[UInt8]] = []
            while let length = cursor.next(), let bytes = cursor.take(Int(length)) {
                names.append(
                    bytes.flatMap { byte in
                        [.ascii(","), .backslash].contains(byte) ? [.backslash, byte] : [byte]
                    })
            }
            return "\(name)=" + quoted(Array(names.joined(separator: [.ascii(",")])))
        case 2 where value.isEmpty: return name
        case 3 where value.count == 2: return "\(name)=\(UInt16(value[0]) << 8 | UInt16(value[1]))"
        case 4 where value.count % 4 == 0:
            return "\(name)=" + pieces(of: 4).map { "\(IPAddress.v4($0))" }.joined(separator: ",")
        case 5: return "\(name)=" + String(decoding: Base64.encode(value), as: UTF8.self)
        case 6 where value.count % 16 == 0:
            return "\(name)=" + pieces(of: 16).map { "\(IPAddress.v6($0))" }.joined(separator: ",")
        default:
            return value.isEmpty ? name : "\(name)=\(quoted(value))"
        }
    }
}
