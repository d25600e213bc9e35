import Bytes
import Testing
import Unix

@testable import Front

@Suite struct LoginExchangeTests {
    static let request = LoginRequest(
        user: Array("anna".utf8), password: Array("a:b,c d\u{0}".utf8), client: IPAddress("192.0.2.1"),
        start: SessionStart(
            tag: Array("a1".utf8), pipelined: Array("a2 SELECT INBOX\r\n".utf8), isEncrypted: true))

    private func payload(_ frame: [UInt8]) -> ArraySlice<UInt8>? {
        guard case .whole(let payload, let size) = Netstring.read(frame[...], limit: LoginRequest.longest),
            size == frame.count
        else { return nil }
        return payload
    }

    @Test("a request comes out as it went in, whatever bytes it has")
    func roundTrip() throws {
        #expect(LoginRequest(try #require(payload(Self.request.framed))) == Self.request)
        let bytes = Array(UInt8.min...UInt8.max)
        let all = LoginRequest(
            user: bytes, password: bytes, client: nil,
            start: SessionStart(tag: Array(bytes.dropLast()), pipelined: bytes, isEncrypted: false))
        #expect(LoginRequest(try #require(payload(all.framed))) == all)
    }

    @Test("a request cut anywhere, or with a byte changed in its frame, is none")
    func damage() {
        let frame = Self.request.framed
        for length in 0..<frame.count {
            #expect(payload(Array(frame.prefix(length))) == nil)
            if let payload = payload(frame) {
                #expect(LoginRequest(payload.prefix(length)) == nil || length >= payload.count)
            }
        }
        for text in [
            "", "0:,", "6:login1,", "6:login2,1:a,1:b,1:c,0:,", "6:login1,1:a,1:b,1:c,0:,",
            "6:login1,1:a,1:b,1:c,0:,1:x,",
        ] {
            #expect(LoginRequest(Array(text.utf8)[...]) == nil)
        }
    }

    @Test(
        "a client that is no address is nobody's, so that it can be counted and forges no line of the log",
        arguments: [
            ("192.0.2.1", "192.0.2.1"), ("2001:DB8::0:1", "2001:db8::1"), ("local", "local"), ("", "local"),
            ("x", "local"), ("192.0.2.1, rip=192.0.2.2", "local"), ("192.0.2.256", "local"),
            ("192.0.2.1/24", "local"), ("\u{0}", "local"), ("192.0.2.1\n", "local"),
        ])
    func clients(said: String, meant: String) throws {
        var fields: [UInt8] = []
        for field in [
            Array("login1".utf8), Array("u".utf8), Array("p".utf8), Array(said.utf8),
            Self.request.start.record,
        ] {
            Netstring.append(field, to: &fields)
        }
        #expect((try #require(LoginRequest(fields[...])).client?.description ?? "local") == meant)
    }

    @Test("what goes behind the login has limits at n and n+1")
    func limits() {
        func start(tag: Int, pipelined: Int) -> SessionStart {
            SessionStart(
                tag: [UInt8](repeating: 0x61, count: tag),
                pipelined: [UInt8](repeating: 0x62, count: pipelined),
                isEncrypted: false)
        }
        for (tag, pipelined, isGood) in [
            (255, 0, true), (256, 0, false), (0, SessionStart.mostPipelined, true),
            (0, SessionStart.mostPipelined + 1, false),
        ] {
            let start = start(tag: tag, pipelined: pipelined)
            #expect((SessionStart(start.record[...]) == start) == isGood)
        }
        #expect(Self.request.framed.count < LoginRequest.longest)
    }

    @Test("nobody there is later, not no")
    func noService() {
        #expect(LoginService("/nowhere/socket").ask(Self.request, client: nil) == .later)
    }
}
