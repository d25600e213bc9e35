import Bytes
import Mail

/// The front of a message as somebody handed it in, made sure of before a trace field is put on top: lines
/// `From ` that an mbox puts in front of a message (and `>From `, as something quoted them) are dropped; and where
/// the first line is no field, the empty line that is missing is put before it, or text would become header.
package struct MessageStart {
    /// The beginning of a line that may still be an mbox's, or a field; nil once that is known.
    private var held: [UInt8]? = []
    private var isDropping = false

    /// A line that has not ended by then is judged by what is there.
    private static let longest = 4096

    package init() {}

    /// Takes lines that end in LF (or CRLF), cut anywhere; gives out what is known to belong to the message.
    package mutating func push(_ part: [UInt8]) -> [UInt8] {
        guard var text = held else { return part }
        if text.isEmpty { text = part } else { text += part }
        while true {
            let end = text.firstIndex(of: .lf)
            if isDropping || Self.isSeparator(text) {
                // Of a line that is dropped nothing is held.
                guard let end else {
                    isDropping = true
                    held = []
                    return []
                }
                isDropping = false
                text.removeSubrange(...end)
                continue
            }
            guard end != nil || text.count > Self.longest else {
                held = text
                return []
            }
            return release(text)
        }
    }

    /// The message ends here.
    package mutating func finish() -> [UInt8] {
        guard let text = held, !isDropping, !text.isEmpty else { return [] }
        return release(text)
    }

    private mutating func release(_ text: [UInt8]) -> [UInt8] {
        held = nil
        let line = text[..<(text.firstIndex(of: .lf) ?? text.endIndex)]
        let isHeader = line.isEmpty || line.elementsEqual([.cr]) || MessageHeader.isFieldStart(line)
        return isHeader ? text : [.lf] + text
    }

    private static func isSeparator(_ text: [UInt8]) -> Bool {
        text.drop { $0 == .ascii(">") }.starts(with: "From ".utf8)
    }
}
