import Front
import IMAP
import MIME
import MailStore
import Program
import Unix

/// The conversation behind the login.
struct MailboxServer {
    private let configuration: Configuration
    private let log: Log
    private let login: InheritedLogin
    private let stream: ByteStream

    /// RFC 3501 §5.4: at least thirty minutes.
    private static let autologout = Duration.seconds(1800)
    /// How often an idling client's mailbox is looked at.
    private static let idleInterval = Duration.seconds(1)

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
        do throws(StreamError) {
            guard home.hasPrefix("/"), let store = openStore(user: user, home: home) else {
                try stream.write("* BYE [UNAVAILABLE] The mailbox cannot be opened\r\n".utf8)
                return try stream.flush()
            }
            let ready = "OK [CAPABILITY \(MailboxSession.capabilities)] Logged in\r\n"
            if let start = login.start, !start.tag.isEmpty {
                stream.take(start.pipelined)
                try stream.write(start.tag + Array(" \(ready)".utf8))
            } else {
                // By hand, or through a tunnel: nobody logged in, because nobody had to.
                try stream.write("* PREAUTH [CAPABILITY \(MailboxSession.capabilities)] Logged in\r\n".utf8)
            }
            try serve(store, user)
        } catch {
            if error == .timedOut {
                try? stream.write("* BYE Autologout\r\n".utf8)
                try? stream.flush()
            }
        }
    }

    /// What `mailbox` names: a Maildir with its folders, or an mbox, beside which `mail` in the home has the others.
    private func openStore(user: String, home: String) -> (any MailboxStore)? {
        let path = configuration.mailboxPath(user: user, home: home)
        do throws(SystemError) {
            return path.hasSuffix("/")
                ? MaildirStore(try FolderTree(path))
                : MboxStore(try MboxTree(inbox: path, folders: MboxTree.folders(home: home)))
        } catch {
            log.error("user=<\(user)>: \(error)")
            return nil
        }
    }

    private func serve(_ store: any MailboxStore, _ user: String) throws(StreamError) {
        let (stream, log) = (stream, log)
        var failure: StreamError?
        let helper = CharsetHelper { log.warning("user=<\(user)>: \($0)") }
        let session = MailboxSession(
            store, charsets: CharsetDecoder(other: helper.decode),
            messageSizeLimit: configuration.messageSizeLimit,
            report: { log.error("user=<\(user)>: \($0)") },
            write: { bytes in
                guard failure == nil else { return }
                do throws(StreamError) { try stream.write(bytes) } catch { failure = error }
            })
        while failure == nil {
            let (consumed, next) = session.step(stream.buffered)
            stream.consume(consumed)
            switch next {
            case .close: return try stream.flush()
            case .idle where consumed == 0 || stream.buffered.isEmpty: try idle(session)
            case .proceed where consumed == 0, .idle where consumed == 0:
                if try !stream.fill() { return }
            default: break
            }
        }
        if let failure { throw failure }
    }

    /// Waits for the client, looking at the mailbox meanwhile.
    private func idle(_ session: MailboxSession) throws(StreamError) {
        let end = Deadline.after(Self.autologout)
        while true {
            try stream.flush()
            do throws(SystemError) {
                if try Poll.wait(stream.input, for: .reading, until: .after(Self.idleInterval)) { break }
            } catch { throw .system(error) }
            guard !end.hasPassed else { throw .timedOut }
            if session.poll() == .close {
                try stream.flush()
                throw .disconnected
            }
        }
        if try !stream.fill() { throw .disconnected }
    }
}
