import Bytes
import Mail
import SASL
import SMTP

extension FuzzTarget {
    static let smtp = [
        FuzzTarget(name: "smtp-server", run: server), FuzzTarget(name: "smtp-client", run: client),
        FuzzTarget(name: "smtp-data", run: data),
    ]

    // MARK: The server

    /// Takes every recipient whose local part is no longer than five bytes, and keeps what was committed.
    private final class Inbox: MailHandler {
        var messages: [[UInt8]] = []
        private var content: [UInt8] = []
        private(set) var isOpen = false

        func refuseSender(_ sender: Address?, _ parameters: MailParameters) -> Reply? { nil }
        func judgeRecipient(_ recipient: Address, _ parameters: RecipientParameters) -> Reply {
            recipient.localPart.count <= 5 ? Reply(250, nil, "Ok") : Reply(550, nil, "No")
        }
        func begin(_ transaction: Transaction) -> Reply? {
            content = []
            isOpen = true
            return nil
        }
        func append(_ content: [UInt8]) { self.content += content }
        func commit() -> Reply {
            messages.append(content)
            isOpen = false
            return Reply(250, nil, "Ok")
        }
        func rest(in transaction: Transaction?) {}
        func abandon() { isOpen = false }
        func note(_ refusal: RefusedCommand) {}
    }

    private static func server(_ input: [UInt8], _ seen: inout Findings) throws(Violation) {
        var first: (output: [UInt8], messages: [[UInt8]])?
        for pieces in input.cuts {
            let inbox = Inbox()
            let output = try converse(pieces, inbox)
            try promise(
                "nothing but lines of text is said",
                !output.contains { ($0.isControl && $0 != .cr && $0 != .lf) || $0 > 126 })
            try promise(
                "no bare CR and no NUL is kept",
                !inbox.messages.contains { $0.contains(.cr) || $0.contains(.nul) })
            try promise("what was begun ends", !inbox.isOpen)
            if let first {
                try promise(
                    "pieces make no difference", first.output == output && first.messages == inbox.messages)
            }
            first = (output, inbox.messages)
        }
        seen.note("said", ifAny: first?.output)
        for message in first?.messages ?? [] { seen.note("message", message) }
    }

    private static func converse(_ pieces: [ArraySlice<UInt8>], _ inbox: Inbox) throws(Violation) -> [UInt8] {
        // One input in two is a client's that has to log in.
        let asks = pieces.reduce(0) { $0 + $1.count } % 2 == 1
        var session = ServerSession(
            .init(
                hostname: "here", sizeLimit: 500, recipientLimit: 5, offersTLS: true,
                login: asks ? .required(inClear: true) : .none), handler: inbox)
        var output: [UInt8] = []
        var buffer: [UInt8] = []
        var isOpen = true
        for piece in pieces where isOpen {
            buffer += piece
            var step: ServerSession.Step
            repeat {
                step = session.step(buffer[...])
                try promise("no more is read than came", step.consumed <= buffer.count)
                output += step.output
                buffer.removeFirst(step.consumed)
                switch step.next {
                case .proceed: break
                case .startTLS: session.startedTLS()
                case .verify(let credentials):
                    try promise("credentials have a name", !credentials.user.isEmpty)
                    if credentials.password.count % 2 == 0 {
                        output += session.loggedIn(as: credentials.user)
                    } else {
                        let failure = session.loginFailed(isTemporary: credentials.user.count % 2 == 0)
                        output += failure.output
                        isOpen = !failure.isOver
                    }
                case .close, .sendAway: isOpen = false
                }
            } while isOpen && !buffer.isEmpty && step.consumed > 0
            try promise("no more is held than a line", buffer.count <= ServerSession.longestLine)
        }
        session.ended()
        return output
    }

    // MARK: The client

