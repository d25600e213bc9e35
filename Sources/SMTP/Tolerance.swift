/// How much a client may do wrong before it is sent away. A message that is taken makes up for all before it: a
/// session of thousands of good messages does not end for a hundred bad ones among them.
package struct Tolerance {
    /// What a refusal says of the client.
    enum Fault {
        /// It did as it should, and shall come again, or not with this message.
        case none
        /// The same, and the log has it by what was refused before.
        case excess
        /// A recipient that was named before the refusal of MAIL was known, in a pipeline (RFC 2920 §3.1).
        case consequence
        case recipient, command, syntax

        /// Whether the log is to have it.
        var isNews: Bool { self != .excess && self != .consequence }
    }

    /// Refused commands before the client is sent away.
    package static let mostErrors = 100
    /// The same for commands that are no SMTP.
    package static let mostSyntaxErrors = 20
    /// The same for recipients, at least: a mailing list's are not all here any more, and those that are would get
    /// nothing from a session that is cut before DATA.
    package static let mostRecipients = 1000

    private let mostRefused: Int
    private var errors = 0
    private var syntaxErrors = 0
    private var refused = 0

    /// `recipientLimit`: what a transaction may have.
    init(recipientLimit: Int) { mostRefused = max(Self.mostRecipients, recipientLimit) }

    var isExhausted: Bool {
        errors >= Self.mostErrors || syntaxErrors >= Self.mostSyntaxErrors || refused >= mostRefused
    }

    mutating func count(_ fault: Fault) {
        switch fault {
        case .none, .excess: break
        case .recipient, .consequence: refused += 1
        case .command: errors += 1
        case .syntax:
            errors += 1
            syntaxErrors += 1
        }
    }

    mutating func messageWasTaken() { (errors, syntaxErrors, refused) = (0, 0, 0) }
}
