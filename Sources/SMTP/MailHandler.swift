package import Mail

/// What a server session asks of the program around it: who may send what to whom, and where the message goes.
package protocol MailHandler: AnyObject {
    /// MAIL: nil to welcome the transaction, or the reply that refuses it.
    func refuseSender(_ sender: Address?, _ parameters: MailParameters) -> Reply?
    /// RCPT: the reply; a positive one takes the recipient.
    func judgeRecipient(_ recipient: Address, _ parameters: RecipientParameters) -> Reply
    /// DATA: nil when the content may come, or the reply that refuses it.
    func begin(_ transaction: Transaction) -> Reply?
    /// Content with LF line ends, in pieces.
    func append(_ content: [UInt8])
    /// The end of good content: commits it and gives the reply. Positive means that the message is ours.
    func commit() -> Reply
    /// The content was refused, or its end never came: nothing may stay.
    func abandon()
    /// The client has all replies, and has not said more: the time for what need not keep it waiting, and for what
    /// its next command will need. `transaction`: what has been begun, and has no content yet.
    func rest(in transaction: Transaction?)
    /// Something was refused: for the log.
    func note(_ refusal: RefusedCommand)
}

/// What was refused, and in which transaction.
package struct RefusedCommand: Equatable {
    package let reply: Reply
    /// Upper case, at most ten letters; empty for what does not begin with a word.
    package let verb: String
    /// What stood behind the verb, not more than anybody wants to read; empty where it was mail data.
    package let argument: [UInt8]
    /// The recipient of a RCPT that could be read.
    package let recipient: Address?
    package let transaction: Transaction?
}

/// What a client has said about a message, before its content.
package struct Transaction: Equatable {
    package struct Recipient: Equatable {
        package var address: Address
        package var parameters: RecipientParameters
    }

    package var sender: Address?
    package var parameters: MailParameters
    package var recipients: [Recipient] = []

    package init(sender: Address?, parameters: MailParameters) {
        self.sender = sender
        self.parameters = parameters
    }
}
