/// What is spoken with strangers: what it is called, what is said in its words to who is not served, and whose lines its log has.
package enum ServedProtocol {
    /// `hostname` is ours.
    case smtp(hostname: String)
    case pop3
    case imap

    /// What tls-relay is told that is spoken, and the name of the file of slots.
    package var name: String {
        switch self {
        case .smtp: "smtp"
        case .pop3: "pop3"
        case .imap: "imap"
        }
    }

    /// There is no configuration that can be used, and so no name of ours.
    package var unavailable: String {
        switch self {
        case .smtp: "421 4.3.5 Service not available: its configuration is being mended\r\n"
        case .pop3: "-ERR [SYS/TEMP] The service is not available for now\r\n"
        case .imap: "* BYE [UNAVAILABLE] The service is not available for now\r\n"
        }
    }

    /// No slot is left.
    var busy: String {
        switch self {
        case .smtp(let hostname): "421 4.3.2 \(hostname) Too many connections, try again later\r\n"
        case .pop3: "-ERR [IN-USE] Too many connections, try again later\r\n"
        case .imap: "* BYE [UNAVAILABLE] Too many connections, try again later\r\n"
        }
    }

    /// A deadline passed.
    var timeout: String {
        switch self {
        case .smtp(let hostname): "421 4.4.2 \(hostname) Timeout\r\n"
        case .pop3: "-ERR Timeout\r\n"
        case .imap: "* BYE Timeout\r\n"
        }
    }

    /// Whether programs of this host start it themselves, on a pipe (`sendmail -bs`). That is no connection, and whoever it is may
    /// not be able to write to the slots; but he reads the answers.
    var isStartedByPrograms: Bool { isSMTP }

    /// Whether its log has Postfix's lines, which say who comes and goes; the login of the others has Dovecot's.
    var isLoggedAsPostfix: Bool { isSMTP }

    private var isSMTP: Bool {
        if case .smtp = self { true } else { false }
    }
}
