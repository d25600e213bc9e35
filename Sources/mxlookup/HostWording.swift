import Bytes
import Resolver
import Unix

/// Replies in the words of `host`, to the byte, because scripts read them.
enum HostWording {
    /// What `host` says first when it was told whom to ask.
    static func heading(server name: String, _ address: SocketAddress) -> String {
        "Using domain server:\nName: \(name)\nAddress: \(numbered(address))\nAliases: \n\n"
    }

    /// Everything about a reply.
    static func text(of message: DNSMessage, to question: Question, asked: String) -> String {
        if message.code != .noError {
            let name = message.code == .noSuchDomain ? asked : question.name.description
            return "Host \(name) not found: \(message.code.number)(\(message.code))\n"
        }
        // What is about other names was not asked for, and nobody vouches for it.
        let answers = question.type == .any ? message.answers : message.related(to: question)
        if answers.isEmpty { return "\(question.name) has no \(question.type) record\n" }
        return answers.map(line).joined()
    }

    static func line(_ record: ResourceRecord) -> String { "\(record.name) \(phrase(record))\n" }

    static func text(of trouble: Resolver.Trouble) -> String {
        switch trouble.failure {
        case .malformed(let error):
            ";; Got bad packet: \(error.production)\n\(trouble.packet.count) bytes\n\(dump(trouble.packet))"
        default: ";; communications error to \(numbered(trouble.server)): \(trouble.failure)\n"
        }
    }

    static let unrelated = ";; Got bad packet: the answer is about other names\n"
    static let nobodyReached = ";; no servers could be reached\n"

    static func numbered(_ server: SocketAddress) -> String {
        guard case .ip(let address, let port) = server else { return "\(server)" }
        return "\(address)#\(port)"
    }

    private static func phrase(_ record: ResourceRecord) -> String {
        switch (record.type, record.data) {
        case (.a, .address(let address)): "has address \(address)"
        case (.aaaa, .address(let address)): "has IPv6 address \(address)"
        case (_, .exchanger(let preference, let name)):
            "mail is handled by \(preference) \(name.absoluteDescription)"
        case (.cname, .name(let name)): "is an alias for \(name.absoluteDescription)"
        case (.ns, .name(let name)): "name server \(name.absoluteDescription)"
        case (.ptr, .name(let name)): "domain name pointer \(name.absoluteDescription)"
        case (RecordType(13), .fields): "host information \(presentation(record.data))"
        case (RecordType(19), .fields): "x25 address \(presentation(record.data))"
        case (RecordType(29), .fields): "location \(presentation(record.data))"
        case (.txt, .text(let strings)): "descriptive text " + strings.map(quoted).joined(separator: " ")
        default: "has \(record.type) record \(presentation(record.data))"
        }
    }

    /// How many digits of hexadecimal or base 64 stand without a blank.
    static let longestRun = 56

    static func presentation(_ data: ResourceRecord.Data) -> String {
        switch data {
        case .service(let priority, let weight, let port, let name):
            return "\(priority) \(weight) \(port) \(name.absoluteDescription)"
        case .authority(let primary, let mailbox, let numbers):
            let names = "\(primary.absoluteDescription) \(mailbox.absoluteDescription) "
            return names + numbers.map { String($0) }.joined(separator: " ")
        case .certification(let flags, let tag, let value):
            return "\(flags) \(String(decoding: tag, as: UTF8.self)) \(quoted(value))"
        case .tlsAssociation(let usage, let selector, let matching, let bytes):
            return "\(usage) \(selector) \(matching) \(hexadecimal(bytes))"
        case .opaque(let bytes):
            return bytes.isEmpty ? "\\# 0" : "\\# \(bytes.count) \(hexadecimal(bytes))"
        case .fields(let fields):
            return fields.map { presentation($0) }.filter { !$0.isEmpty }.joined(separator: " ")
        case .address(let address): return "\(address)"
        case .exchanger(let preference, let name): return "\(preference) \(name.absoluteDescription)"
        case .name(let name): return name.absoluteDescription
        case .text(let strings): return strings.map(quoted).joined(separator: " ")
        }
    }

    /// A character-string in quotes, with `\DDD` for what is not printable.
    static func quoted(_ string: [UInt8]) -> String {
        var text: [UInt8] = [.quote]
        for byte in string {
            if byte == .quote || byte == .backslash {
                text += [.backslash, byte]
            } else if byte.isPrintable {
                text.append(byte)
            } else {
                text.append(.backslash)
                text.append(decimal: byte, width: 3)
            }
        }
        return String(decoding: text + [.quote], as: UTF8.self)
    }

    static func hexadecimal(_ bytes: [UInt8]) -> String {
        broken(
            bytes.flatMap { [hexDigit($0 >> 4).uppercased, hexDigit($0 & 15).uppercased] },
            every: longestRun)
    }

    /// As `host` does: a blank behind so many digits.
    static func broken(_ digits: [UInt8], every count: Int) -> String {
        stride(from: 0, to: digits.count, by: count).map {
            String(decoding: digits[$0..<min($0 + count, digits.count)], as: UTF8.self)
        }.joined(separator: " ")
    }

    /// Sixteen bytes a line, in hexadecimal and in ASCII.
    private static func dump(_ packet: [UInt8]) -> String {
        var text: [UInt8] = []
        for start in stride(from: 0, to: packet.count, by: 16) {
            let line = packet[start..<min(start + 16, packet.count)]
            for byte in line { text += [hexDigit(byte >> 4), hexDigit(byte & 15), .space] }
            text += [UInt8](repeating: .space, count: (16 - line.count) * 3 + 9)
            text += line.map { $0.isPrintable ? $0 : .dot } + [.lf]
        }
        return String(decoding: text, as: UTF8.self)
    }
}
