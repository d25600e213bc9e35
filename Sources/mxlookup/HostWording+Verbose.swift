import Bytes
import Resolver
import Unix

/// The long form: `-v`, `-a`.
extension HostWording {
    static let classes: [(UInt16, StaticString)] = [
        (1, "IN"), (3, "CH"), (4, "HS"), (254, "NONE"), (255, "ANY"), (3, "CHAOS"), (4, "HESIOD"),
    ]

    static let transferFailed = "; Transfer failed.\n"

    static func trying(_ question: Question) -> String { "Trying \"\(question.name)\"\n" }

    static func received(_ size: Int, from server: SocketAddress, after milliseconds: Int64) -> String {
        "Received \(size) bytes from \(numbered(server)) in \(milliseconds) ms\n"
    }

    static func isSignature(_ type: RecordType) -> Bool { [46, 47, 50].contains(type.number) }

    /// A message without an error, section by section.
    static func whole(
        _ message: DNSMessage, shows: (ResourceRecord) -> Bool, showsQuestions: Bool
    ) -> String {
        let flags = zip([0x8000, 0x0400, 0x0200, 0x0100, 0x0080, 0x0020, 0x0010] as [UInt16], flagNames)
            .filter { message.flags & $0.0 != 0 }.map { $0.1 }
        var text = ";; ->>HEADER<<- opcode: QUERY, status: \(message.code), id: \(message.id)\n"
        text += ";; flags: " + flags.joined(separator: " ")
        text += "; QUERY: \(message.counts[0]), ANSWER: \(message.counts[1])"
        text += ", AUTHORITY: \(message.counts[2]), ADDITIONAL: \(message.counts[3])\n"
        if let opt = message.opt {
            text += ";; EDNS: version: \(opt.timeToLive >> 16 & 255), udp=\(opt.recordClass)\n"
        }
        if !message.questions.isEmpty {
            text += "\n;; QUESTION SECTION:\n"
            text += showsQuestions ? message.questions.map(line).joined() : ";"
        }
        for (name, records) in [
            ("ANSWER", message.answers), ("AUTHORITY", message.authorities),
            ("ADDITIONAL", message.additional),
        ] where !records.isEmpty {
            text += "\n;; \(name) SECTION:\n" + records.filter(shows).map(masterLine).joined()
        }
        return text + "\n"
    }

    private static let flagNames = ["qr", "aa", "tc", "rd", "ra", "ad", "cd"]

    private static func line(_ question: Question) -> String {
        ";"
            + aligned([
                (0, question.name.absoluteDescription), (32, name(ofClass: question.recordClass)),
                (40, "\(question.type)"),
            ])
    }

    private static func masterLine(_ record: ResourceRecord) -> String {
        aligned([
            (0, record.name.absoluteDescription), (24, "\(record.timeToLive)"),
            (32, name(ofClass: record.recordClass)), (40, "\(record.type)"),
            (48, presentation(record.data)),
        ])
    }

    private static func name(ofClass number: UInt16) -> String {
        classes.first { $0.0 == number }?.1.description ?? "CLASS\(number)"
    }

    /// Columns by tabs, at least one blank between two.
    private static func aligned(_ parts: [(column: Int, text: String)]) -> String {
        var line = ""
        var column = 0
        for (index, part) in parts.enumerated() {
            if index > 0 {
                let target = max(part.column, column + 1)
                let tabs = target / 8 - column / 8
                line += String(repeating: "\t", count: tabs)
                line += String(repeating: " ", count: target - (tabs > 0 ? target / 8 * 8 : column))
                column = target
            }
            line += part.text
            column += part.text.utf8.count
        }
        return line + "\n"
    }
}
