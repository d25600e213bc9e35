import Bytes
package import Mail

/// What a server answered to one command (RFC 5321 §4.2).
package struct ServerReply: Equatable {
    /// From 200 to 599.
    package let code: Int
    /// The text of each line, cut to `longestText`; any bytes but line feeds.
    package let lines: [[UInt8]]

    /// What is kept of a line: more than any extension's keyword or any explanation needs.
    package static let longestText = 512

    package init(code: Int, lines: [[UInt8]]) {
        self.code = code
        self.lines = lines
    }

    package enum Severity: Int { case done = 2, goOn = 3, temporary = 4, permanent = 5 }

    package var severity: Severity { Severity(rawValue: code / 100) ?? .permanent }

    /// The first enhanced status code that a line begins with, if it is of the reply's own class (RFC 2034 §3); else the
    /// code of that class which says nothing more.
    package var status: EnhancedStatus {
        let generic: UInt8 = severity == .goOn ? 2 : UInt8(code / 100)
        return announcedStatus?.status ?? EnhancedStatus(generic, 0, 0)
    }

    /// Some servers say the code on their last line only, though it belongs on each.
    private var announcedStatus: (status: EnhancedStatus, line: Int)? {
        for (index, line) in lines.enumerated() {
            var cursor = Cursor(line.trimmed())
            guard let status = try? cursor.enhancedStatus(), cursor.peek?.isWhitespace ?? true,
                Int(status.kind.rawValue) == code / 100
            else { continue }
            return (status, index)
        }
        return nil
    }

    /// All of it on one line, `550 5.1.1 No such user here`; a status code that every line repeats is said once.
    package var text: [UInt8] {
        var text: [UInt8] = []
        text.append(decimal: code)
        let announced = announcedStatus
        let repeated = announced.map { Array($0.status.description.utf8) } ?? []
        for (index, line) in lines.enumerated() {
            var line = line.trimmed()
            if let announced, index > announced.line, line.starts(with: repeated) {
                line = line.dropFirst(repeated.count).trimmed()
            }
            if !line.isEmpty { text += [.space] + line }
        }
        return text
    }
}
