import Front
import MailStore
import POP3
import Program
import Unix

/// The conversation behind the login: one session at a time over a user's maildrop.
struct MailboxServer {
    private let configuration: Configuration
    private let log: Log
    private let login: InheritedLogin
    private let stream: ByteStream

    /// RFC 1939 §3: at least ten minutes.
    private static let autologout = Duration.seconds(600)

    init(
        _ configuration: Configuration, _ log: Log, _ login: InheritedLogin, input: CInt = 0, output: CInt = 1
    ) {
        self.configuration = configuration
        self.log = log
        self.login = login
        stream = ByteStream(input: input, output: output, patience: Self.autologout)
    }

    func run() {
        let (user, home) = (login.user, login.home)
        guard home.hasPrefix("/") else {
            return refuse("[SYS/PERM] There is no home directory", "USER and HOME are not set")
        }
        if let start = login.start { stream.take(start.pipelined) }
        let path = configuration.mailboxPath(user: user, home: home)
        do throws(MaildropFailure) {
            let maildrop = try UserMaildrop.open(path, home: home, output: stream)
            serve(maildrop, user)
        } catch {
            refuse(
                error == .locked
                    ? "[IN-USE] Another session has the maildrop"
                    : "[SYS/TEMP] The maildrop cannot be opened",
                "user=<\(user)>: \(error)")
        }
    }

    private func refuse(_ answer: String, _ reason: String) {
        log.warning(reason)
        try? stream.write("-ERR \(answer)\r\n".utf8)
        try? stream.flush()
    }

    private func serve(_ maildrop: any Maildrop, _ user: String) {
        let stream = stream
        var session = MaildropSession(maildrop) { try? stream.write($0) }
        do throws(StreamError) {
            try stream.write(session.greeting)
            while true {
                let (consumed, isOver) = session.step(stream.buffered)
                stream.consume(consumed)
                if isOver { break }
                if consumed == 0, try !stream.fill() { break }
            }
            try stream.flush()
        } catch {
            // Nothing is removed without QUIT (T51).
            log.info("user=<\(user)>: \(error == .timedOut ? "autologout" : "lost connection")")
        }
    }
}
