import Bytes
import SMTP
import Testing
import Unix

/// A transcript in Dialogs/: what the client sends, what it must hear, and what must then be in the queue.
///
///     # a comment             offer TLS       the server has a certificate
///     our own client          it is in relay-networks
///     C: sent, CRLF behind it; \r \n \0 \\ are escapes
///     S: one line of a reply, exactly         S~ the same with * for anything
///     closed                  the server ended the session
///     to a@b                  a recipient of the next message
///     M: a line of it
struct Dialog: CustomTestStringConvertible {
    /// What the client sends at once, and the lines that answer it.
    struct Turn {
        var sent: [UInt8] = []
        var heard: [(line: String, isPattern: Bool)] = []
    }

    let name: String
    var turns: [Turn] = [Turn()]
    var offersTLS = false
    var clientIsOurs = false
    var isClosed = false
    var messages: [FakeHandler.Message] = []
    var testDescription: String { name }

    /// All of them.
    static let all: [Dialog] = {
        let directory = "\(#filePath)".split(separator: "/").dropLast().joined(separator: "/")
        let path = "/\(directory)/Dialogs"
        let names = (try? Directory(path).names()) ?? []
        return names.sorted().map { name in
            Dialog(name, ((try? Path.contents("\(path)/\(name)")) ?? nil) ?? [])
        }
    }()

    private init(_ name: String, _ text: [UInt8]) {
        self.name = name
        var recipients: [String] = []
        for bytes in text.split(separator: .lf) {
            let line = String(decoding: bytes, as: UTF8.self)
            let rest = String(line.dropFirst(3))
            switch line.prefix(2) {
            case "C:":
                if turns.last?.heard.isEmpty == false { turns.append(Turn()) }
                turns[turns.count - 1].sent += Self.unescaped(Array(rest.utf8)) + Array("\r\n".utf8)
            case "S:": turns[turns.count - 1].heard.append((rest, false))
            case "S~": turns[turns.count - 1].heard.append((rest, true))
            case "to":
                if recipients.isEmpty { messages.append(.init(recipients: [], content: "")) }
                recipients.append(rest)
                messages[messages.count - 1].recipients = recipients
            case "M:":
                recipients = []
                messages[messages.count - 1].content += rest + "\n"
            case "cl": isClosed = true
            case "of": offersTLS = true
            case "ou": clientIsOurs = true
            case "# ": break
            default: Issue.record("\(name): \(line)")
            }
        }
    }

    private static func unescaped(_ text: [UInt8]) -> [UInt8] {
        var cursor = Cursor(text)
        var bytes: [UInt8] = []
        while let byte = cursor.next() {
            guard byte == .backslash, let escaped = cursor.next() else {
                bytes.append(byte)
                continue
            }
            switch escaped {
            case .ascii("r"): bytes.append(.cr)
            case .ascii("n"): bytes.append(.lf)
            case .ascii("0"): bytes.append(.nul)
            default: bytes.append(escaped)
            }
        }
        return bytes
    }

    /// Whether `line` is what `pattern` describes; `*` is any run of characters.
    static func matches(_ line: [UInt8], _ pattern: [UInt8]) -> Bool {
        var ends: Set<Int> = [0]
        for symbol in pattern {
            if symbol == .ascii("*") {
                ends = Set((ends.min() ?? line.count + 1)..<(line.count + 1))
            } else {
                ends = Set(ends.filter { $0 < line.count && line[$0] == symbol }.map { $0 + 1 })
            }
            if ends.isEmpty { return false }
        }
        return ends.contains(line.count)
    }
}
