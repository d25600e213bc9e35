package import Unix

/// Stands between a client that speaks TLS and a program that does not: one loop, two sockets, bounded
/// buffers.
///
/// The end of one direction (close_notify, or the program's end of output) is passed on as the end of that
/// direction; the other goes on. After an error of TLS not a byte more reaches the program, and its end of
/// the conversation is closed. When the program is gone, the client is told and the relay ends.
package struct TLSRelay: ~Copyable {
    private let client: CInt
    private let program: CInt
    private var session: TLSSession

    private var toClient = OutgoingBuffer()
    private var toProgram = OutgoingBuffer()
    /// What each side will still send: false after its end.
    private var clientIsOpen = true
    private var programIsOpen = true
    /// Whether the end was passed on.
    private var clientWasTold = false
    private var programWasTold = false

    /// Nothing is read for a side that has this much waiting.
    package static let bufferLimit = 65536
    private static let chunk = 16384
    /// How long a client may take to hear the last words and to say its own farewell.
    private static let farewell = Duration.seconds(60)

    /// Relays between the sockets `client` and `program`, which stay the caller's.
    package init(client: CInt, program: CInt, session: consuming TLSSession) {
        self.client = client
        self.program = program
        self.session = session
    }

    /// Why a relay ended before its time.
    package enum Failure: Error, Equatable, CustomStringConvertible {
        case tls(TLSError)
        case timedOut
        /// One of the two went away.
        case disconnected
        case system(SystemError)

        package var description: String {
            switch self {
            case .tls(let error): error.reason
            case .timedOut: "timed out"
            case .disconnected: "connection lost"
            case .system(let error): "\(error)"
            }
        }

        init(_ error: SystemError) {
            switch error.code {
            case .brokenPipe, .connectionReset, .timedOut: self = .disconnected
            default: self = .system(error)
            }
        }
    }

    // MARK: - Handshake

    /// Does the handshake; what the program says meanwhile waits, unless it goes away.
    package mutating func handshake(by deadline: Deadline) throws(Failure) -> TLSService.Session {
        while true {
            let isDone: Bool
            do throws(TLSError) { isDone = try session.handshake() } catch { throw giveUp(error) }
            toClient.append(session.takeOutput())
            try system { relay throws(SystemError) in try relay.toClient.send(to: relay.client) }
            if isDone { return session.agreement }
            let interests = [
                Poll.Interest(client, reading: true, writing: !toClient.isEmpty),
                Poll.Interest(program, reading: true),
            ]
            for item in try wait(interests, until: deadline) where item.reading {
                // The program has nothing to say yet: this is its end.
                guard item.raw == client else { throw .disconnected }
                try readClient()
                guard clientIsOpen else { throw .disconnected }
            }
        }
    }

    // MARK: - Relaying

    /// Relays until both sides have ended.
    package mutating func run() throws(Failure) {
        var end = Deadline.never
        while try turn(until: end) {
            if !programIsOpen, end == .never { end = .after(Self.farewell) }
        }
    }

    /// Carries what is there, then waits once for more; false when all is said.
    package mutating func turn(until deadline: Deadline) throws(Failure) -> Bool {
        // First what came with the end of the handshake, and what had waited for room in front of the
        // program: no poll tells of it.
        try decrypt()
        try send()
        try decrypt()
        let hasRoom = toProgram.count < Self.bufferLimit && toClient.count < Self.bufferLimit
        let interests = [
            Poll.Interest(client, reading: clientIsOpen && hasRoom, writing: !toClient.isEmpty),
            Poll.Interest(
                program, reading: programIsOpen && toClient.count < Self.bufferLimit,
                writing: !toProgram.isEmpty),
        ].filter { $0.reading || $0.writing }
        if interests.isEmpty { return false }
        for item in try wait(interests, until: deadline) where item.reading {
            if item.raw == client { try readClient() } else { try readProgram() }
        }
        return true
    }

    private mutating func readClient() throws(Failure) {
        guard let bytes = try receive(client) else { return }
        // An end without close_notify ends this direction too: what was whole has been read, and each of
        // our protocols says itself where a message ends.
        if bytes.isEmpty { clientIsOpen = false } else { session.receive(bytes) }
    }

    private mutating func readProgram() throws(Failure) {
        guard let bytes = try receive(program) else { return }
        if bytes.isEmpty {
            programIsOpen = false
            session.close()
        } else {
            do throws(TLSError) { try session.write(bytes) } catch { throw giveUp(error) }
        }
    }

    private mutating func decrypt() throws(Failure) {
        reading: while toProgram.count < Self.bufferLimit {
            let reading: TLSSession.Reading
            do throws(TLSError) { reading = try session.read(upTo: Self.chunk) } catch { throw giveUp(error) }
            switch reading {
            case .bytes(let bytes): toProgram.append(bytes)
            case .nothingYet: break reading
            case .closed:
                clientIsOpen = false
                break reading
            }
        }
        toClient.append(session.takeOutput())
    }

    /// Sends what there is room for, and passes an end on once everything before it is sent.
    private mutating func send() throws(Failure) {
        try system { relay throws(SystemError) in
            try relay.toClient.send(to: relay.client)
            try relay.sendToProgram()
        }
        if toProgram.isEmpty, !clientIsOpen, !programWasTold {
            Socket.endWriting(program)
            programWasTold = true
        }
        if toClient.isEmpty, !programIsOpen, !clientWasTold {
            Socket.endWriting(client)
            clientWasTold = true
        }
    }

    /// To a program that hears no more nothing is sent; it may still have something to say.
    private mutating func sendToProgram() throws(SystemError) {
        do throws(SystemError) { try toProgram.send(to: program) } catch {
            guard error.code == .brokenPipe else { throw error }
            toProgram = OutgoingBuffer()
            clientIsOpen = false
        }
    }

    /// After an error of TLS: the alert goes out if there is room for it, nothing else goes anywhere.
    private mutating func giveUp(_ error: TLSError) -> Failure {
        toProgram = OutgoingBuffer()
        toClient.append(session.takeOutput())
        try? toClient.send(to: client)
        return .tls(error)
    }

    // MARK: - The system

    private func receive(_ raw: CInt) throws(Failure) -> [UInt8]? {
        do throws(SystemError) { return try Socket.receive(raw, upTo: Self.chunk) } catch {
            throw Failure(error)
        }
    }

    private func wait(
        _ interests: [Poll.Interest], until deadline: Deadline
    ) throws(Failure) -> [Poll.Interest] {
        let ready: [Poll.Interest]
        do throws(SystemError) { ready = try Poll.wait(interests, until: deadline) } catch {
            throw Failure(error)
        }
        if ready.isEmpty, deadline.hasPassed { throw .timedOut }
        return ready
    }

    private mutating func system(_ body: (inout TLSRelay) throws(SystemError) -> Void) throws(Failure) {
        do throws(SystemError) { try body(&self) } catch { throw Failure(error) }
    }
}