    private static func client(_ input: [UInt8], _ seen: inout Findings) throws(Violation) {
        var first: [ServerReply]?
        for pieces in input.cuts {
            var parser = ReplyParser()
            var replies: [ServerReply] = []
            for piece in pieces {
                parser.append(piece)
                while case .reply(let reply) = parser.next() { replies.append(reply) }
            }
            try promise("pieces make no difference", first == nil || first == replies)
            first = replies
        }
        for reply in first ?? [] {
            let capabilities = Capabilities(reply)
            seen.note("size", Int64(bitPattern: capabilities.largestMessage ?? 0))
            seen.note("pipelining", capabilities.pipelining)
            seen.note("reply", Int64(reply.code), Int64(reply.severity.rawValue))
            seen.note("status", reply.status.description)
            seen.note("text", reply.text)
        }
        for dialect in [ClientSession.Dialect.smtp, .lmtp] {
            let output = try converse(dialect, input)
            try promise("no bare line end is sent", hasOnlyCRLF(output))
            seen.note("sent", output)
        }
        let functions = SCRAMFunctions(
            hash: { $0 }, hmac: { $0 + $1 }, derive: { password, _, _ in password })
        let login = ClientRelay.Login(
            Credentials(user: Array("u".utf8), password: Array("p".utf8)), nonce: Array("n".utf8), functions)
        seen.note("logged in", try converse(.smtp, input, ClientRelay(login: login)))
    }

    /// A session whose server says the input, whatever it was asked.
    private static func converse(
        _ dialect: ClientSession.Dialect, _ input: [UInt8], _ relay: ClientRelay? = nil
    ) throws(Violation) -> [UInt8] {
        var session = ClientSession(
            name: "here", peer: "there[192.0.2.1]", dialect: dialect, security: .opportunistic, relay: relay)
        var isEncrypted = false
        var output: [UInt8] = []
        var pieces = input.pieces(of: 40)[...]
        var transactions = 0
        while true {
            switch session.next() {
            case .write(let bytes):
                try promise("no login in the clear", isEncrypted || !bytes.hasPrefixFolded("AUTH"))
                output += bytes
            case .read:
                if let piece = pieces.popFirst() { session.receive(piece) } else { session.lost(.closed) }
            case .startTLS:
                isEncrypted = true
                session.tlsBegan()
            case .content:
                var encoder = DataEncoder()
                session.contentSent(encoder.encode(Array("a\n.\n".utf8)) + encoder.end())
            case .idle:
                if transactions > 0 {
                    try promise("every recipient has an outcome", !session.outcomes.contains { $0 == nil })
                }
                transactions += 1
                guard transactions < 4 else {
                    session.quit()
                    continue
                }
                session.begin(
                    ClientTransaction(
                        reversePath: Array("ann@here".utf8), size: 4,
                        recipients: (0..<3).map { .init(address: Array("r\($0)@there".utf8)) }))
            case .closed: return output
            }
        }
    }

    // MARK: Mail data

    /// What is encoded for DATA is read back as what it was, however it is cut.
    private static func data(_ input: [UInt8], _ seen: inout Findings) throws(Violation) {
        for pieces in input.cuts {
            var encoder = DataEncoder()
            var wire: [UInt8] = []
            for piece in pieces { wire += encoder.encode(piece) }
            wire += encoder.end()
            try promise("no bare line end is sent", hasOnlyCRLF(wire))
            var reader = DotReader()
            var content: [UInt8] = []
            var consumed = 0
            for piece in wire.pieces(of: 5) where !reader.isAtEnd {
                consumed += reader.read(piece, into: &content)
            }
            try promise("the end is the end", reader.isAtEnd && consumed == wire.count)
            if !input.contains(.nul) { try promise("it is good mail data", reader.fault == nil) }
        }
        var reader = DotReader()
        var content: [UInt8] = []
        _ = reader.read(input[...], into: &content)
        try promise("nothing grows", content.count <= input.count)
        seen.note("content", content)
    }

    private static func hasOnlyCRLF(_ bytes: [UInt8]) -> Bool {
        var last: UInt8 = 0
        for byte in bytes {
            if (byte == .lf) != (last == .cr) { return false }
            last = byte
        }
        return last != .cr
    }
}
