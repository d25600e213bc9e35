import Bytes
import Mail
import Queue
import TemporaryPlaces
import Testing
import Unix

@testable import sendmail_compat

@Suite struct LoopbackServerTests {
    private let place: TemporaryDirectory

    init() throws { place = try TemporaryDirectory() }

    /// Sends a message for two to a server that gives these answers, line by line; what it heard, and why it was not sent.
    private func send(_ replies: String...) throws -> (heard: [String], refusal: LoopbackServer.Refusal?) {
        let script = """
            printf '220 h\\r\\n'
            for reply; do read -r line && echo "$line" >>\(place.path)/heard && printf '%s\\r\\n' "$reply"; done
            while read -r line; do
                echo "$line" >>\(place.path)/heard
                case $line in .?) printf '250 taken\\r\\n' ;; QUIT*) printf '221 bye\\r\\n' ;; esac
            done
            """
        let ends = try DescriptorPair.sockets()
        let child = try ChildProcess.start(
            "/bin/sh", arguments: ["sh", "-c", script, "sh"] + replies, input: ends.second.raw,
            output: ends.second.raw, error: 2)
        let socket = try ends.first.duplicate(from: 3)
        var refusal: LoopbackServer.Refusal?
        let envelope = Envelope(
            reversePath: Array("a@h.example".utf8), parameters: [],
            recipients: ["b@h.example", "c@h.example"].map { Envelope.Recipient(Array($0.utf8)) })
        do throws(LoopbackServer.Refusal) {
            let server = try LoopbackServer(envelope, hostname: "h.example", size: 3, over: socket)
            try server.append(Array("hi\n".utf8))
            try server.commit()
        } catch { refusal = error }
        Socket.endWriting(ends.first.raw)
        _ = try child.wait()
        let heard = try Path.contents("\(place.path)/heard") ?? []
        return (heard.split(separator: .lf).map { String(decoding: $0.dropLast(), as: UTF8.self) }, refusal)
    }

    @Test("a message goes to all of its recipients")
    func all() throws {
        let (heard, refusal) = try send("250 h", "250 ok", "250 ok", "250 ok", "354 go")
        #expect(refusal == nil && heard.suffix(4) == ["DATA", "hi", ".", "QUIT"])
    }

    @Test("a message of which a recipient is refused goes to nobody", arguments: [450, 550])
    func none(code: Int) throws {
        let (heard, refusal) = try send("250 h", "250 ok", "250 ok", "\(code) no", "354 go")
        #expect(refusal?.isPermanent == (code == 550) && heard.last == "DATA", "\(heard)")
    }
}
