import Program
import SMTP
import TLS
import Unix

/// One connection to one server: a client session and what carries it.
final class Conversation {
    private(set) var session: ClientSession
    private let connection: Connection
    private let settings: Settings
    private let end: Deadline
    /// Looked for before a message is committed: whether somebody still wants to know.
    private let asker: Asker
    private let startTLS: (Connection, Deadline) throws(Connection.Failure) -> Void

    /// Whether the handshake was what failed.
    private(set) var tlsFailed = false

    private static let noLongerWanted = "nobody waits for the result any more"

    init(
        _ session: ClientSession, over connection: Connection, _ settings: Settings, until end: Deadline,
        for asker: Asker,
        startTLS: @escaping (Connection, Deadline) throws(Connection.Failure) -> Void
    ) {
        self.session = session
        self.connection = connection
        self.settings = settings
        self.end = end
        self.asker = asker
        self.startTLS = startTLS
    }

    /// Greeting, EHLO, TLS; whether there is a session now.
    func open() -> Bool {
        run(nil)
        return session.isIdle
    }

    /// One transaction; the outcomes are in the session.
    func send(_ transaction: ClientTransaction, _ data: MailData) {
        session.begin(transaction)
        run(data)
    }

    func close() {
        if session.isIdle {
            session.quit()
            run(nil)
        }
        connection.finish()
    }

    /// Does what the session says until it is idle or closed.
    private func run(_ data: MailData?) {
        var waitingFor = -1
        var deadline = end
        while true {
            do throws(Connection.Failure) {
                switch session.next() {
                case .idle, .closed: return
                case .write(let bytes):
                    waitingFor = -1
                    try connection.write(bytes, by: limit(.content))
                case .read(let stage):
                    // One deadline a reply, however slowly its bytes come.
                    if waitingFor != session.replyCount {
                        waitingFor = session.replyCount
                        deadline = limit(stage)
                    }
                    // Behind the end of a message its reply is waited for, whoever is gone.
                    let watched = stage == .endOfData ? nil : asker.socket
                    let bytes = try connection.read(by: deadline, unlessReadable: watched)
                    if bytes.isEmpty { session.lost(.closed) } else { session.receive(bytes) }
                case .startTLS: try secure()
                case .content: try transmit(data)
                }
            } catch { lost(error) }
        }
    }

    private func limit(_ stage: ClientStage) -> Deadline { min(end, .after(settings.patience(stage))) }

    private func secure() throws(Connection.Failure) {
        do throws(Connection.Failure) {
            try startTLS(connection, limit(.startTLS))
        } catch {
            tlsFailed = true
            throw error
        }
        session.tlsBegan()
    }

    /// The message, part by part; its end only if it was read to its end and somebody still waits for it.
    private func transmit(_ data: MailData?) throws(Connection.Failure) {
        guard let data else { return session.lost(.other("no message")) }
        if let held = data.held {
            for part in held { try connection.write(part, by: limit(.content)) }
        } else {
            var reader = MailDataReader(data.content, by: data.plan)
            while true {
                let part: [UInt8]?
                do throws(SystemError) { part = try reader.next() } catch {
                    return session.lost(.other("message cannot be read: \(error)"))
                }
                guard let part else { break }
                try connection.write(part, by: limit(.content))
            }
        }
        guard !asker.isGone else { return session.lost(.other(Self.noLongerWanted)) }
        session.contentSent(data.ending)
    }

    private func lost(_ failure: Connection.Failure) {
        switch failure {
        case .timedOut: session.lost(.timedOut)
        case .cancelled: session.lost(.other(Self.noLongerWanted))
        case .tls(let error): session.lost(.tls(error.description))
        case .system(let error): session.lost(.other("\(error)"))
        case .closed:
            // What the server said before it went away may explain it.
            let last = connection.readWaiting()
            if !last.isEmpty { session.receive(last) }
            session.lost(.closed)
        }
    }
}
