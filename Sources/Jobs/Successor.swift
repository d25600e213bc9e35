import Bytes
import Mail

/// An address that a recipient's mail goes on to, and how much of it is decided already. What an alias leads to is
/// found in one go; each address of it must not be looked up in the aliases file again, or it would be expanded by
/// every road that leads to it.
package struct Successor: Hashable {
    package enum Meaning: UInt8 {
        /// Whatever it is: nobody has looked.
        case open = 0
        /// The account of that name, though there may be an alias of the same name.
        case account = 1
        /// The account's mailbox, whatever its .forward says.
        case mailbox = 2
        /// The programs, files and lists of the alias of that name; its addresses have the message.
        case targets = 3
    }

    package var address: [UInt8]
    package var meaning: Meaning

    package init(_ address: [UInt8], _ meaning: Meaning = .open) {
        self.address = address
        self.meaning = meaning
    }
}

extension Successor.Meaning {
    /// What the envelope of a message that the queue-runner injected says of a recipient.
    package init(_ parameters: [UInt8]) {
        self = .open
        guard !parameters.isEmpty,
            let word = Parameters(kept: parameters).first(RecipientParameters.expanded)?.value
        else { return }
        if word.equalsFolded("ACCOUNT") { self = .account }
        if word.equalsFolded("MAILBOX") { self = .mailbox }
        if word.equalsFolded("TARGETS") { self = .targets }
    }

    /// The value of the parameter; nil where there is nothing to say.
    package var text: [UInt8]? {
        switch self {
        case .open: nil
        case .account: [UInt8]("ACCOUNT")
        case .mailbox: [UInt8]("MAILBOX")
        case .targets: [UInt8]("TARGETS")
        }
    }
}
