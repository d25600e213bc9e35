package import Jobs
package import Unix

/// The way to the deliverers: their services' sockets; in a test something in memory.
package protocol Deliverers: AnyObject {
    /// A session with the one that answers at `path`, at once or not at all.
    func connect(to path: String) throws(SystemError) -> any DelivererConnection
}

/// A connection to a deliverer: jobs go out, then an end mark, then reports come in (see `JobSender`).
package protocol DelivererConnection: AnyObject {
    /// What to wait for.
    var raw: CInt { get }
    /// How many jobs the deliverer may have: those that were sent, and one whose sending failed on the way.
    var jobCount: Int { get }
    /// Whether the deliverer has read all that it was sent.
    var isTaken: Bool { get }
    func send(_ job: Job, file: borrowing Descriptor) throws(ExchangeError)
    func endBatch() throws(ExchangeError)
    /// Asks it to stop before its next message is committed.
    func giveUp()
    /// What has come.
    func receive() -> JobSender.Progress
}

extension JobSender: DelivererConnection {
    package var isTaken: Bool { !ServiceSocket.hasUnread(raw) }
}

/// The services that inetd.conf has lines for.
package final class ServiceSockets: Deliverers {
    /// For room in a socket. All others wait as long, but not again and again: where there is none the service is in
    /// trouble, and gets one message at a time.
    private static let patience = Duration.seconds(2)

    package init() {}

    package func connect(to path: String) throws(SystemError) -> any DelivererConnection {
        JobSender(adopting: try ServiceSocket.connect(path, patience: .zero), patience: Self.patience)
    }
}
