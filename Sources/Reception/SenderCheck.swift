import Bytes
package import Mail

/// Holds who has logged in to the addresses that are his, in the envelope and in what readers see (RFC 6409 §6.1): From, and
/// Sender. The null reverse-path is everybody's: what a reader's program answers by itself has it.
package final class SenderCheck: Filter {
    package typealias Ownership = (Address) throws(Rejection) -> Bool

    private let login: String
    private let owns: Ownership

    /// `login`: for the client's eyes, and so printable.
    package init(of login: String, owns: @escaping Ownership) {
        self.login = login
        self.owns = owns
    }

    package func sender(_ reversePath: [UInt8], _ parameters: Parameters) throws(Rejection) {
        guard !reversePath.isEmpty else { return }
        guard let address = Address(reversePath), try owns(address) else {
            throw Rejection(
                553, EnhancedStatus(5, 7, 1), "Sender address rejected: not owned by user \(login)")
        }
    }

    package func header(
        _ header: MessageHeader, of message: IncomingMessage
    ) throws(Rejection) -> [UInt8]? {
        // Behind what is looked at another From could follow.
        guard header.fields.count < MessageHeader.mostFields, header.size < SubmittedHeader.longest else {
            throw refusal("Header is too long")
        }
        for field in header.fields where field.isNamed("From") || field.isNamed("Sender") {
            let name = field.isNamed("From") ? "From" : "Sender"
            let list = AddressList(field.rawValue)
            guard list.unclear.isEmpty else { throw refusal("\(name) field cannot be read") }
            for mailbox in list.mailboxes where try !owns(mailbox.address) {
                throw refusal("\(name) address rejected: not owned by user \(login)")
            }
        }
        return nil
    }

    private func refusal(_ text: String) -> Rejection {
        Rejection(554, EnhancedStatus(5, 7, 1), text, cause: text)
    }
}
