import Bytes
package import Unix

/// What pop3d and imapd, who talk to strangers and have no rights, ask of checkpassword, who has them: one
/// bounded record with the client's socket. After `accepted` the client belongs to the program that
/// checkpassword becomes, and the one that asked ends.
package struct LoginRequest: Equatable {
    package var user: [UInt8]
    package var password: [UInt8]
    /// Nil: somebody on this host, or an address that is none.
    package var client: IPAddress?
    /// What the session goes on with.
    package var start: SessionStart

    package init(user: [UInt8], password: [UInt8], client: IPAddress?, start: SessionStart) {
        self.user = user
        self.password = password
        self.client = client
        self.start = start
    }

    package static let longest = 1 << 17

    package var framed: [UInt8] {
        var fields: [UInt8] = []
        for field in [
            [UInt8]("login1"), user, password, Array((client?.description ?? "local").utf8), start.record,
        ] {
            Netstring.append(field, to: &fields)
        }
        var frame: [UInt8] = []
        Netstring.append(fields, to: &frame)
        return frame
    }

    package init?(_ payload: ArraySlice<UInt8>) {
        guard let fields = Netstring.fields(of: payload), fields.count == 5,
            fields[0].elementsEqual([UInt8]("login1")),
            let start = SessionStart(fields[4])
        else { return nil }
        self.init(
            user: Array(fields[1]), password: Array(fields[2]),
            client: IPAddress(String(decoding: fields[3].prefix(64), as: UTF8.self)), start: start)
    }
}

/// What the program behind the login needs of the one before it.
package struct SessionStart: Equatable {
    /// IMAP: the tag of the command that logged in. POP3: empty.
    package var tag: [UInt8]
    /// What the client had sent behind the command (T43: it must not be lost).
    package var pipelined: [UInt8]
    package var isEncrypted: Bool

    package init(tag: [UInt8], pipelined: [UInt8], isEncrypted: Bool) {
        self.tag = tag
        self.pipelined = pipelined
        self.isEncrypted = isEncrypted
    }

    /// That of a session which `stream`'s client goes on with.
    package init(tag: [UInt8], before stream: ByteStream, isEncrypted: Bool) {
        self.init(
            tag: tag, pipelined: Array(stream.buffered.prefix(Self.mostPipelined)), isEncrypted: isEncrypted)
    }

    /// Fits a pipe's buffer.
    package static let mostPipelined = 32768

    package var record: [UInt8] {
        var fields: [UInt8] = []
        for field in [tag, pipelined, isEncrypted ? [0x31] : [0x30]] { Netstring.append(field, to: &fields) }
        return fields
    }

    package init?(_ record: ArraySlice<UInt8>) {
        guard let fields = Netstring.fields(of: record), fields.count == 3, fields[0].count <= 255,
            fields[1].count <= Self.mostPipelined
        else { return nil }
        self.init(
            tag: Array(fields[0]), pipelined: Array(fields[1]), isEncrypted: fields[2].elementsEqual([0x31]))
    }

    /// Reads what checkpassword left in a pipe on descriptor 3; nil when it is none: another checkpassword, or a
    /// person, started this program.
    package static func inherited() -> SessionStart? {
        let file = Descriptor(adopting: 3)
        guard let status = try? file.status(), status.kind == .fifo,
            let bytes = try? file.readAll(limit: 1 << 17)
        else {
            _ = file.release()
            return nil
        }
        return SessionStart(bytes[...])
    }
}

/// Who logged in to the session that this process serves, as checkpassword leaves it.
package struct InheritedLogin {
    package let user: String
    package let home: String
    /// Nil where nobody logged in, because nobody had to: by hand, or through a tunnel.
    package let start: SessionStart?

    package init(user: String, home: String, start: SessionStart?) {
        self.user = user
        self.home = home
        self.start = start
    }

    /// This process's: USER and HOME are empty where they are not set.
    package static func own() -> InheritedLogin {
        InheritedLogin(
            user: Environment.value(of: "USER") ?? "", home: Environment.value(of: "HOME") ?? "",
            start: SessionStart.inherited())
    }
}

package enum LoginAnswer: UInt8 {
    /// The client is served by somebody else now.
    case accepted = 0x4B
    /// Wrong name or password, or an account that may not log in: the client learns no more.
    case refused = 0x44
    /// Could not be decided.
    case later = 0x5A
    /// The right password, of a user who has as many sessions as one may have.
    case tooManySessions = 0x4C
}

/// The asking end: a connection to checkpassword's service, good for three tries.
package final class LoginService {
    private let path: String
    private var socket: Descriptor?

    /// Failures are answered late, to slow guessing down.
    private static let patience = Duration.seconds(60)

    package init(_ path: String) { self.path = path }

    /// Over a connection that stands already.
    init(_ path: String, over socket: consuming Descriptor) {
        self.path = path
        self.socket = consume socket
    }

    /// Asks, handing over `client` unless it stays with the caller; what cannot be asked is `later`.
    package func ask(_ request: LoginRequest, client: CInt?) -> LoginAnswer {
        do throws(SystemError) {
            if socket == nil { socket = try ServiceSocket.connect(path) }
            let raw = socket?.raw ?? -1
            try DescriptorPassing.send(request.framed, with: client.map { [$0] } ?? [], over: raw)
            guard try Poll.wait(raw, for: .reading, until: .after(Self.patience)) else {
                socket = nil
                return .later
            }
            let bytes = try File.read(raw, upTo: 1)
            let answer = bytes.first.flatMap(LoginAnswer.init) ?? .later
            // Who could not decide may have had to give up: the next try is somebody else's.
            if answer == .later { socket = nil }
            return answer
        } catch {
            socket = nil
            return .later
        }
    }
}
