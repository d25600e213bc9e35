/// Where a session stands: which reply is awaited, for the deadline to wait with (RFC 5321 §4.5.3.2), and for
/// people.
package enum ClientStage: String, Equatable, CaseIterable {
    case greeting = "connecting"
    case hello = "EHLO"
    case startTLS = "STARTTLS"
    case authenticate = "AUTH"
    case mail = "MAIL FROM"
    case recipient = "RCPT TO"
    case data = "DATA"
    case content = "the message"
    case endOfData = "end of DATA"
    case reset = "RSET"
    case quit = "QUIT"
}
