import TLS
import Unix

/// A connection to a server, in the clear and later perhaps not; each wait has a deadline of its own.
final class Connection {
    enum Failure: Error, Equatable {
        case timedOut
        case closed
        /// What was watched became readable.
        case cancelled
        case tls(TLSError)
        case system(SystemError)

        init(_ error: SystemError) {
            switch error.code {
            case .brokenPipe, .connectionReset: self = .closed
            case .timedOut: self = .timedOut
            case .cancelled: self = .cancelled
            default: self = .system(error)
            }
        }
    }

    private let socket: Descriptor
    private var session: TLSSession?

    private static let chunk = 16384

    init(_ socket: consuming Descriptor) {
        self.socket = socket
        Socket.sendAtOnce(self.socket.raw)
    }

    /// The next bytes; none at the end. Gives up when `watched` can be read first.
    func read(by deadline: Deadline, unlessReadable watched: CInt? = nil) throws(Failure) -> [UInt8] {
        while true {
            if session != nil {
                switch try decrypt() {
                case .bytes(let bytes): return bytes
                case .closed: return []
                case .nothingYet: break
                }
            }
            let bytes = try receive(by: deadline, unlessReadable: watched)
            if session == nil || bytes.isEmpty { return bytes }
            session?.receive(bytes)
        }
    }

    func write(_ bytes: [UInt8], by deadline: Deadline) throws(Failure) {
        guard session != nil else { return try send(bytes, by: deadline) }
        do throws(TLSError) { try session?.write(bytes) } catch { throw .tls(error) }
        try send(session?.takeOutput() ?? [], by: deadline)
    }

    /// What the server said unasked and has arrived; none if nothing has.
    func readWaiting() -> [UInt8] { (try? read(by: .after(.zero))) ?? [] }

    /// Shakes hands; what both ends agreed on. After a failure the connection is of no use.
    func startTLS(
        _ context: borrowing TLSContext, serverName: String, by deadline: Deadline
    ) throws(Failure) -> TLSService.Session {
        do throws(TLSError) { session = try TLSSession(context, serverName: serverName) } catch {
            throw .tls(error)
        }
        while true {
            let isDone: Bool
            do throws(TLSError) { isDone = try session?.handshake() ?? false } catch {
                // The alert tells the server why.
                try? send(session?.takeOutput() ?? [], by: deadline)
                throw .tls(error)
            }
            try send(session?.takeOutput() ?? [], by: deadline)
            if isDone, let agreement = session?.agreement { return agreement }
            let bytes = try receive(by: deadline)
            guard !bytes.isEmpty else { throw .closed }
            session?.receive(bytes)
        }
    }

    /// Says goodbye to TLS; the socket closes with its owner.
    func finish() {
        session?.close()
        try? send(session?.takeOutput() ?? [], by: .after(.zero))
    }

    private func decrypt() throws(Failure) -> TLSSession.Reading {
        do throws(TLSError) { return try session?.read() ?? .closed } catch { throw .tls(error) }
    }

    // MARK: - The socket

    private func receive(
        by deadline: Deadline, unlessReadable watched: CInt? = nil
    ) throws(Failure) -> [UInt8] {
        do throws(SystemError) {
            while true {
                if let bytes = try Socket.receive(socket.raw, upTo: Self.chunk) { return bytes }
                guard
                    try Poll.wait(socket.raw, for: .reading, until: deadline, unlessReadable: watched)
                else {
                    throw SystemError("poll", .timedOut, "")
                }
            }
        } catch { throw Failure(error) }
    }

    private func send(_ bytes: [UInt8], by deadline: Deadline) throws(Failure) {
        var rest = bytes[...]
        do throws(SystemError) {
            while !rest.isEmpty {
                let sent = try Socket.send(socket.raw, rest)
                rest = rest.dropFirst(sent)
                guard sent == 0 else { continue }
                guard try Poll.wait(socket.raw, for: .writing, until: deadline) else {
                    throw SystemError("poll", .timedOut, "")
                }
            }
        } catch { throw Failure(error) }
    }
}
