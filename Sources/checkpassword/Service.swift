import Accounts
import Auth
import Bytes
import Program
import Unix

/// The service behind pop3d and imapd: a record with the client's socket in, an answer out, at most three times.
/// Without a program to become it answers only, for who goes on serving the client itself.
struct Service {
    private let configuration: Configuration
    private let passwords: PasswordDatabase
    private let command: Command?
    private let log: Log
    /// What lines begin with: `pop3-login`, as Dovecot's.
    private let origin: String

    private static let mostTries = 3
    /// Whoever connects here is one of ours, and writes its record at once.
    private static let patience = Duration.seconds(300)
    /// Attempts under way at a time, over all processes and addresses.
    private static let mostAttempts = 1000

    init(_ configuration: Configuration, _ passwords: PasswordDatabase, _ command: Command?) {
        self.configuration = configuration
        self.passwords = passwords
        self.command = command
        log = configuration.openLoginLog("checkpassword")
        origin = Self.origin(command)
    }

    func run() -> Never {
        // Whoever left it open: it is nothing to the user's program.
        StandardDescriptors.closeAll(from: 3)
        for _ in 0..<Self.mostTries {
            guard let (request, client) = receive() else { break }
            attempt(request, client)
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
    private func attempt(_ request: LoginRequest, _ client: PassedSocket?) {
        let who =
            "user=<\(request.user.escapedInAngles(limit: 100))>, method=PLAIN, rip=\(request.client?.description ?? "local")"
        let start = Deadline.after(.zero)
        // What names no address is counted all the same, under one that nobody has.
        let address = request.client ?? .v4([0, 0, 0, 0])
        let known = KnownLogins(configuration.slotsFile("known-logins"))
        let place: AttemptPlace
        do throws(ConnectionSlot.Refusal) {
            place = try takePlace(address, isKnown: { known.contains(request.user, from: address) })
        } catch {
            // The password was not looked at: nothing is said about it, and nothing counted against anybody.
            log.warning("\(origin): \(Self.reason(error)): \(who)")
            return answer(.later, at: start + Guessing.delay(behind: 0))
        }
        defer { place.release() }
        let failAt = start + Guessing.delay(behind: place.number)
        let account: Account
        do throws(SystemError) {
            guard let found = try passwords.verify(name: request.user, password: request.password) else {
                log.info("\(origin): \(Self.failure): \(who)")
                return answer(.refused, at: failAt)
            }
            account = found
        } catch {
            log.error("\(origin): \(error): \(who)")
            return answer(.later, at: failAt)
        }
        guard Identity.isRoot || account.uid == Identity.user else {
            log.warning("\(origin): this private instance serves its own user only: \(who)")
            return answer(.later, at: failAt)
        }
        known.remember(request.user, from: address)
        guard let command, let client else {
            log.info("\(origin): Login: \(who)")
            return answer(.accepted, at: start)
        }
        let session: Descriptor?
        do throws(SystemError) {
            session = try SessionPlace.take(
                in: configuration.slotsFile("sessions"), service: Path.split(command.program).name,
                user: Array(account.name.utf8), address: address, most: configuration.sessionsPerUser)
            if session == nil {
                log.warning("\(origin): too many sessions: \(who)")
                return answer(.tooManySessions, at: start)
            }
        } catch {
            // Mail can be read where nothing can be written.
            log.warning("\(origin): sessions cannot be counted: \(error): \(who)")
            session = nil
        }
        hand(request.start, client, session, to: account, command, who, failAt)
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

    private func takePlace(
        _ address: IPAddress, isKnown: () -> Bool
    ) throws(ConnectionSlot.Refusal) -> AttemptPlace {
        let file = configuration.slotsFile("login")
        do throws(ConnectionSlot.Refusal) {
            return AttemptPlace(
                try ConnectionSlot(
                    file, total: Self.mostAttempts, perAddress: Guessing.mostAttempts, address: address))
        } catch {
            guard error == .tooManyFromAddress, isKnown() else { throw error }
            return AttemptPlace(
                try ConnectionSlot(file, total: Self.mostAttempts, perAddress: 0, address: nil))
        }
    }

    private static func reason(_ refusal: ConnectionSlot.Refusal) -> String {
        if case .unusable(let error) = refusal {
            "attempts cannot be counted: \(error)"
        } else {
            "too many attempts at a time"
        }
    }

    /// Gives the client to the user's program. Becoming the user comes first and the answer last: until then the
    /// program that asked has the client and can say that it was not possible. Behind either there is no way back to
    /// serving others, whatever fails: this is the user's process then, and the client's.
    private func hand(
        _ start: SessionStart, _ client: PassedSocket, _ place: consuming Descriptor?, to account: Account,
        _ command: Command, _ who: String, _ failAt: Deadline
    ) -> Never {
        // Before the file may be somebody else's.
        log.open()
        let reader: Descriptor
        do throws(SystemError) {
            let pipe = try DescriptorPair.pipe()
            // Within a pipe's buffer: the reader is this same process, a little later.
            try pipe.second.write(start.record)
            reader = pipe.keepFirst()
            try command.become(account)
        } catch {
            log.error("\(origin): \(error): \(who)")
            answer(.later, at: failAt)
            terminate(111)
        }
        log.info("\(origin): Login: \(who)")
        do throws(SystemError) {
            // The answer goes out while this is still our socket: from then on the client is ours to serve.
            try File.writeAll(0, [LoginAnswer.accepted.rawValue])
            let socket = client.take()
            try StandardDescriptors.assign(socket, to: 0)
            try StandardDescriptors.assign(socket, to: 1)
            try StandardDescriptors.assign(reader.release(), to: 3)
            // Open as long as the session lasts.
            if let held = place?.release() { try StandardDescriptors.assign(held, to: held) }
            throw command.execute(as: account)
        } catch {
            log.error("\(origin): \(error): \(who)")
            terminate(111)
        }
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
final class AttemptPlace {
    /// How many others its address had waiting.
    let number: Int
    private var slot: ConnectionSlot?

    init(_ slot: consuming ConnectionSlot) {
        number = slot.number
        self.slot = consume slot
    }

    func release() { slot = nil }
}
