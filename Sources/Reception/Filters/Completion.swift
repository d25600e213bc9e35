package import Mail

/// Adds what a program of ours left out of its header (RFC 5321 §6.4): see `SubmittedHeader`.
package final class Completion: Filter {
    private let author: (IncomingMessage) -> SubmittedHeader.Author

    package init(by author: @escaping (IncomingMessage) -> SubmittedHeader.Author) { self.author = author }

    package func header(
        _ header: MessageHeader, of message: IncomingMessage
    ) throws(Rejection) -> [UInt8]? {
        SubmittedHeader(header)?.completed(by: author(message))
    }
}
