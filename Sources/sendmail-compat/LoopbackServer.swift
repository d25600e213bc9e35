import Bytes
import Mail
import Queue
import SMTP
import Unix

/// The road into the queue where our setgid bit has no effect: the SMTP server on the loopback interface,
/// which takes mail from this host. What it did not confirm was not sent.
final class LoopbackServer {
    /// Why the message was not taken, by all or by some.
    struct Refusal: Error {
        let text: String
        let isPermanent: Bool
    }

    private let socket: Descriptor
    private let stream: ByteStream
    private var session: ClientSession
    private var encoder = DataEncoder()

    private static let peer = "127.0.0.1:25"
    private static let patience: Duration = .seconds(300)

    static func connect() throws(Refusal) -> Descriptor {
        do throws(SystemError) {
            guard let address = IPAddress("127.0.0.1") else { throw SystemError("connect", .invalid, "") }
            return try Socket.connect(to: .ip(address, port: 25), by: .after(.seconds(30)))
        } catch { throw Refusal(text: error.description, isPermanent: false) }
    }

    /// Gets as far as the content, for all recipients or for none: whoever handed the message in is told that it was not
    /// sent, and would send it again to those who have it. `size` is the least that it will be.
    init(
        _ envelope: Envelope, hostname: String, size: Int, over socket: consuming Descriptor
    ) throws(Refusal) {
        session = ClientSession(name: hostname, peer: Self.peer, security: .off)
        self.socket = consume socket
        stream = ByteStream(input: self.socket.raw, output: self.socket.raw, patience: Self.patience)
        try advance(to: .idle)
        let parameters = try? Parameters(envelope.parameters)
        session.begin(
            ClientTransaction(
                reversePath: envelope.reversePath, parameters: parameters ?? Parameters(), size: size,
                recipients: envelope.recipients.map {
                    .init(
                        address: $0.address, parameters: (try? Parameters($0.parameters)) ?? Parameters())
                }))
        try advance(to: .content)
        if let worst = Self.worst(session.outcomes) { throw worst }
    }

    func append(_ content: [UInt8]) throws(Refusal) {
        do throws(StreamError) { try stream.write(encoder.encode(content)) } catch { throw lost(error) }
    }

    /// Ends the content; when this returns, every recipient was taken.
    func commit() throws(Refusal) {
        session.contentSent(encoder.end())
        try advance(to: .idle)
        session.quit()
        _ = try? advance(to: .closed)
        if let worst = Self.worst(session.outcomes) { throw worst }
    }

    /// Does what the session says until it says `goal`.
    private func advance(to goal: ClientSession.Step) throws(Refusal) {
        while true {
            let step = session.next()
            if step == goal { return }
            switch step {
            case .write(let bytes):
                do throws(StreamError) { try stream.write(bytes) } catch { throw lost(error) }
            case .read: try read()
            case .idle, .content, .closed, .startTLS:
                throw Self.worst(session.outcomes) ?? Self.refusal(session.failure)
            }
        }
    }

    private func read() throws(Refusal) {
        do throws(StreamError) {
            guard try stream.fill() else {
                session.lost(.closed)
                return
            }
        } catch { throw lost(error) }
        session.receive(stream.buffered)
        stream.consume(stream.buffered.count)
    }

    private func lost(_ error: StreamError) -> Refusal {
        session.lost(error == .timedOut ? .timedOut : .closed)
        return Self.refusal(session.failure)
    }

    private static func refusal(_ outcome: ClientOutcome?) -> Refusal {
        Refusal(
            text: outcome?.text.escaped(limit: 500) ?? "\(peer) ended the session",
            isPermanent: outcome?.verdict == .failed)
    }

    /// The first outcome that is no success; one that can be mended by trying again comes first, so that
    /// nobody takes a message for lost that may still be sent.
    private static func worst(_ outcomes: [ClientOutcome?]) -> Refusal? {
        let bad = outcomes.compactMap { $0 }.filter { $0.verdict != .delivered }
        return (bad.first { $0.verdict != .failed } ?? bad.first).map(refusal)
    }
}
