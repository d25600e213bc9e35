package import Bytes

/// `APPEND` up to its literal, which is too large to be held: RFC 3501 §6.3.11.
package struct AppendHead: Equatable {
    package var tag: [UInt8]
    package var mailbox: [UInt8]
    package var flags: [[UInt8]]
    /// Seconds since 1970.
    package var date: Int64?

    /// Reads a command line up to its last `{`; nil when it is no APPEND.
    package init?(_ line: ArraySlice<UInt8>) throws(SyntaxError) {
        var cursor = Cursor(line)
        tag = Array(cursor.take { $0.isAtomCharacter && $0 != .ascii("+") })
        guard !tag.isEmpty, cursor.skip(" APPEND ") else { return nil }
        mailbox = try cursor.mailbox()
        try cursor.space()
        flags = cursor.peek == .ascii("(") ? try cursor.flagList() : []
        if !flags.isEmpty || cursor.peek == .space { try cursor.space() }
        if cursor.peek == .quote {
            date = try cursor.dateTime()
            try cursor.space()
        }
        try cursor.expectEnd("append")
    }
}
