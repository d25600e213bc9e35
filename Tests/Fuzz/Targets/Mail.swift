import Bytes
import Delivery
import Mail

extension FuzzTarget {
    static let mail = [
        FuzzTarget(name: "address", run: address), FuzzTarget(name: "parameters", run: parameters),
        FuzzTarget(name: "header", run: header),
    ]

    /// Paths of RFC 5321 and mailboxes of RFC 5322.
    private static func address(_ input: [UInt8]) throws {
        if let address = Address(input) {
            try promise(
                "an address is what was read", address.text == input || address.text + [.dot] == input)
            try promise("its parts are its own", Address(address.text) == address)
            _ = address.unquotedLocalPart
        }
        var cursor = Cursor(input)
        if let path = try? cursor.forwardPath() {
            try promise("no path has a control byte", !path.text.contains { $0.isControl })
        }
        cursor = Cursor(input)
        if let path = try? cursor.path(isOurs: true) {
            try promise("no name of ours is a line", !path.text.contains { $0.isControl || $0 > 126 })
        }
        cursor = Cursor(input)
        if let bytes = try? cursor.literalAddress() {
            try promise("a literal is an address", bytes.count == 4 || bytes.count == 16)
        }
        cursor = Cursor(input)
        if let path = try? cursor.reversePath() {
            try promise("a path in brackets is one again", Address(path.text) == path)
        }
        for mailbox in AddressList(input).exactMailboxes {
            let address = mailbox.address
            try promise("no envelope gets a line end", !address.text.contains { $0 == .cr || $0 == .lf })
        }
        let list = AddressList(input)
        try promise("names stand in the value", list.bareEnds.allSatisfy { $0 > 0 && $0 <= input.count })
        try promise("so does what is unclear", list.unclear.allSatisfy { $0.upperBound <= input.count })
        try promise(
            "what is clear is all sent to",
            !list.unclear.isEmpty || list.mailboxes.count == list.exactMailboxes.count)
    }

    /// MAIL's and RCPT's, xtext and enhanced status codes.
    private static func parameters(_ input: [UInt8]) throws {
        if let parameters = try? Parameters(input) {
            _ = try? MailParameters(parameters)
            _ = try? RecipientParameters(parameters)
        }
        if let text = XText.decode(input) {
            try promise("xtext comes back", XText.decode(XText.encode(text)) == text)
        }
        try promise("anything can be xtext", XText.decode(XText.encode(input)) == input)
        if let status = EnhancedStatus(input) {
            try promise("a code is what it says", EnhancedStatus(Array(status.description.utf8)) == status)
        }
        if let text = Base64.decode(input) {
            try promise("base64 comes back", Base64.decode(Base64.encode(text)) == text)
        }
        _ = Netstring.read(input[...], limit: 1000)
        _ = Netstring.fields(of: input[...])
    }

    /// Header fields, dates, and what `sendmail -t` makes of a header.
    private static func header(_ input: [UInt8]) throws {
        let header = MessageHeader(input)
        try promise("a header is part of its message", header.size <= input.count)
        for field in header.fields {
            _ = AddressList(field.rawValue)
            _ = DateTime(field.value)
        }
        _ = DateTime(input)
        var stored: [UInt8]?
        for pieces in input.cuts {
            var front = MessageFront(limit: .max)
            var output: [UInt8] = []
            for piece in pieces {
                if front.isGivenOut {
                    output += piece
                } else if front.append(Array(piece)) {
                    output += front.giveOut(isAtEnd: false, completedBy: nil)
                }
            }
            if !front.isGivenOut { output += front.giveOut(isAtEnd: true, completedBy: nil) }
            try promise("pieces make no difference", stored == nil || stored == output)
            try promise(
                "no text becomes header", MessageHeader(output).size == output.count || output.contains(.lf))
            stored = output
        }
        guard let submitted = SubmittedHeader(header) else { return }
        _ = submitted.recipients
        let completed = submitted.completed(
            by: .init(
                address: Array("ann@here".utf8), fullName: Array(input.prefix(30)),
                hostname: Array("here".utf8),
                date: DateTime(seconds: 0), messageID: Array("1@here".utf8)))
        let again = MessageHeader(completed + [.lf])
        try promise("a completed header is all header", again.size >= completed.count)
        for name: StaticString in ["From", "Date", "Message-ID"] {
            try promise("a completed header has \(name)", again.contains(name))
        }
        try promise("no Bcc is left", !again.contains("Bcc"))
    }
}
