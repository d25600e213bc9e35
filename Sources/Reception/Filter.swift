package import Mail
package import Program
package import Queue
package import Unix

/// Looks at a message on its way into the queue, step by step, and may change or refuse it. The steps come in the order in
/// which they stand here, each once a message but for `recipient` and `body`. What a filter keeps of a message is its own:
/// `begin` says that the next one comes. What it does not care for it leaves out.
package protocol Filter: AnyObject {
    func begin(_ origin: Origin) throws(Rejection)
    /// Empty for the null reverse-path; the parameters as they came.
    func sender(_ reversePath: [UInt8], _ parameters: Parameters) throws(Rejection)
    func recipient(_ recipient: Envelope.Recipient) throws(Rejection)
    /// The message's own header, without what the door puts on top of it; as the filter before left it. The result takes its
    /// place, without the empty line; nil leaves it. One that is longer than the door holds back is shown as far as it
    /// goes, and stays as it is.
    func header(_ header: MessageHeader, of message: IncomingMessage) throws(Rejection) -> [UInt8]?
    /// What follows the header, in parts; lines end in LF.
    func body(_ part: [UInt8]) throws(Rejection)
    /// The message is whole. The result, header fields, stands on top of all there is; empty adds nothing.
    func end(of message: IncomingMessage) throws(Rejection) -> [UInt8]
}

extension Filter {
    package func begin(_ origin: Origin) throws(Rejection) {}
    package func sender(_ reversePath: [UInt8], _ parameters: Parameters) throws(Rejection) {}
    package func recipient(_ recipient: Envelope.Recipient) throws(Rejection) {}
    package func header(
        _ header: MessageHeader, of message: IncomingMessage
    ) throws(Rejection) -> [UInt8]? { nil }
    package func body(_ part: [UInt8]) throws(Rejection) {}
    package func end(of message: IncomingMessage) throws(Rejection) -> [UInt8] { [] }
}

/// By which door a message comes.
package enum Origin: Equatable {
    /// By SMTP; nil: a program of this host, on a pipe or a Unix socket.
    case client(IPAddress?)
    /// By sendmail.
    case program(user: UInt32)
    /// An alias, or a user, sends it on.
    case forward(of: MessageID)
    /// Something that the mail system has to tell.
    case report
    /// The operator sends it elsewhere.
    case reroute(of: MessageID)
}

/// Why a message, or one of its recipients, is not taken.
package struct Rejection: Error, Equatable {
    /// RFC 5321 §4.2: 4yz, come again; 5yz, for good.
    package let code: Int
    package let status: EnhancedStatus
    /// For the client.
    package let text: String
    /// For the log, where that is to know more.
    package let cause: String?
    /// Whether something of ours does not work: an error there. All else is a warning.
    package let isFault: Bool

    package init(
        _ code: Int, _ status: EnhancedStatus, _ text: String, cause: String? = nil, isFault: Bool = false
    ) {
        self.code = code
        self.status = status
        self.text = text
        self.cause = cause
        self.isFault = isFault
    }

    package var isPermanent: Bool { code >= 500 }
}

/// Ends mail loops: RFC 5321 §6.3 asks for a large number of hops; by then it is one.
package final class HopLimit: Filter {
    private static let mostHops = 100

    package init() {}

    package func header(
        _ header: MessageHeader, of message: IncomingMessage
    ) throws(Rejection) -> [UInt8]? {
        guard header.all("Received").count < Self.mostHops else {
            throw Rejection(
                554, EnhancedStatus(5, 4, 6), "Too many hops, this is a mail loop", cause: "too many hops")
        }
        return nil
    }
}

/// Takes no mail where the queue's disk is nearly full: what is in the queue needs room to move.
package final class FreeSpace: Filter {
    private let configuration: Configuration

    private static let fewestInodes: UInt64 = 100

    package init(_ configuration: Configuration) { self.configuration = configuration }

    package func sender(_ reversePath: [UInt8], _ parameters: Parameters) throws(Rejection) {
        let needed = UInt64(configuration.minimumFreeSpace) + ((try? MailParameters(parameters))?.size ?? 0)
        let queue = configuration.queueDirectory
        let free: (bytes: UInt64, inodes: UInt64, hasInodes: Bool)
        do throws(SystemError) { free = try Path.freeSpace(queue + "/incoming") } catch {
            throw Rejection(
                451, EnhancedStatus(4, 3, 0), "Local problem, try again later", cause: error.description,
                isFault: true)
        }
        guard free.bytes >= needed, !free.hasInodes || free.inodes >= Self.fewestInodes else {
            throw Rejection(
                452, EnhancedStatus(4, 3, 1), "Insufficient system storage",
                cause: "not enough free space in \(queue): \(free.bytes) bytes, \(free.inodes) inodes")
        }
    }
}

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
