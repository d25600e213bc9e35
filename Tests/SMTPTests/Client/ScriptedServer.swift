import Bytes
import Mail

@testable import SMTP

/// A server that is a table: for each command, by the words it begins with, what it answers. It drives a
/// session the way remote-deliver does, and keeps what was on the wire.
struct ScriptedServer {
    /// The first row whose words begin the command is used; a row may be used `times` times. An answer of
    /// `nil` closes the connection, one that ends in `close` does so when it is said.
    struct Row {
        var words: String
        var answer: String?
        var times = Int.max

        init(_ words: String, _ answer: String?, times: Int = .max) {
            self.words = words
            self.answer = answer
            self.times = times
        }
    }

    /// At the end of an answer: then the connection is closed.
    static let close = "CLOSE"

    static let usual: [Row] = [
        Row("greeting", "220 mx.example ESMTP\r\n"),
        Row("EHLO", "250-mx.example\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SIZE 1000000\r\n"),
        Row("LHLO", "250-mx.example\r\n250 PIPELINING\r\n"), Row("HELO", "250 mx.example\r\n"),
        Row("STARTTLS", "220 go ahead\r\n"), Row("MAIL", "250 2.1.0 Ok\r\n"), Row("RCPT", "250 2.1.5 Ok\r\n"),
        Row("DATA", "354 go on\r\n"), Row("end", "250 2.0.0 Ok: queued\r\n"), Row("RSET", "250 Ok\r\n"),
        Row("QUIT", "221 bye\r\n"),
    ]

    var rows: [Row]
    var session: ClientSession
    /// Commands and content, each up to its CRLF or its end.
    var wire: [String] = []
    /// What the server said in one write, for tests that cut.
    var step = Int.max
    private var isInData = false
    private var input: [UInt8] = []
    private(set) var isOpen = true
    private(set) var tlsHandshakes = 0

    init(
        _ rows: Row..., dialect: ClientSession.Dialect = .smtp,
        security: ClientSession.Security = .off, relay: ClientRelay? = nil
    ) {
        self.rows = rows + Self.usual
        session = ClientSession(
            name: "client.example", peer: "mx.example[192.0.2.1]", dialect: dialect, security: security,
            relay: relay)
    }

    private mutating func answer(_ command: String) {
        guard isOpen, let index = rows.firstIndex(where: { command.hasPrefix($0.words) && $0.times > 0 })
        else { return }
        rows[index].times -= 1
        guard let answer = rows[index].answer else {
            isOpen = false
            session.lost(.closed)
            return
        }
        let bytes = Array((answer.hasSuffix(Self.close) ? String(answer.dropLast(5)) : answer).utf8)
        for start in stride(from: 0, to: bytes.count, by: min(step, max(1, bytes.count))) {
            session.receive(bytes[start..<min(bytes.count, start + min(step, bytes.count))])
        }
        if command == "DATA", answer.hasPrefix("3") { isInData = true }
        if answer.hasSuffix(Self.close) {
            isOpen = false
            session.lost(.closed)
        }
    }

    private mutating func hear(_ bytes: [UInt8]) {
        input += bytes
        while isOpen {
            let end: [UInt8] = isInData ? [UInt8]("\r\n.\r\n") : [UInt8]("\r\n")
            // A message may be nothing but its dot.
            let text = isInData ? [UInt8]("\r\n") + input : input
            guard let found = text.firstRange(of: end) else { return }
            let shift = isInData ? 2 : 0
            let unit = Array(input.prefix(found - shift + end.count))
            input.removeFirst(unit.count)
            wire.append(String(decoding: unit, as: UTF8.self))
            if isInData {
                isInData = false
                if session.dialectForTests == .lmtp {
                    for _ in 0..<session.awaited.count { answer("end") }
                } else {
                    answer("end")
                }
            } else {
                answer(String(decoding: unit.dropLast(2), as: UTF8.self))
            }
        }
    }

    /// Drives the session until it is idle or closed.
    mutating func run(content: String = "Subject: x\n\nbody\n") {
        if wire.isEmpty, session.awaited.first == .greeting { answer("greeting") }
        var encoder = DataEncoder()
        for _ in 0..<10_000 {
            switch session.next() {
            case .write(let bytes): hear(bytes)
            case .read: return
            case .startTLS:
                tlsHandshakes += 1
                session.tlsBegan()
                if session.awaited.first == .greeting { answer("greeting") }
            case .content:
                hear(encoder.encode(Array(content.utf8)))
                session.contentSent(encoder.end())
            case .idle, .closed: return
            }
        }
    }

    mutating func deliver(
        _ recipients: String..., from sender: String = "a@client.example", parameters: String = "",
        content: String = "Subject: x\n\nbody\n"
    ) -> [ClientOutcome.Verdict?] {
        var encoder = DataEncoder()
        _ = encoder.encode(Array(content.utf8))
        _ = encoder.end()
        run()
        guard session.isIdle else { return [] }
        let transaction = ClientTransaction(
            reversePath: Array(sender.utf8), parameters: try! Parameters(Array(parameters.utf8)),
            size: encoder.survey.size, hasEightBits: encoder.survey.hasEightBits,
            recipients: recipients.map { ClientTransaction.Recipient(address: Array($0.utf8)) })
        session.begin(transaction)
        run(content: content)
        return session.outcomes.map { $0?.verdict }
    }

    func text(_ index: Int = 0) -> String {
        session.outcomes[index].map { String(decoding: $0.text, as: UTF8.self) } ?? "undecided"
    }
}

extension ClientSession {
    var dialectForTests: Dialect { dialect }
}

extension [UInt8] {
    /// Where `pattern` first begins.
    func firstRange(of pattern: [UInt8]) -> Int? {
        guard count >= pattern.count else { return nil }
        return (0...(count - pattern.count)).first { self[$0...].starts(with: pattern) }
    }
}
