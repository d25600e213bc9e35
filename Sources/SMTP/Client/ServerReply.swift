import Bytes
package import Mail

/// What a server answered to one command (RFC 5321 §4.2).
package struct ServerReply: Equatable {
    /// From 200 to 559.
    package let code: Int
    /// The text of each line, cut to `longestText`; any bytes but line ends.
    package let lines: [[UInt8]]

    /// What is kept of a line: more than any extension's keyword or any explanation needs.
    package static let longestText = 512

    package init(code: Int, lines: [[UInt8]]) {
        self.code = code
        self.lines = lines
    }

    package enum Severity: Int { case done = 2, goOn = 3, temporary = 4, permanent = 5 }

    package var severity: Severity { Severity(rawValue: code / 100) ?? .permanent }

    /// The enhanced status code that the text begins with, if it is of the reply's own class (RFC 2034 §3); else the
    /// code of that class which says nothing more.
    package var status: EnhancedStatus {
        let generic: UInt8 = severity == .goOn ? 2 : UInt8(code / 100)
        return announcedStatus ?? EnhancedStatus(generic, 0, 0)
    }

    private var announcedStatus: EnhancedStatus? {
        var cursor = Cursor(lines.first ?? [])
        guard let status = try? cursor.enhancedStatus(), cursor.isAtEnd || cursor.peek == .space,
            Int(status.kind.rawValue) == code / 100
        else { return nil }
        return status
    }

    /// All of it on one line, `550 5.1.1 No such user here`; a status code that every line repeats is said once.
    package var text: [UInt8] {
        var text: [UInt8] = []
        text.append(decimal: code)
        let repeated = announcedStatus.map { Array($0.description.utf8) }
        for (index, line) in lines.enumerated() {
            var line = line[...]
            if index > 0, let repeated, line.starts(with: repeated) { line = line.dropFirst(repeated.count) }
            line = line.trimmed()
            if !line.isEmpty { text += [.space] + line }
        }
        return text
    }
}
