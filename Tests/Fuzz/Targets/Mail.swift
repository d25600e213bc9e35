import Bytes
import Reception
import Mail

extension FuzzTarget {
    static let mail = [
        FuzzTarget(name: "address", run: address), FuzzTarget(name: "parameters", run: parameters),
        FuzzTarget(name: "header", run: header),
    ]

    /// Paths of RFC 5321 and mailboxes of RFC 5322.
    private static func address(_ input: [UInt8], _ seen: inout Findings) throws(Violation) {
        if let address = Address(input) {
            try promise(
                "an address is what was read", address.text == input || address.text + [.dot] == input)
            try promise("its parts are its own", Address(address.text) == address)
            seen.note("address", address.text)
            seen.note("unquoted", address.unquotedLocalPart)
        }
        var cursor = Cursor(input)
        if let path = try? cursor.forwardPath() {
            try promise("no path has a control byte", !path.text.contains { $0.isControl })
            seen.note("forward-path", path.text)
        }
        cursor = Cursor(input)
        if let path = try? cursor.path(isOurs: true) {
            try promise("no name of ours is a line", !path.text.contains { $0.isControl || $0 > 126 })
            seen.note("our path", path.text)
        }
        cursor = Cursor(input)
        if let bytes = try? cursor.literalAddress() {
            try promise("a literal is an address", bytes.count == 4 || bytes.count == 16)
            seen.note("literal", bytes)
        }
        cursor = Cursor(input)
        if let path = try? cursor.reversePath() {
            try promise("a path in brackets is one again", Address(path.text) == path)
            seen.note("reverse-path", path.text)
        }
        for mailbox in AddressList(input).exactMailboxes {
            let address = mailbox.address
            try promise("no envelope gets a line end", !address.text.contains { $0 == .cr || $0 == .lf })
            seen.note("mailbox", address.text)
            seen.note("name", mailbox.displayName)
        }
        let list = AddressList(input)
        try promise("names stand in the value", list.bareEnds.allSatisfy { $0 > 0 && $0 <= input.count })
        try promise("so does what is unclear", list.unclear.allSatisfy { $0.upperBound <= input.count })
        try promise(
            "what is clear is all sent to",
            !list.unclear.isEmpty || list.mailboxes.count == list.exactMailboxes.count)
        seen.note("unclear", list.unclear)
        seen.note("plain", list.plainText)
    }

    /// MAIL's and RCPT's, xtext and enhanced status codes.
    private static func parameters(_ input: [UInt8], _ seen: inout Findings) throws(Violation) {
        if let parameters = try? Parameters(input) {
            seen.note("parameters", parameters.text)
            note(parameters, &seen)
        }
        if let text = XText.decode(input) {
            try promise("xtext comes back", XText.decode(XText.encode(text)) == text)
            seen.note("xtext", text)
        }
        try promise("anything can be xtext", XText.decode(XText.encode(input)) == input)
        if let status = EnhancedStatus(input) {
            try promise("a code is what it says", EnhancedStatus(Array(status.description.utf8)) == status)
            seen.note("status", status.description)
        }
        if let text = Base64.decode(input) {
            try promise("base64 comes back", Base64.decode(Base64.encode(text)) == text)
            seen.note("base64", text)
        }
        if case .whole(let text, let size) = Netstring.read(input[...], limit: 1000) {
            seen.note("netstring", text)
            seen.note("size", Int64(size))
        }
        for field in Netstring.fields(of: input[...]) ?? [] { seen.note("field", field) }
    }

    private static func note(_ parameters: Parameters, _ seen: inout Findings) {
        if let mail = try? MailParameters(parameters) {
            seen.note("size", Int64(bitPattern: mail.size ?? 0))
            seen.note("returning", ifAny: mail.returning?.text)
            seen.note("envelope id", ifAny: mail.envelopeID)
        }
        if let recipient = try? RecipientParameters(parameters) {
            seen.note("notify", Int64(recipient.notify?.rawValue ?? 255))
            seen.note("original", ifAny: recipient.original?.address)
        }
    }

    private static func front(_ front: inout MessageFront, isAtEnd: Bool) -> [UInt8] {
        guard let (header, rest) = try? front.giveOut(isAtEnd: isAtEnd, change: { _ in nil }) else {
            return []
        }
        return header + rest
    }

    /// Header fields, dates, and what `sendmail -t` makes of a header.
    private static func header(_ input: [UInt8], _ seen: inout Findings) throws(Violation) {
        let header = MessageHeader(input)
        try promise("a header is part of its message", header.size <= input.count)
        for field in header.fields {
            seen.note("field", field.name)
            seen.note("value", field.value)
            seen.note("addresses", AddressList(field.rawValue).plainText)
            if let date = DateTime(field.value) { seen.note("date", date.text) }
        }
        if let date = DateTime(input) { seen.note("date", date.text) }
        var stored: [UInt8]?
        for pieces in input.cuts {
            var front = MessageFront(limit: .max)
            var output: [UInt8] = []
            for piece in pieces {
                if front.isGivenOut {
                    output += piece
                } else if front.append(Array(piece)) {
                    output += Self.front(&front, isAtEnd: false)
                }
            }
            if !front.isGivenOut { output += Self.front(&front, isAtEnd: true) }
            try promise("pieces make no difference", stored == nil || stored == output)
            try promise(
                "no text becomes header", MessageHeader(output).size == output.count || output.contains(.lf))
            stored = output
        }
        seen.note("stored", ifAny: stored)
        guard let submitted = SubmittedHeader(header) else { return }
        for address in submitted.recipients.addresses { seen.note("to", address.text) }
        let completed = submitted.completed(
            by: .init(
                address: Array("ann@here".utf8), fullName: Array(input.prefix(30)),
                hostname: Array("here".utf8),
                date: DateTime(seconds: 0), messageID: Array("1@here".utf8)))
        let again = MessageHeader(completed + [.lf])
        try promise("a completed header is all header", again.size >= completed.count)
        for name: StaticString in ["From", "Date", "Message-ID"] {
            try promise("a completed header has From, Date and Message-ID", again.contains(name))
        }
        try promise("no Bcc is left", !again.contains("Bcc"))
        seen.note("completed", completed)
    }
}
