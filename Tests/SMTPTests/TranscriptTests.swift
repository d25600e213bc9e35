import DialogFiles
import SASL
import SMTP
import Testing

@Suite struct TranscriptTests {
    @Test(
        "every transcript in Dialogs happens as it is written, whatever the pieces",
        arguments: Dialog.all, [1, 7, 1 << 20])
    func asWritten(dialog: Dialog, cut: Int) {
        var client = EngineClient(dialog, offersTLS: dialog.offersTLS)
        for turn in dialog.turns {
            client.send(turn.sent, cut: cut)
            client.expect(turn.heard, dialog.name)
        }
        client.session.ended()
        #expect(client.isClosed == dialog.isClosed)
        #expect(client.handler.committed == dialog.messages)
    }

    @Test("and the same where the client does not wait", arguments: Dialog.all.filter { !$0.offersTLS })
    func pipelined(dialog: Dialog) {
        var client = EngineClient(dialog, offersTLS: false)
        client.send(dialog.turns.flatMap(\.sent), cut: 1 << 20)
        client.expect(dialog.turns.flatMap(\.heard), dialog.name)
        #expect(client.isClosed == dialog.isClosed)
        #expect(client.handler.committed == dialog.messages)
    }

    @Test("they are there")
    func count() { #expect(Dialog.all.count >= 8) }
}

/// A client of the engine, without a network between.
private struct EngineClient {
    let handler = FakeHandler()
    var session: ServerSession
    var isClosed = false
    private var heard: [UInt8]
    private var unread: [UInt8] = []

    init(_ dialog: Dialog, offersTLS: Bool) {
        session = ServerSession(
            .init(
                hostname: "here", sizeLimit: 100_000, recipientLimit: 10, offersTLS: offersTLS,
                clientIsOurs: dialog.clientIsOurs, login: dialog.login),
            handler: handler)
        heard = session.greeting
    }

    mutating func send(_ bytes: [UInt8], cut size: Int) {
        var rest = bytes[...]
        while !rest.isEmpty, !isClosed {
            unread += rest.prefix(size)
            rest = rest.dropFirst(size)
            serve()
        }
    }

    /// Lets the session work until it needs more.
    private mutating func serve() {
        while !isClosed {
            let step = session.step(unread[...])
            unread.removeFirst(step.consumed)
            heard += step.output
            switch step.next {
            case .close, .sendAway: isClosed = true
            case .startTLS:
                heard += session.readyForTLS
                session.startedTLS()
            case .verify(let credentials): verify(credentials)
            case .proceed: if step.consumed == 0 { return }
            }
        }
    }

    private mutating func verify(_ credentials: Credentials) {
        let user = String(decoding: credentials.user, as: UTF8.self)
        if user == "test", credentials.password == Array("secret".utf8) {
            heard += session.loggedIn(as: credentials.user)
        } else {
            let (output, isOver) = session.loginFailed(isTemporary: user == "later")
            heard += output
            isClosed = isOver
        }
    }

    /// All that was heard since the last time is these lines.
    mutating func expect(_ lines: [ExpectedLine], _ name: String) {
        let difference = ExpectedLine.difference(lines, heard: heard, end: Array("\r\n".utf8))
        heard = []
        #expect(difference == nil, "\(name)")
    }
}
