import Accounts
import Auth
import Bytes
import Front
import Program
import Unix

/// The service behind pop3d and imapd: a record with the client's socket in, an answer out, at most three times.
/// Without a program to become it answers only, for who goes on serving the client itself.
struct PasswordService {
    private let command: LoginProgram?
    private let log: Log
    private let desk: LoginDesk

    init(_ configuration: Configuration, _ passwords: PasswordDatabase, _ command: LoginProgram?) {
        self.command = command
        log = configuration.openLoginLog("checkpassword")
        desk = LoginDesk(configuration, log, program: command?.program) {
            (name, password) throws(SystemError) in
            try passwords.verify(name: name, password: password)
        }
    }

    func run() -> Never {
        // Whoever left it open: it is nothing to the user's program.
        StandardDescriptors.closeAll(from: 3)
        let receiver = LoginReceiver(over: 0, expectsSocket: command != nil)
        for _ in 0..<LoginDesk.mostTries {
            guard let (request, client) = receiver.receive() else { break }
            let start = Deadline.after(.zero)
            let decision = desk.decide(request)
            let end = start + decision.delay
            if let account = decision.account, let command, let client {
                hand(request, client, decision.session.take(), to: account, command, end)
            }
            answer(decision.answer, at: end)
            decision.release()
        }
        terminate(0)
    }

    private func answer(_ answer: LoginAnswer, at time: Deadline) {
        pause(time.remaining)
        try? File.writeAll(0, [answer.rawValue])
    }

    /// Gives the client to the user's program. Becoming the user comes first and the answer last: until then the
    /// program that asked has the client and can say that it was not possible. Behind either there is no way back to
    /// serving others, whatever fails: this is the user's process then, and the client's.
    private func hand(
        _ request: LoginRequest, _ client: PassedSocket, _ place: consuming Descriptor?, to account: Account,
        _ command: LoginProgram, _ failAt: Deadline
    ) -> Never {
        let who = request.logged
        // Before the file may be somebody else's.
        log.open()
        let reader: Descriptor
        do throws(SystemError) {
            let pipe = try DescriptorPair.pipe()
            // Within a pipe's buffer: the reader is this same process, a little later.
            try pipe.second.write(request.start.record)
            reader = pipe.keepFirst()
            try command.become(account)
        } catch {
            log.error("\(desk.origin): \(error): \(who)")
            answer(.later, at: failAt)
            terminate(111)
        }
        log.info("\(desk.origin): Login: \(who)")
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
            log.error("\(desk.origin): \(error): \(who)")
            terminate(111)
        }
    }
}
