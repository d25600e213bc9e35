import DialogFiles
import SMTP
import Testing

/// A transcript in Dialogs/: what the client sends, what it must hear, and what must then be in the queue.
///
///     # a comment             offer TLS       the server has a certificate
///     our own client          it is in relay-networks
///     C: sent, CRLF behind it; \r \n \0 \\ \xHH are escapes
///     S: one line of a reply, exactly         S~ the same with * for anything
///     log in                  clients log in, `test` with `secret`; `log in in the clear`: without TLS, too
///     closed                  the server ended the session
///     to a@b                  a recipient of the next message
///     M: a line of it
struct Dialog: CustomTestStringConvertible {
    /// What the client sends at once, and the lines that answer it.
    struct Turn {
        var sent: [UInt8] = []
        var heard: [ExpectedLine] = []
    }

    let name: String
    var turns: [Turn] = [Turn()]
    var offersTLS = false
    var clientIsOurs = false
    var login = ServerSession.Settings.Login.none
    var isClosed = false
    var messages: [FakeHandler.Message] = []
    var testDescription: String { name }

    static let all = DialogFile.all(beside: "\(#filePath)").map { Dialog($0) }

    private init(_ file: DialogFile) {
        name = file.name
        var recipients: [String] = []
        for line in file.lines {
            let text = String(decoding: line.text, as: UTF8.self)
            switch line.kind {
            case "C:":
                if turns.last?.heard.isEmpty == false { turns.append(Turn()) }
                turns[turns.count - 1].sent += DialogFile.unescaped(line.text) + Array("\r\n".utf8)
            case "S:": turns[turns.count - 1].heard.append(.exactly(line.text))
            case "S~": turns[turns.count - 1].heard.append(.like(line.text))
            case "to":
                if recipients.isEmpty { messages.append(.init(recipients: [], content: "")) }
                recipients.append(text)
                messages[messages.count - 1].recipients = recipients
            case "M:":
                recipients = []
                messages[messages.count - 1].content += text + "\n"
            case "closed": isClosed = true
            case "offer": offersTLS = true
            case "our": clientIsOurs = true
            case "log": login = .required(inClear: text.hasSuffix("clear"))
            case "#": break
            default: Issue.record("\(name): what is \(line.kind)?")
            }
        }
    }
}
