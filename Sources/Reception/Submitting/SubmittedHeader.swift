import Bytes
package import Mail

/// The header of a message that a program on this host hands in: who it is for, and what it lacks.
package struct SubmittedHeader {
    /// What completes a header.
    package struct Author {
        /// For From, where there is none, with the name in front of it.
        package var address: [UInt8]
        package var fullName: [UInt8]
        /// Completes addresses that are only a name.
        package var hostname: [UInt8]
        package var date: DateTime
        /// For Message-ID, without its brackets.
        package var messageID: [UInt8]

        package init(
            address: [UInt8], fullName: [UInt8], hostname: [UInt8], date: DateTime, messageID: [UInt8]
        ) {
            self.address = address
            self.fullName = fullName
            self.hostname = hostname
            self.date = date
            self.messageID = messageID
        }
    }

    private let header: MessageHeader

    /// The largest header: ten thousand recipients (T76) fit.
    package static let longest = 4 << 20

    /// Nil if it has more fields than are looked at: a Bcc might be among the rest.
    package init?(_ header: MessageHeader) {
        guard header.fields.count < MessageHeader.mostFields else { return nil }
        self.header = header
    }

    /// Who a header says that a message is for.
    package struct Recipients {
        /// As they stand; a domain may be missing.
        package var addresses: [Address] = []
        /// What stands among them and is no address, with the name of its field.
        package var unclear: [(field: [UInt8], text: [UInt8])] = []
    }

    /// Those of To, Cc and Bcc, or where the message is sent anew (RFC 5322 §3.6.6) of the Resent fields.
    package var recipients: Recipients {
        let resent = header.fields.filter {
            $0.isNamed("Resent-To") || $0.isNamed("Resent-Cc") || $0.isNamed("Resent-Bcc")
        }
        let fields =
            resent.isEmpty
            ? header.fields.filter { $0.isNamed("To") || $0.isNamed("Cc") || $0.isNamed("Bcc") } : resent
        var recipients = Recipients()
        for field in fields {
            let value = Array(field.rawValue)
            let list = AddressList(value)
            recipients.addresses += list.exactMailboxes.map { $0.address }
            recipients.unclear += list.unclear.map { (Array(field.name), Array(value[$0].trimmed())) }
        }
        return recipients
    }

    /// The header as the queue keeps it, without the empty line behind it: Bcc and Return-Path taken out,
    /// names completed to addresses, and what is missing added.
    package func completed(by author: Author) -> [UInt8] {
        var text: [UInt8] = []
        text.reserveCapacity(header.size + 512)
        var hasDestination = false
        var isFirstResent = true
        for field in header.fields {
            if isFirstResent, field.name.hasPrefixFolded("Resent-") {
                isFirstResent = false
                appendResent(author, to: &text)
            }
            if field.isNamed("Bcc") || field.isNamed("Resent-Bcc") || field.isNamed("Return-Path") {
                continue
            }
            if field.isNamed("To") || field.isNamed("Cc") { hasDestination = true }
            append(field, author.hostname, to: &text)
        }
        if !header.contains("From") { Self.appendFrom(author, as: "From: ", to: &text) }
        if !header.contains("Date") { text += "Date: \(author.date.text)\n" }
        if !header.contains("Message-ID") {
            text += [UInt8]("Message-ID: <") + author.messageID + [UInt8](">\n")
        }
        if !hasDestination { text += "To: undisclosed-recipients:;\n" }
        return text
    }

    /// RFC 5322 §3.6.6: whoever sends a message anew says who and when in the block on top.
    private func appendResent(_ author: Author, to text: inout [UInt8]) {
        if !header.contains("Resent-From") { Self.appendFrom(author, as: "Resent-From: ", to: &text) }
        if !header.contains("Resent-Date") { text += "Resent-Date: \(author.date.text)\n" }
        if !header.contains("Resent-Message-ID") {
            text += [UInt8]("Resent-Message-ID: <") + author.messageID + [UInt8](">\n")
        }
    }

    private static let addressFields: [StaticString] = [
        "From", "Sender", "Reply-To", "To", "Cc", "Resent-From", "Resent-Sender", "Resent-Reply-To",
        "Resent-To", "Resent-Cc", "Disposition-Notification-To", "Errors-To", "Mail-Followup-To",
        "Return-Receipt-To",
    ]

    private func append(_ field: MessageHeader.Field, _ hostname: [UInt8], to text: inout [UInt8]) {
        // Blanks in front of the colon are read (RFC 5322 §4.5), and not passed on.
        let start = field.name.count + 1
        var raw = Array(field.name) + [.ascii(":")] + field.raw[field.rawValue.startIndex...]
        if raw.last != .lf { raw.append(.lf) }
        if Self.addressFields.contains(where: { field.isNamed($0) }) {
            // Programs on a host write `From: root`; elsewhere that would be somebody else's root. Nothing is
            // written into what is not understood.
            let list = AddressList(field.rawValue)
            for end in list.unclear.isEmpty ? list.bareEnds.reversed() : [] {
                raw.insert(contentsOf: [.ascii("@")] + hostname, at: start + end)
            }
        }
        text += raw
    }

    private static func appendFrom(_ author: Author, as name: String, to text: inout [UInt8]) {
        text += name
        if author.fullName.isEmpty {
            text += author.address
        } else {
            text += phrase(author.fullName)
            text += [UInt8](" <") + author.address + [UInt8](">")
        }
        text.append(.lf)
    }

    /// A name as a phrase of RFC 5322 §3.2.5: plain, quoted, or where it is not ASCII as encoded words
    /// (RFC 2047 §2).
    static func phrase(_ name: [UInt8]) -> [UInt8] {
        let name = name.filter { !$0.isControl }
        let isUTF8 = String(decoding: name, as: UTF8.self).utf8.elementsEqual(name)
        let short = name.prefix(length(of: name[...], most: 200, isUTF8))
        if short.allSatisfy({ $0.isAtext || $0 == .space }) { return Array(short) }
        guard short.allSatisfy({ $0.isASCII }) else { return encodedWords(short, isUTF8) }
        var quoted: [UInt8] = [.quote]
        for byte in short {
            if byte == .quote || byte == .backslash { quoted.append(.backslash) }
            quoted.append(byte)
        }
        return quoted + [.quote]
    }

    /// How many bytes to take so that no character is cut in two: a byte 10xxxxxx is inside one.
    private static func length(of text: ArraySlice<UInt8>, most: Int, _ isUTF8: Bool) -> Int {
        guard text.count > most else { return text.count }
        var count = most
        while isUTF8, text[text.startIndex + count] & 0xC0 == 0x80 { count -= 1 }
        return count
    }

    /// An encoded word is at most 75 bytes. Which charset it is in that is not UTF-8 cannot be told (RFC 1428 §3).
    private static func encodedWords(_ name: ArraySlice<UInt8>, _ isUTF8: Bool) -> [UInt8] {
        let front = [UInt8](isUTF8 ? "=?UTF-8?B?" : "=?unknown-8bit?B?")
        var words: [[UInt8]] = []
        var rest = name
        while !rest.isEmpty {
            let count = length(of: rest, most: isUTF8 ? 45 : 39, isUTF8)
            words.append(front + Base64.encode(rest.prefix(count)) + [UInt8]("?="))
            rest = rest.dropFirst(count)
        }
        return Array(words.joined(separator: [UInt8]("\n ")))
    }
}
