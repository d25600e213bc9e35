import Bytes
package import Mail

/// One message for some recipients, as the client puts it to a server. The content comes from outside.
package struct ClientTransaction: Equatable {
    package struct Recipient: Equatable {
        /// The forward-path without its angle brackets.
        package var address: [UInt8]
        package var parameters: Parameters

        package init(address: [UInt8], parameters: Parameters = Parameters()) {
            self.address = address
            self.parameters = parameters
        }
    }

    /// Without its angle brackets; empty for the null reverse-path.
    package var reversePath: [UInt8]
    package var parameters: Parameters
    package var recipients: [Recipient]
    /// Of the mail data, line ends as CRLF.
    package var size: Int
    /// Whether the data holds bytes beyond ASCII, whatever the parameters say: many clients declare 8BITMIME for
    /// every message, and others for none.
    package var hasEightBits: Bool

    package init(
        reversePath: [UInt8], parameters: Parameters = Parameters(), size: Int = 0,
        hasEightBits: Bool = false,
        recipients: [Recipient]
    ) {
        self.reversePath = reversePath
        self.parameters = parameters
        self.size = size
        self.hasEightBits = hasEightBits
        self.recipients = recipients
    }

    package var isDeclaredUTF8: Bool { parameters.first("SMTPUTF8") != nil }

    /// RFC 6531 §3.5.
    package var needsUTF8: Bool { (hasEightBits && isDeclaredUTF8) || hasUTF8Addresses }

    package var hasUTF8Addresses: Bool {
        !reversePath.allSatisfy { $0.isASCII }
            || recipients.contains { !$0.address.allSatisfy({ $0.isASCII }) }
    }

    /// RFC 6152 §3: what is declared with BODY. What was said of a message stays, unless it was too little.
    var body: [UInt8]? {
        if hasEightBits { return [UInt8]("8BITMIME") }
        guard let value = parameters.first("BODY")?.value,
            value.equalsFolded("8BITMIME") || value.equalsFolded("7BIT")
        else { return nil }
        return value
    }
}

/// What became of one recipient.
package struct ClientOutcome: Equatable {
    package enum Verdict: Equatable {
        /// The server has taken the responsibility for it (RFC 5321 §4.2.5).
        case delivered
        /// This server said that it does not take it now: another host may be asked (RFC 5321 §5.1).
        case later
        /// Later, and no other host is asked now: the end of the data was sent and no answer came, so it may have
        /// been delivered (T65).
        case deferred
        case failed
        /// The session ended before this recipient was decided: another host may be asked.
        case undecided
        /// The server takes no more recipients with this message (RFC 5321 §4.5.3.1.10): ask again in another
        /// transaction.
        case tooMany
    }

    package var verdict: Verdict
    package var status: EnhancedStatus
    /// One line, with what the server said; not yet escaped.
    package var text: [UInt8]

    package init(_ verdict: Verdict, _ status: EnhancedStatus, _ text: [UInt8]) {
        self.verdict = verdict
        self.status = status
        self.text = text
    }

    package init(_ verdict: Verdict, _ status: EnhancedStatus, _ text: String) {
        self.init(verdict, status, Array(text.utf8))
    }
}

extension [UInt8] {
    /// Whether the bytes can stand between `<` and `>` in a command: no control byte, and no space or angle
    /// bracket outside quotes. No CR or LF gets on the wire this way, whatever the queue holds (T67).
    var isSafePath: Bool {
        var isQuoted = false
        var isEscaped = false
        for byte in self {
            if byte.isControl { return false }
            if isEscaped {
                isEscaped = false
            } else if isQuoted, byte == .backslash {
                isEscaped = true
            } else if byte == .quote {
                isQuoted.toggle()
            } else if !isQuoted, byte == .space || byte == .ascii("<") || byte == .ascii(">") {
                return false
            }
        }
        return !isQuoted && !isEscaped
    }
}
