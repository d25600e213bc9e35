import Bytes
package import Mail

/// A reply of RFC 5321 §4.2, with the enhanced status code of RFC 2034 on each line where it has one.
package struct Reply: Equatable, Sendable {
    package var code: Int
    package var status: EnhancedStatus?
    /// Never empty; printable ASCII.
    package var lines: [String]

    package init(_ code: Int, _ status: EnhancedStatus?, _ lines: String...) {
        self.init(code, status, lines: lines)
    }

    package init(_ code: Int, _ status: EnhancedStatus?, lines: [String]) {
        self.code = code
        self.status = status
        self.lines = lines
    }

    /// RFC 5321 §4.2.1: a hyphen behind the code on every line but the last.
    package var wire: [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(lines.reduce(0) { $0 + $1.utf8.count + 16 })
        for (index, line) in lines.enumerated() {
            bytes.append(decimal: code)
            bytes.append(index == lines.count - 1 ? .space : .ascii("-"))
            if let status {
                status.append(to: &bytes)
                bytes.append(.space)
            }
            bytes += line
            bytes += "\r\n"
        }
        return bytes
    }

    package var isPositive: Bool { code < 400 }
}

/// Everything that smtpd says by itself, on one screen.
extension Reply {
    static let startTLS = Reply(220, EnhancedStatus(2, 0, 0), "Ready to start TLS")
    static let bye = Reply(221, EnhancedStatus(2, 0, 0), "Bye")
    static let loggedIn = Reply(235, EnhancedStatus(2, 7, 0), "Authentication successful")
    static let ok = Reply(250, EnhancedStatus(2, 0, 0), "Ok")
    static let senderOk = Reply(250, EnhancedStatus(2, 1, 0), "Ok")
    static let cannotVerify = Reply(252, EnhancedStatus(2, 5, 2), "Cannot VRFY; try RCPT")
    static let goAhead = Reply(354, nil, "End data with <CR><LF>.<CR><LF>")
    static let tooManyErrors = Reply(421, EnhancedStatus(4, 7, 0), "Too many errors")
    static let notSMTP = Reply(421, EnhancedStatus(4, 7, 0), "This is an SMTP server")
    static let tlsNotAvailable = Reply(454, EnhancedStatus(4, 7, 0), "TLS not available for now")
    static let loginNotPossible = Reply(
        454, EnhancedStatus(4, 7, 0), "Temporary authentication failure, try again later")
    static let tooManyRecipients = Reply(452, EnhancedStatus(4, 5, 3), "Too many recipients")
    static let lineTooLong = Reply(500, EnhancedStatus(5, 5, 2), "Line too long")
    static let badLineEnd = Reply(
        500, EnhancedStatus(5, 5, 2), "Lines end in CRLF, and hold no other control character")
    static let unknownCommand = Reply(500, EnhancedStatus(5, 5, 1), "Command not recognized")
    static let notImplemented = Reply(502, EnhancedStatus(5, 5, 1), "Command not implemented")
    static let helloFirst = Reply(503, EnhancedStatus(5, 5, 1), "Send HELO or EHLO first")
    static let nestedMail = Reply(503, EnhancedStatus(5, 5, 1), "Nested MAIL command")
    static let mailFirst = Reply(503, EnhancedStatus(5, 5, 1), "Need MAIL command")
    static let tlsActive = Reply(503, EnhancedStatus(5, 5, 1), "TLS is active already")
    static let loggedInAlready = Reply(503, EnhancedStatus(5, 5, 1), "Already authenticated")
    static let loginInTransaction = Reply(
        503, EnhancedStatus(5, 5, 1), "AUTH is not permitted during a mail transaction")
    static let unknownMechanism = Reply(504, EnhancedStatus(5, 5, 4), "Unrecognized authentication type")
    static let loginFirst = Reply(530, EnhancedStatus(5, 7, 0), "Authentication required")
    static let startTLSFirst = Reply(530, EnhancedStatus(5, 7, 0), "Must issue a STARTTLS command first")
    static let badCredentials = Reply(
        535, EnhancedStatus(5, 7, 8), "Authentication credentials invalid")
    static let encryptionFirst = Reply(
        538, EnhancedStatus(5, 7, 11), "Encryption required for requested authentication mechanism")
    static let noRecipients = Reply(554, EnhancedStatus(5, 5, 1), "No valid recipients")
    static let bareLineEnd = Reply(550, EnhancedStatus(5, 6, 11), "Message holds a bare CR or LF")
    static let nulInMessage = Reply(550, EnhancedStatus(5, 6, 0), "Message holds a NUL")
    static let tooBig = Reply(552, EnhancedStatus(5, 3, 4), "Message is larger than this server takes")
    static let badParameter = Reply(501, EnhancedStatus(5, 5, 4), "Bad parameter")
    static let badResponse = Reply(501, EnhancedStatus(5, 5, 2), "Invalid base64 data")
    static let loginCancelled = Reply(501, EnhancedStatus(5, 7, 0), "Authentication cancelled")
    static let unknownParameter = Reply(555, EnhancedStatus(5, 5, 4), "Parameter not recognized")

    /// RFC 6531 §3.5: an address in UTF-8 wants SMTPUTF8, which is not offered.
    static let notASCII = Reply(
        553, EnhancedStatus(5, 6, 7), "Address is not ASCII, and SMTPUTF8 is not offered")

    static func badAddress(_ subject: UInt16) -> Reply {
        Reply(501, EnhancedStatus(5, 1, subject), "Bad address syntax")
    }
    static func syntax(_ form: String) -> Reply { Reply(501, EnhancedStatus(5, 5, 4), "Syntax: \(form)") }
}
