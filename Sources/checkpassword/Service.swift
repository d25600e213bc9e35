import Auth
import Bytes
import Program
import Unix

/// The service behind pop3d and imapd: a record with the client's socket in, an answer out, at most three times.
/// Without a program to become it answers only, for who goes on serving the client itself.
struct Service {
    private let configuration: Configuration
    private let accounts: AccountDatabase
    private let command: Command?
    private let log: Log
    /// What lines begin with: `pop3-login`, as Dovecot's.
    private let origin: String

    private static let mostTries = 3
    /// Whoever connects here is one of ours, and writes its record at once.
    private static let patience = Duration.seconds(300)
    /// Every failure is answered this long after its record came, whatever the reason.
    private static let failureDelay = Duration.seconds(2)
    /// Failures that one address may have waiting at a time, over all processes.
    private static let failuresPerAddress = 5

    init(_ configuration: Configuration, _ accounts: AccountDatabase, _ command: Command?) {
        self.configuration = configuration
        self.accounts = accounts
        self.command = command
        log = configuration.openLoginLog("checkpassword")
        origin = Self.origin(command)
    }

    func run() -> Never {
        for _ in 0..<Self.mostTries {
            guard let (request, client) = receive() else { break }
            attempt(request, client, failAt: .after(Self.failureDelay))
        }
        terminate(0)
    }

    /// The record, and the socket that came with it, if there is a program to serve it.
    private func receive() -> (LoginRequest, PassedSocket?)? {
        var buffer: [UInt8] = []
        var sockets: [PassedSocket] = []
        let deadline = Deadline.after(Self.patience)
        while true {
            switch Netstring.read(buffer[...], limit: LoginRequest.longest) {
            case .malformed: return nil
            case .whole(let payload, let size):
                guard size == buffer.count, let request = LoginRequest(payload),
                    (sockets.count == 1) == (command != nil)
                else { return nil }
                return (request, sockets.first)
            case .incomplete:
                guard (try? Poll.wait(0, for: .reading, until: deadline)) == true,
                    let got = try? DescriptorPassing.receive(upTo: 65536, over: 0)
                else { return nil }
                sockets += got.files.map { PassedSocket($0) }
                guard !got.bytes.isEmpty, sockets.count <= 1 else { return nil }
                buffer += got.bytes
            }
        }
    }

    /// Becomes the user's session, or answers why not.
    private func attempt(_ request: LoginRequest, _ client: PassedSocket?, failAt time: Deadline) {
        let who = "user=<\(request.user.escapedInAngles(limit: 100))>, method=PLAIN, rip=\(request.client)"
        do throws(SystemError) {
            // Guessing side by side gains nothing: no free place, no look at the password.
            guard let slot = takeSlot(request.client) else {
                log.warning("\(origin): too many attempts at a time: \(who)")
                log.info("\(origin): \(Self.failure): \(who)")
                return answer(.refused, at: time)
            }
            defer { slot.release() }
            guard let account = try accounts.verify(name: request.user, password: request.password) else {
                log.info("\(origin): \(Self.failure): \(who)")
                return answer(.refused, at: time)
            }
            guard Identity.isRoot || account.uid == Identity.user else {
                log.warning("\(origin): this private instance serves its own user only: \(who)")
                return answer(.refused, at: time)
            }
            log.info("\(origin): Login: \(who)")
            guard let command, let client else { return answer(.accepted, at: .after(.zero)) }
            try hand(request.start, client, to: account, command)
        } catch {
            log.error("\(origin): \(error): \(who)")
            answer(.later, at: time)
        }
    }

    /// Dovecot's words for a wrong name or password, which fail2ban's filter counts: one line a failure.
    private static let failure = "Aborted login (auth failed, 1 attempts)"

    private static func origin(_ command: Command?) -> String {
        switch command.map({ Path.split($0.program).name }) {
        case "pop3d": "pop3-login"
        case "imapd": "imap-login"
        default: "login"
        }
    }

    private func answer(_ answer: LoginAnswer, at time: Deadline) {
        pause(time.remaining)
        try? File.writeAll(0, [answer.rawValue])
    }

    private func takeSlot(_ client: String) -> AttemptSlot? {
        do throws(ConnectionSlot.Refusal) {
            return AttemptSlot(
                try ConnectionSlot(
                    configuration.slotsFile("login"), total: 1000, perAddress: Self.failuresPerAddress,
                    address: IPAddress(client)))
        } catch { return nil }
    }

    private func hand(
        _ start: SessionStart, _ client: PassedSocket, to account: Account, _ command: Command
    ) throws(SystemError) {
        let pipe = try DescriptorPair.pipe()
        // Within a pipe's buffer: the reader is this same process, a little later.
        try pipe.second.write(start.record)
        let reader = pipe.keepFirst()
        // The answer goes out while this is still our socket: from then on the client is ours to serve.
        try File.writeAll(0, [LoginAnswer.accepted.rawValue])
        let socket = client.take()
        try StandardDescriptors.assign(socket, to: 0)
        try StandardDescriptors.assign(socket, to: 1)
        let kept = reader.release()
        try StandardDescriptors.assign(kept, to: 3)
        StandardDescriptors.closeAll(from: 4)
        try command.run(as: account)
    }
}

/// A socket that came over a socket: closed unless it is taken.
final class PassedSocket {
    private var raw: CInt

    init(_ raw: CInt) { self.raw = raw }
    deinit { if raw >= 0 { _ = Descriptor(adopting: raw) } }

    func take() -> CInt {
        defer { raw = -1 }
        return raw
    }
}

/// A place among the attempts of one address, held until the answer is out.
final class AttemptSlot {
    private var slot: ConnectionSlot?

    init(_ slot: consuming ConnectionSlot) { self.slot = consume slot }
    func release() { slot = nil }
}
